"""Folders of results hold files of others too: none is replaced, followed or removed; results keep their picture."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sccan.commands import classify, segment
from sccan.files.made import RECORD
from sccan.pictures.decoding import read_label
from sccan.predict.segment_folder import JOURNAL
from tests.predict.made_up import classifier_file, disc, save, segmenter_file, white_on_black

Refusal = Callable[..., str]
MINE = "somebody's\n"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {"segment": segmenter_file(folder), "classify": classifier_file(folder)}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Examples for both commands, and the photos of two days that bear one name."""
    for number, name in enumerate(("cat", "dog")):
        image, mask = disc(40, 60, seed=number)
        save(tmp_path / "examples" / f"{name}.jpg", image)
        save(tmp_path / "examples" / f"{name}.png", white_on_black(mask))
        save(tmp_path / "kinds" / name / "1.jpg", image)
    for day in (1, 2):
        save(tmp_path / f"day{day}" / "IMG_0001.jpg", disc(30 + day, 60, seed=10 + day)[0])
    return tmp_path


@pytest.fixture
def argv(models: dict[str, Path], place: Path) -> Callable[..., list[str]]:
    def made(command: str, *more: str, images: str = "day1", support: str = "") -> list[str]:
        shown = support or {"segment": "examples", "classify": "kinds"}[command]
        places = {"support": shown, "images": images, "out": "out"}
        words = [word for name, path in places.items() for word in (f"--{name}", str(place / path))]
        return ["--model", str(models[command]), *words, "--device", "cpu", *more]

    return made


COMMANDS = {"segment": segment.main, "classify": classify.main}
SEGMENTED = ("summary.csv", "annotations.json", "classes.txt", "IMG_0001.png", "overlays/IMG_0001.jpg")
CLASSIFIED = ("classified.csv", "classified.json", "classified.html")
RESULTS = [*(("segment", name) for name in SEGMENTED), *(("classify", name) for name in CLASSIFIED)]


