"""`sccan classify` by several processes: the files of one."""

from pathlib import Path

import pytest

from sccan.commands import classify
from tests.commands.test_segment_shared import _files
from tests.engine.processes import run_module
from tests.predict.made_up import classifier_file, disc, save


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_write_the_bytes_of_one(tmp_path: Path, processes: int) -> None:
    model = classifier_file(tmp_path)
    for number, kind in enumerate(["cat", "dog"]):
        save(tmp_path / "kinds" / kind / "1.png", disc(40, 50, seed=number)[0])
    for number in range(5):
        save(tmp_path / "photos" / f"{number}.png", disc(40, 50 + number, seed=5 + number)[0])
    (tmp_path / "photos" / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    def words(out: str) -> list[str]:
        places = ["--support", str(tmp_path / "kinds"), "--images", str(tmp_path / "photos")]
        return ["--model", str(model), *places, "--out", str(tmp_path / out), "--device", "cpu", "--batch", "2"]

    assert classify.main(words("one")) == 1
    launcher = ("torch.distributed.run", "--standalone", f"--nproc_per_node={processes}")
    code, output = run_module(*launcher, "-m", "sccan", "classify", *words("several"), timeout=600)
    assert code == 1, "the broken picture"
    assert output.count("not classified: 2.png") == 1
    want = _files(tmp_path / "one")
    assert len(want) > 2
    assert _files(tmp_path / "several") == want
