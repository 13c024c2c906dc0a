"""The run folder: who may use it, what is recorded, what is refused."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
import torch

from sccan.engine.environment import describe_environment, source_revision
from sccan.engine.run import LOG, Run, open_run
from sccan.errors import InputError
from tests.engine.toy import cpu

SETTINGS = {"TRAIN.LR": 0.1, "DATA.FOLD": 0, "TRAIN.SIZE": (4, 6), "DEVICE": "cpu"}


def opened(folder: Path, **options) -> Run:
    return open_run(folder, cpu(), **{"config_text": "A: 1\n", "settings": SETTINGS, **options})


def content(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_new_run_records_settings_and_machine(tmp_path: Path) -> None:
    with opened(tmp_path / "a" / "b") as run:
        assert (run.resumed, run.writes, len(run.digest)) == (False, True, 16)
    assert (run.folder / "config.yaml").read_text() == "A: 1\n"
    assert json.loads((run.folder / "settings.json").read_text())["TRAIN.SIZE"] == [4, 6]
    (start,) = json.loads((run.folder / "environment.json").read_text())
    assert torch.__version__.startswith(start["packages"]["torch"])
    assert start["device"] == "CPU"


def test_a_second_run_into_a_folder_in_use_names_folder_and_process(tmp_path: Path) -> None:
    line = rf"another run uses {tmp_path} now \(process {os.getpid()}\)"
    with opened(tmp_path):
        for options in ({}, {"resume": True}, {"overwrite": True}):
            with pytest.raises(InputError, match=line):
                opened(tmp_path, **options)
    opened(tmp_path, resume=True).close()


def test_a_folder_with_a_run_asks_what_to_do(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        run.log({"step": 1})
    before = content(tmp_path)
    with pytest.raises(InputError, match="already holds a run; continue it with --resume, replace it with --overwrite"):
        opened(tmp_path)
    assert content(tmp_path) == before


def test_overwriting_removes_the_run_and_nothing_else(tmp_path: Path) -> None:
    with opened(tmp_path, settings={"A": 1}) as run:
        run.log({"step": 1})
        run.start_events(0)
        run.save_state({"step": 1})
        run.save_best({"w": torch.zeros(1)}, {})
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / ".last.pt.sccan-0123abcd.partial").write_text("half")
    opened(tmp_path, overwrite=True).close()
    assert content(tmp_path) == {"config.yaml", "environment.json", "settings.json", "notes.txt"}
    assert len(json.loads((tmp_path / "environment.json").read_text())) == 1


def test_overwriting_takes_a_link_away_and_not_what_it_leads_to(tmp_path: Path) -> None:
    opened(tmp_path / "run").close()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine").write_text("x")
    (tmp_path / "run" / "results").symlink_to(tmp_path / "elsewhere")
    opened(tmp_path / "run", overwrite=True).close()
    assert not (tmp_path / "run" / "results").is_symlink()
    assert content(tmp_path / "elsewhere") == {"mine"}


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mine")
    for options in ({}, {"overwrite": True}):
        with pytest.raises(InputError, match=r"holds files that are no run's \(config.yaml\)"):
            opened(tmp_path, **options)
    assert content(tmp_path) == {"config.yaml"}


def test_resuming_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no run to resume"):
        opened(tmp_path / "new", resume=True)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "link", "link that leads nowhere"])
def test_a_log_that_is_no_file_of_the_run_is_refused(tmp_path: Path, kind: str) -> None:
    folder, other = tmp_path / "run", tmp_path / "notes.txt"
    opened(folder).close()
    other.write_text("somebody's\n")
    log = folder / LOG
    log.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(log)
    elif kind == "folder":
        log.mkdir()
    else:
        targets = {"device": "/dev/zero", "link": other, "link that leads nowhere": tmp_path / "nothing"}
        log.symlink_to(targets[kind])
    said = f"a {kind}; expected a file" if kind in ("pipe", "folder") else "a link, and results are not written through"
    with pytest.raises(InputError, match=rf"log\.jsonl is {said}"):
        opened(folder, resume=True)
    assert other.read_text() == "somebody's\n"
    assert not (tmp_path / "nothing").exists()


def test_resuming_under_other_settings_names_them(tmp_path: Path) -> None:
    opened(tmp_path).close()
    changed = {**SETTINGS, "TRAIN.LR": 0.2, "DEVICE": "cuda", "NEW": 1}
    with pytest.raises(InputError, match=r"NEW was 'nothing' and is 1; TRAIN\.LR was 0\.1 and is 0\.2; use"):
        opened(tmp_path, settings=changed, resume=True, may_differ=["DEVICE"])
    with opened(tmp_path, settings={**SETTINGS, "DEVICE": "cuda"}, resume=True, may_differ=["DEVICE"]) as run:
        assert run.resumed
    assert len(json.loads((tmp_path / "environment.json").read_text())) == 2


def test_a_full_disk_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has 1\.00 GB free, but the run may need 2\.00 GB"):
        opened(tmp_path / "deep" / "run", bytes_needed=2 * 10**9, free=lambda folder: 10**9)
    assert content(tmp_path) == set()
    opened(tmp_path / "deep" / "run", bytes_needed=1000).close()


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(InputError, match="cannot use the folder"):
        opened(tmp_path / "run" / "inner")


def test_log_lines_are_appended_and_cut(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        run.log({"step": 1, "loss": 0.5})
        size = run.log_size()
        run.log({"step": 2, "loss": float("nan"), "scores": (1, 2)})
        lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
        assert lines == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": None, "scores": [1, 2]}]
        run.cut_log(size)
        run.log({"step": 2})
        assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [1, 2]


def test_events_after_the_resumed_step_are_hidden(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with opened(tmp_path) as run:
        run.start_events(0)
        for step in (1, 2, 3):
            run.scalars(step, {"loss/total": float(step)})
    time.sleep(1.01 - time.time() % 1)  # files are read in the order of the seconds they were begun in
    with opened(tmp_path, resume=True) as run:
        run.start_events(1)
        run.scalars(2, {"loss/total": 20.0})
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss/total")] == [(1, 1.0), (2, 20.0)]


def test_the_revision_is_the_checkouts_own(tmp_path: Path) -> None:
    def git(*words: str) -> str:
        identity = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *words], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    git("init", "-q")
    source, stranger = tmp_path / "source.py", tmp_path / "installed.py"
    source.write_text("a = 1\n")
    stranger.write_text("b = 1\n")
    git("add", "source.py")
    git("commit", "-q", "-m", "first")
    assert source_revision(source) == git("rev-parse", "HEAD")
    assert source_revision(stranger) is None
    source.write_text("a = 2\n")
    assert source_revision(source) == git("rev-parse", "HEAD") + "+changes"


def test_the_environment_is_plain() -> None:
    found = describe_environment(torch.device("cpu"))
    assert json.loads(json.dumps(found)) == found


def test_a_run_of_an_earlier_version_is_resumed_without_the_settings_it_did_not_know(tmp_path: Path) -> None:
    opened(tmp_path).close()
    later = SETTINGS | {"TRAIN.NEW": 2}
    with pytest.raises(InputError, match="TRAIN.NEW was 'nothing' and is 2"):
        opened(tmp_path, settings=later, resume=True)
    opened(tmp_path, settings=later, may_be_new=["TRAIN.NEW"], resume=True).close()
    with pytest.raises(InputError, match=r"TRAIN.LR was 0.1 and is 0.2"):
        opened(tmp_path, settings=later | {"TRAIN.LR": 0.2}, may_be_new=["TRAIN.NEW", "TRAIN.LR"], resume=True)