def below(folder: Path) -> dict[str, bytes]:
    """The content of every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("command", "name"), RESULTS)
def test_a_file_of_somebody_else_stays(
    command: str, name: str, argv: Callable[..., list[str]], place: Path, refusal: Refusal
) -> None:
    target = place / "out" / name
    target.parent.mkdir(parents=True)
    target.write_text(MINE)
    line = refusal(COMMANDS[command], argv(command))
    assert f"{name} is there and no result of this command; choose another --out" in line
    assert target.read_text() == MINE


@pytest.mark.parametrize(("command", "name"), RESULTS)
def test_nothing_is_written_through_a_link(
    command: str, name: str, argv: Callable[..., list[str]], place: Path, refusal: Refusal
) -> None:
    elsewhere = place / "elsewhere"
    elsewhere.write_text(MINE)
    link = place / "out" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    more = ["--overwrite"] if command == "segment" else []
    assert "is a link, and results are not written through links" in refusal(COMMANDS[command], argv(command, *more))
    assert elsewhere.read_text() == MINE
    assert link.is_symlink()
    link.unlink()
    link.symlink_to(link.name)  # leads to itself
    assert "is a link, and results are not written through links" in refusal(COMMANDS[command], argv(command, *more))


def test_a_report_of_somebody_else_stays(argv: Callable[..., list[str]], place: Path, refusal: Refusal) -> None:
    (place / "out").mkdir()
    (place / "out" / "report.html").write_text(MINE)
    assert "report.html is there and no result" in refusal(segment.main, argv("segment", "--report"))
    assert below(place / "out") == {"report.html": MINE.encode()} | {
        name: content for name, content in below(place / "out").items() if name.startswith(".")
    }


@pytest.mark.parametrize("content", [MINE, "{}\n", '{"a": 1}\n{"name": "x"}\n', "", "[1]\n"])
def test_a_journal_of_somebody_else_stays(
    content: str, argv: Callable[..., list[str]], place: Path, refusal: Refusal
) -> None:
    journal = place / "out" / JOURNAL
    journal.parent.mkdir()
    journal.write_text(content)
    if not content:  # nothing is lost
        assert segment.main(argv("segment")) == 0
        return
    assert str(journal.parent) in refusal(segment.main, argv("segment"))
    assert journal.read_text() == content
    assert os.listdir(journal.parent) == [JOURNAL]


def test_a_lock_of_somebody_else_is_no_concern(argv: Callable[..., list[str]], place: Path) -> None:
    (place / "out").mkdir()
    (place / "out" / ".lock").write_text(MINE)
    (place / "out" / ".notes.partial").write_text(MINE)
    (place / "out" / ".a.png.sccan-0123abcd.partial").write_text("half")  # of a killed run
    assert segment.main(argv("segment")) == 0
    assert classify.main([*argv("classify"), "--out", str(place / "out")]) == 0
    found = below(place / "out")
    assert found[".lock"] == found[".notes.partial"] == MINE.encode()
    assert not [name for name in found if name.endswith(".partial") and "sccan" in name]


def test_a_folder_of_copies_that_is_a_link_is_refused(
    argv: Callable[..., list[str]], place: Path, refusal: Refusal
) -> None:
    (place / "elsewhere").mkdir()
    (place / "out").mkdir()
    (place / "out" / "sorted").symlink_to(place / "elsewhere")
    assert "sorted is a link" in refusal(classify.main, argv("classify", "--sort"))
    assert not os.listdir(place / "elsewhere")


# One picture, one result


def test_the_result_of_another_picture_is_never_replaced_unasked(
    argv: Callable[..., list[str]], place: Path, refusal: Refusal
) -> None:
    assert segment.main(argv("segment")) == 0
    before = below(place / "out")
    line = refusal(segment.main, argv("segment", images="day2"))
    assert f"IMG_0001.png shows {place / 'day1' / 'IMG_0001.jpg'}; the result of" in line
    assert "choose another --out, or replace it with --overwrite" in line
    assert below(place / "out") == before
    assert segment.main(argv("segment", "--overwrite", images="day2")) == 0
    assert read_label(place / "out" / "IMG_0001.png").shape == (32, 60)


def test_equal_stems_and_double_endings_get_results_of_their_own(argv: Callable[..., list[str]], place: Path) -> None:
    sizes = {"a.jpg": (31, 40), "a.png": (32, 40), "a.jpg.jpg": (33, 40), "A.PNG": (34, 40)}
    for name, size in sizes.items():
        save(place / "many" / name, disc(*size)[0])
    assert segment.main(argv("segment", images="many")) == 0
    journal = (place / "out" / JOURNAL).read_text().splitlines()[1:]
    masks = {record["name"]: record["mask"] for record in map(json.loads, journal)}
    assert len(set(masks.values())) == len({mask.lower() for mask in masks.values()}) == len(sizes)
    for name, size in sizes.items():
        assert read_label(place / "out" / masks[name]).shape == size


def test_results_go_on_after_a_new_picture_whose_name_they_bear(argv: Callable[..., list[str]], place: Path) -> None:
    assert segment.main(argv("segment")) == 0
    first = (place / "out" / "IMG_0001.png").read_bytes()
    save(place / "day1" / "IMG_0001.png", disc(44, 60, seed=3)[0])  # the same stem
    assert segment.main(argv("segment")) == 0
    assert (place / "out" / "IMG_0001.png").read_bytes() == first
    assert read_label(place / "out" / "IMG_0001.png.png").shape == (44, 60)


# Names of classes and pictures are no paths

NAMES = ("../../escaped", "screw M4/M5", "/etc/passwd", "..", "con", "a\nb", "\x1b[31mred", "=1+1", "-rf", "x" * 300)


def _coco(folder: Path, names: tuple[str, ...]) -> None:
    """A picture for each class, all of it marked by a square."""
    images = [{"id": number, "file_name": f"{number}.jpg", "height": 40, "width": 50} for number in range(len(names))]
    square = [5, 5, 30, 5, 30, 30, 5, 30]
    marked = [{"id": n, "image_id": n, "category_id": n, "segmentation": [square]} for n in range(len(names))]
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    for number in range(len(names)):
        save(folder / f"{number}.jpg", np.full((40, 50, 3), 20 * number, np.uint8))
    content = {"images": images, "annotations": marked, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content))


def test_no_name_of_a_class_leads_out_of_the_results(
    argv: Callable[..., list[str]], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _coco(place / "named", NAMES)
    around = {path for path in place.rglob("*") if "out" not in path.relative_to(place).parts}
    assert classify.main(argv("classify", "--sort", support="named", images="named")) == 0
    assert {path for path in place.rglob("*") if "out" not in path.relative_to(place).parts} == around
    copies = [path for path in (place / "out" / "sorted").rglob("*") if path.is_file()]
    assert len(copies) == len(NAMES)
    assert all(len(path.relative_to(place / "out" / "sorted").parts) == 2 for path in copies)
    printed = capsys.readouterr()
    assert all(ord(letter) >= 32 or letter == "\n" for letter in printed.out + printed.err)
    with (place / "out" / "classified.csv").open() as table:
        assert not any(cell.startswith(("=", "+", "@", "-")) for row in csv.reader(table) for cell in row)


def test_classes_called_like_our_folders_are_classes(argv: Callable[..., list[str]], place: Path) -> None:
    for number, name in enumerate(("masks", "helmets", "labels")):
        save(place / "ppe" / name / "1.jpg", np.full((40, 50, 3), 100 * number, np.uint8))
    assert classify.main(argv("classify", "--sort", support="ppe", images="ppe")) == 0
    with (place / "out" / "classified.csv").open() as table:
        header = next(csv.reader(table))
    assert {"masks", "helmets", "labels"} <= set(header)


def test_copies_of_an_earlier_run_are_taken_away_and_nothing_else(
    argv: Callable[..., list[str]], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert classify.main(argv("classify", "--sort")) == 0
    (copy,) = [path for path in (place / "out" / "sorted").rglob("*") if path.is_file()]
    mine = copy.with_name("mine.jpg")
    mine.write_text(MINE)
    assert classify.main(argv("classify", "--sort", images="day2")) == 0
    assert "removed 1 copies of an earlier run" in capsys.readouterr().out
    found = [path for path in (place / "out" / "sorted").rglob("*") if path.is_file()]
    assert len(found) == 2
    assert mine.read_text() == MINE


def test_names_of_any_kind_are_segmented_and_known_again(
    argv: Callable[..., list[str]], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["-rf.jpg", "=1+1.jpg", "con.jpg", "tr ailing. .jpg", "\u00e4" * 100 + ".jpg", "e\u0301.jpg", "a\nb.jpg"]
    names += ["\x1b[31m.jpg", "a\\b.jpg", "%2e.jpg", "summary.csv.jpg", "overlays/q.jpg", "\u202ertl.jpg", "Q.JPG"]
    for number, name in enumerate(names):
        save(place / "odd" / name, disc(30 + number, 50, seed=number)[0], format="JPEG")
    with open(os.path.join(os.fsencode(place / "odd"), b"bad\xff.jpg"), "wb") as file:
        file.write((place / "odd" / "Q.JPG").read_bytes())
    assert segment.main(argv("segment", "--report", images="odd")) == 0
    printed = capsys.readouterr()
    assert all(ord(letter) >= 32 or letter in "\n\r" for letter in printed.out + printed.err)
    assert not (place / "out" / RECORD).is_symlink()
    assert segment.main(argv("segment", "--report", images="odd")) == 0
    assert f"{len(names) + 1} pictures, {len(names) + 1} of them finished earlier" in capsys.readouterr().out
