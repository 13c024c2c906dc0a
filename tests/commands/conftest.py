"""A tiny embedded data set and a tiny trained run, made once by our own commands."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from sccan.commands import generate_shapes, train
from sccan.commands.entry import run_main

TINY = (
    "DATA.MIN_PIXELS 20 DATA.MEMORY_GB 0 TRAIN.EPOCHS 2 TRAIN.EPISODES_PER_EPOCH 12 TRAIN.BATCH_SIZE 4 "
    "VALIDATE.EPISODES 6 VALIDATE.EVERY 1.0 TEST.SIZE 65 TEST.EPISODES 7 TEST.SEEDS [1,2] TEST.BATCH_SIZE 2 "
    "TEST.CALIBRATION_EPISODES 6 BACKBONE.SMALL.STEM [8,8,8] BACKBONE.SMALL.WIDTHS [8,8,16,16] "
    "BACKBONE.SMALL.BLOCKS [1,1,1,1] METHOD.SCCAN.CHANNELS 16 METHOD.SCCAN.GRID [8,8] METHOD.SCCAN.HEADS 2 "
    "DATA.WORKERS 0"
).split()


@dataclass(frozen=True)
class Tiny:
    """Where the tiny data set and its runs lie, and the settings that fit them."""

    root: Path
    output: Path
    opts: list[str]

    @property
    def run(self) -> Path:
        return self.output / "shapes_split0"

    def argv(self, *more: str, config: str = "config/shapes/shapes_split0.yaml") -> list[str]:
        """A command line on the tiny data; `more` are further KEY VALUE pairs."""
        return [f"--config={config}", "--opts", *self.opts, *more]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    folder = tmp_path_factory.mktemp("tiny")
    root, output = folder / "shapes", folder / "runs"
    argv = [str(root), "--train", "160", "--test", "80", "--size", "65", "--workers", "1"]
    assert generate_shapes.main(argv) == 0
    base = output / "shapes_split0_base"
    opts = [*TINY, "DATA.ROOT", str(root), "OUTPUT", str(output), "DATA.CACHE", str(folder / "cache")]
    made = Tiny(root, output, [*opts, "BACKBONE.WEIGHTS", str(base)])
    small = ["TRAIN.SIZE", "[33,33]"]
    assert train.main([f"--config=config/shapes/{base.name}.yaml", "--opts", *opts, *small]) == 0
    assert train.main(made.argv()) == 0
    return made


@pytest.fixture
def refusal(capfd: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Runs a command that must refuse its input, and gives the one line that a user sees."""

    def run(main, argv: list[str]) -> str:  # type: ignore[no-untyped-def]
        with pytest.raises(SystemExit) as leaving:
            run_main(main, argv)
        lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error:")]
        assert leaving.value.code == 2
        assert len(lines) == 1
        return lines[0]

    return run
