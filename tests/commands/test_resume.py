"""A training of SCCAN that is killed resumes to the bits it would have reached; folders are guarded."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from sccan.commands import train
from sccan.engine.checkpoint import read_state
from sccan.files.alone import alone_in
from tests.commands.conftest import Tiny

ROOT = Path(__file__).parent.parent.parent
# Pictures and random transforms, dropout, two optimisers, a state saved at every step.
SETTINGS = (
    "TRAIN.CACHE_VIEWS 0 TRAIN.TRANSFORM fast TRAIN.SIZE [49,49] TRAIN.EPOCHS 4 TRAIN.EPISODES_PER_EPOCH 40 "
    "TRAIN.SAVE_MINUTES 0.0001 VALIDATE.EVERY 2.0 DEVICE cpu"
).split()


def _start(tiny: Tiny, output: Path, *flags: str) -> subprocess.Popen[bytes]:
    argv = [*flags, *tiny.argv("OUTPUT", str(output), *SETTINGS)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "train_sccan.py", *argv],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.slow
def test_sigkill_in_mid_epoch_changes_not_a_bit(tiny: Tiny, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert _start(tiny, whole).wait(timeout=240) == 0
    state = killed / "shapes_split0" / "last.pt"
    process = _start(tiny, killed)
    deadline = time.monotonic() + 120
    while not (state.is_file() and _step(state) % 10 not in (0, 1)):
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 0 < _step(state) < 40
    assert _start(tiny, killed, "--resume").wait(timeout=240) == 0
    one, two = (read_state(folder / "shapes_split0" / "last.pt") for folder in (whole, killed))
    assert one["standing"] == two["standing"]
    assert one["standing"]["step"] == 40
    assert _same(one["updater"], two["updater"])
    logs = [(folder / "shapes_split0" / "log.jsonl").read_text().count('"losses"') for folder in (whole, killed)]
    assert logs[0] == logs[1]


def _step(state: Path) -> int:
    return read_state(state)["standing"]["step"]


def _same(one: object, two: object) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, two)
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(_same(value, two[name]) for name, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(_same, one, two))
    return one == two


def test_a_folder_in_use_is_refused(tiny: Tiny, refusal) -> None:
    with alone_in(tiny.run):
        assert f"another run uses {tiny.run} now (process {os.getpid()})" in refusal(
            train.main, ["--resume", *tiny.argv()]
        )


def test_a_changed_setting_is_named_when_a_run_is_resumed(tiny: Tiny, refusal) -> None:
    line = refusal(train.main, ["--resume", *tiny.argv("METHOD.SCCAN.HEAD_DROPOUT", "0.3")])
    assert "METHOD.SCCAN.HEAD_DROPOUT was 0.1 and is 0.3" in line


def test_a_full_disk_is_refused_before_anything_is_written(tiny: Tiny, tmp_path: Path, refusal, monkeypatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000})())
    line = refusal(train.main, tiny.argv("OUTPUT", str(tmp_path / "new")))
    assert "has 0.00 GB free, but the run may need" in line
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_two_processes_train_sccan_together(tiny: Tiny, tmp_path: Path) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "train_sccan.py"]
    argv = tiny.argv("OUTPUT", str(tmp_path), *SETTINGS, "TRAIN.EPOCHS", "1", "VALIDATE.EVERY", "1.0")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *launcher, *argv], cwd=ROOT, env=environment, check=True, capture_output=True)
    state = read_state(tmp_path / "shapes_split0" / "last.pt")
    assert state["standing"]["step"] == 5  # 40 episodes, 4 per process
    log = (tmp_path / "shapes_split0" / "log.jsonl").read_text()
    assert log.count('"finished"') == 1
    assert '"validation"' in log
