"""`sccan segment` by several processes: the files of one, and what a killed process had finished is not done again."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from sccan.commands import segment
from sccan.commands.segment_pictures import SegmentedFolder, Segmenter, Supports, find_photos, load_trained
from sccan.errors import InputError
from sccan.predict.segment_folder import HELPERS, JOURNAL
from tests.engine.processes import run_module, start_module
from tests.predict.made_up import disc, save, segmenter_file, white_on_black

SIZES = ((50, 75), (60, 75), (70, 40), (50, 75), (44, 52))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, an example, five pictures of which one is broken, and what one process makes of them."""
    folder = tmp_path_factory.mktemp("shared")
    segmenter_file(folder)
    image, mask = disc(60, 80)
    save(folder / "examples" / "1.jpg", image)
    save(folder / "examples" / "1.png", white_on_black(mask))
    for number, (height, width) in enumerate(SIZES):
        save(folder / "photos" / f"{number}.png", disc(height, width, seed=10 + number)[0])
    (folder / "photos" / "3.png").write_bytes((folder / "photos" / "3.png").read_bytes()[:200])
    assert segment.main(_words(folder, "one")) == 1
    return folder


def _words(place: Path, out: str, *more: str) -> list[str]:
    model, examples = place / "sccan.safetensors", place / "examples"
    places = ["--model", str(model), "--support", str(examples), "--out", str(place / out)]
    return [*places, "--device", "cpu", "--batch", "2", "--report", "--images", str(place / "photos"), *more]


def _files(out: Path) -> dict[str, bytes]:
    """All results, but for the journal, whose lines stand in the order in which pictures were finished."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3])
def test_several_processes_write_the_bytes_of_one(place: Path, processes: int) -> None:
    launcher = ("torch.distributed.run", "--standalone", f"--nproc_per_node={processes}")
    code, output = run_module(*launcher, "-m", "sccan", "segment", *_words(place, f"by_{processes}"), timeout=600)
    assert code == 1, "the broken picture"
    out = place / f"by_{processes}"
    want = _files(place / "one")
    assert len(want) == 4 * 2 + 4
    assert _files(out) == want
    assert output.count("5 pictures, 0 of them finished earlier") == 1
    assert output.count("not segmented: 3.png: ") == 1
    assert not (out / HELPERS).exists()
    assert len((out / JOURNAL).read_text().splitlines()) > 4
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert segment.main(_words(place, f"by_{processes}")) == 1
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.png")} == before, "one process goes on with it"


@pytest.mark.slow
def test_a_process_that_is_killed_ends_all_and_the_next_command_goes_on(place: Path) -> None:
    many = place / "many"
    for number in range(60):
        save(many / f"{number}.png", disc(50, 75, seed=number)[0])
    words = [*_words(place, "again")[:-1], str(many), "--no-overlays"]
    words.remove("--report")
    assert segment.main([*words, "--out", str(place / "whole")]) == 0
    out = place / "again"
    with start_module(
        "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "sccan", "segment", *words
    ) as run:
        while run.poll() is None and _finished(out / HELPERS / "1" / JOURNAL) < 2:
            time.sleep(0.005)
        os.kill(_process_of_rank(1, run.pid), signal.SIGKILL)
        assert run.wait(timeout=300) != 0
    done = _finished(out / JOURNAL) + _finished(out / HELPERS / "1" / JOURNAL)
    assert 2 <= done < 60
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert done <= len(before) < 60
    assert segment.main(words) == 0
    kept = sum(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    assert kept >= done, "what was finished is not done again"
    assert _files(out) == _files(place / "whole")
    assert not (out / HELPERS).exists()


def _finished(journal: Path) -> int:
    """Pictures that a journal knows to be finished."""
    return journal.read_text().count('"regions"') if journal.is_file() else 0


def _process_of_rank(rank: int, launcher: int) -> int:
    """The number of a process that torchrun has started."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return next(
        int(one) for one in children if f"\0RANK={rank}\0".encode() in Path(f"/proc/{one}/environ").read_bytes()
    )


def test_what_killed_processes_had_finished_is_taken_over(place: Path) -> None:
    segmenter = Segmenter(load_trained(place / "sccan.safetensors"), device="cpu", batch=2)
    supports, photos = Supports.from_folder(place / "examples"), find_photos(place / "photos")
    out = place / "killed"
    first = SegmentedFolder(out, segmenter, supports)
    plan = first.plan(photos)
    first.claim(plan)
    second = SegmentedFolder(out, segmenter, supports, rank=1)
    second.run(photos, plan, deal=slice(1, None, 2))  # the group of 2.png, and of 3.png, which is broken
    with pytest.raises(InputError, match="another process works on"):
        first.take_over()
    first.journal.close()  # killed, both of them: nothing is taken over, and the second was writing a line
    second.journal.close()
    with (out / HELPERS / "1" / JOURNAL).open("a") as journal:
        journal.write('{"name": "4.png", "mask"')
    before = (out / "2.png").stat().st_mtime_ns
    assert segment.main(_words(place, "killed")) == 1
    assert (out / "2.png").stat().st_mtime_ns == before
    assert _files(out) == _files(place / "one")
    assert not (out / HELPERS).exists()


def test_helpers_are_not_followed_through_links(place: Path) -> None:
    out = place / "linked"
    out.mkdir()
    (out / HELPERS).symlink_to(place)
    with pytest.raises(InputError, match="is a link"):
        segment.main(_words(place, "linked"))
