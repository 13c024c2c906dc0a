"""`sccan classify`: table, contact sheet, sorted copies, the threshold, and the accuracy where classes are known."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sccan.commands import classify
from tests.predict.made_up import classifier_file, save, segmenter_file

Refusal = Callable[..., str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return classifier_file(tmp_path_factory.mktemp("model"))


def _tinted(shade: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 60, (40, 50, 3), dtype=np.uint8)
    noise[..., shade] += 190
    return noise


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for shade, name in enumerate(["red", "green", "blue"]):
        for seed in range(2):
            save(tmp_path / "examples" / name / f"{seed}.png", _tinted(shade, seed))
        save(tmp_path / "photos" / f"{name}.png", _tinted(shade, 7))
        save(tmp_path / "known" / name / "1.png", _tinted(shade, 8))
    save(tmp_path / "known" / "red" / "2.png", _tinted(1, 9))  # in the wrong folder
    return tmp_path


def _argv(model: Path, place: Path, *more: str, images: str = "photos") -> list[str]:
    places = {"support": "examples", "images": images, "out": "out"}
    words = [word for name, path in places.items() for word in (f"--{name}", str(place / path))]
    return ["--model", str(model), *words, "--device", "cpu", *more]


def test_tables_contact_sheet_and_sorted_copies_are_written(model: Path, place: Path) -> None:
    assert classify.main(_argv(model, place, "--sort")) == 0
    out = place / "out"
    rows = list(csv.DictReader((out / "classified.csv").open()))
    assert [row["picture"] for row in rows] == ["blue.png", "green.png", "red.png"]
    records = json.loads((out / "classified.json").read_text())
    for row, record in zip(rows, records, strict=True):
        assert sum(float(row[name]) for name in ("blue", "green", "red")) == pytest.approx(1, abs=1e-5)
        assert row["class"] == record["class"] == max(record["probabilities"], key=record["probabilities"].get)
        copy = out / "sorted" / row["class"] / row["picture"]
        assert copy.read_bytes() == (place / "photos" / row["picture"]).read_bytes()
    page = (out / "classified.html").read_text()
    assert page.count("<img") == 3
    assert "http" not in page.split("<body>")[1]


def test_accuracy_where_sub_folders_are_classes(model: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert classify.main(_argv(model, place, images="known")) == 0
    rows = list(csv.DictReader((place / "out" / "classified.csv").open()))
    right = sum(row["class"] == row["truth"] for row in rows)
    assert [row["truth"] for row in rows] == ["blue", "green", "red", "red"]
    assert f"accuracy: {25 * right:.1f} % ({right} of 4 pictures)" in capsys.readouterr().out


def test_accuracy_by_a_table_and_none_of_these(model: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = place / "labels.csv"
    table.write_text("picture,class\nred.png,red\nblue.png,blue\nother.png,red\n")
    assert classify.main(_argv(model, place, "--labels", str(table), "--none-below", "0.999")) == 0
    printed = capsys.readouterr().out
    assert "3  none of these" in printed
    assert "rows of the labels that name no picture, passed over: 2 (picture, other.png)" in printed
    assert "accuracy: 0.0 % (0 of 2 pictures, 2 of them none of these)" in printed


def test_tables_that_do_not_fit_and_wrong_models(model: Path, place: Path, tmp_path: Path, refusal: Refusal) -> None:
    table = place / "labels.csv"
    table.write_text("red.png,rd\n")
    line = refusal(classify.main, _argv(model, place, "--labels", str(table)))
    assert "name the class 'rd', which has no example; did you mean 'red'?" in line
    table.write_text("red.png,red\nred.png,blue\n")
    line = refusal(classify.main, _argv(model, place, "--labels", str(table)))
    assert "give red.png two classes, red and blue; every picture has one" in line
    table.write_text("other.png,red\n")
    assert "name none of the 3 pictures" in refusal(classify.main, _argv(model, place, "--labels", str(table)))

    line = refusal(classify.main, _argv(segmenter_file(tmp_path), place))
    assert "makes masks (sccan) and tells no pictures apart; use sccan segment" in line


def test_a_broken_picture_is_told_and_the_rest_is_done(
    model: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "photos" / "x.jpg").write_bytes(b"")
    assert classify.main(_argv(model, place)) == 1
    assert "not classified: x.jpg: image" in capsys.readouterr().out
    assert len(list(csv.DictReader((place / "out" / "classified.csv").open()))) == 3


def test_doubtful_examples_and_pictures_in_two_classes_are_told(
    model: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(2, 6):
        save(place / "examples" / "green" / f"{seed}.png", _tinted(1, seed))
        save(place / "examples" / "red" / f"{seed}.png", _tinted(0, seed))
    save(place / "examples" / "red" / "wrong.png", _tinted(1, 5))
    argv = _argv(model, place, "--reject", "0.1")[2:]  # the default model
    assert classify.main(argv) == 0
    printed = capsys.readouterr().out
    told = "the same picture is an example of two classes; remove one: 1 (green/5.png = red/wrong.png)"
    assert told in printed
    assert "doubtful example: red/wrong.png (red) is nearer to green" in printed
    assert "about 6.2 % of the pictures that show one of the classes are expected there, too (from 15 exam" in printed
    page = (place / "out" / "classified.html").read_text()
    assert page.index("<h2>Doubtful examples: 1") < page.index("red/wrong.png") < page.index("<h2>blue: ")
    assert "none of these: likeness below" in page
    rows = list(csv.DictReader((place / "out" / "classified.csv").open()))
    assert all(0 < float(row["likeness"]) <= 1.0001 for row in rows)


def test_examples_that_cannot_serve_are_one_line(model: Path, place: Path, refusal: Refusal) -> None:
    argv = _argv(model, place)
    assert "--reject 1.0" not in refusal(classify.main, [*argv, "--reject", "1"])
    (place / "examples" / "red" / "0.png").write_bytes(b"no picture")
    (place / "examples" / "red" / "1.png").write_bytes(b"")
    line = refusal(classify.main, argv)
    assert "examples/red/0.png" in line
    for name in ("0.png", "1.png"):
        (place / "examples" / "red" / name).unlink()
    assert "red holds no picture; add some, or remove it" in refusal(classify.main, argv)
    shutil.rmtree(place / "examples" / "red")
    shutil.rmtree(place / "examples" / "blue")
    assert "examples of 'green' alone; telling pictures apart needs at least two" in refusal(classify.main, argv)


def test_one_picture_and_hundreds_of_classes(model: Path, place: Path) -> None:
    for number in range(200):
        save(place / "many" / f"kind {number}" / "1.png", _tinted(number % 3, number)[:8, :9])
    (place / "photos" / "red.png").unlink()
    (place / "photos" / "blue.png").unlink()
    argv = ["many" if word.endswith("examples") else word for word in _argv(model, place)]
    argv[argv.index("many")] = str(place / "many")
    assert classify.main(argv) == 0
    (row,) = csv.DictReader((place / "out" / "classified.csv").open())
    assert sum(float(value) for name, value in row.items() if name.startswith("kind ")) == pytest.approx(1, abs=1e-4)
    assert (place / "out" / "classified.html").read_text().count("<section") == 2
