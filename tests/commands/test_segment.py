"""`sccan segment`: files, going on after an interruption, broken pictures, and what it refuses to overwrite."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

import sccan
from sccan.builders.ready import DEFAULT
from sccan.commands import segment
from sccan.pictures.decoding import read_label
from sccan.predict import Supports, segment_folder
from tests.commands.conftest import Tiny
from tests.predict.made_up import classifier_file, disc, save, segmenter_file, white_on_black

Refusal = Callable[..., str]
MASKS = ("a.png", "b.png", "more/c.png")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return segmenter_file(tmp_path_factory.mktemp("model"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Two classes of examples, and three pictures of different sizes."""
    for number, name in enumerate(["disc", "moon"]):
        image, mask = disc(60, 80, seed=number)
        save(tmp_path / "examples" / name / "1.jpg", image)
        save(tmp_path / "examples" / name / "1.png", white_on_black(mask))
    for number, name in enumerate(["a.jpg", "b.png", "more/c.jpg"]):
        save(tmp_path / "photos" / name, disc(50 + 10 * number, 75, seed=10 + number)[0])
    return tmp_path


def _argv(model: Path, place: Path, *more: str) -> list[str]:
    places = {"support": place / "examples", "images": place / "photos", "out": place / "out"}
    words = [word for name, path in places.items() for word in (f"--{name}", str(path))]
    return ["--model", str(model), *words, "--device", "cpu", "--batch", "2", *more]


def test_label_maps_overlays_coco_and_table_agree(model: Path, place: Path) -> None:
    assert segment.main(_argv(model, place)) == 0
    out = place / "out"
    assert (out / "classes.txt").read_text() == "disc\nmoon\n"
    results = sccan.load(model, device="cpu", batch=2)(Supports.from_folder(place / "examples"), place / "photos")
    coco = COCO(str(out / "annotations.json"))
    rows = list(csv.DictReader((out / "summary.csv").open()))
    for number, (result, name) in enumerate(zip(results, MASKS, strict=True), 1):
        labels = read_label(out / name)
        np.testing.assert_array_equal(labels, result.labels)
        assert Image.open(out / "overlays" / Path(name).with_suffix(".jpg")).size == labels.shape[::-1]
        assert coco.loadImgs(number)[0]["file_name"] == result.picture
        painted = np.zeros_like(labels)
        for annotation in coco.imgToAnns[number]:
            painted[coco.annToMask(annotation) == 1] = annotation["category_id"]
            assert annotation["area"] == (labels == annotation["category_id"]).sum()
        np.testing.assert_array_equal(painted, labels)
        for row, label in zip(rows[2 * number - 2 : 2 * number], (1, 2), strict=True):
            assert row["picture"] == result.picture
            assert row["class"] == ("disc", "moon")[label - 1]
            assert int(row["pixels"]) == (labels == label).sum()


def test_results_serve_as_examples_and_as_a_data_set(model: Path, place: Path) -> None:
    assert segment.main(_argv(model, place)) == 0
    marked = place / "marked"
    (marked / "images").mkdir(parents=True)
    (place / "out" / "annotations.json").rename(marked / "annotations.json")
    for path in (place / "photos").rglob("*.*"):
        path.rename(marked / "images" / path.name)
    assert set(Supports.from_folder(marked).class_names) <= {"disc", "moon"}


def test_the_best_weights_of_a_training_can_be_used_alone(tiny: Tiny, place: Path) -> None:
    alone = place / "mine.safetensors"
    alone.write_bytes((tiny.run / "best.safetensors").read_bytes())
    supports, photo = Supports.from_folder(place / "examples"), place / "photos" / "a.jpg"
    one, two = (sccan.load(source, device="cpu")(supports, photo) for source in (alone, tiny.run))
    np.testing.assert_array_equal(one.probabilities, two.probabilities)  # type: ignore[union-attr]
    assert "disc" in one.class_names  # type: ignore[union-attr]


def test_it_goes_on_after_an_interruption(model: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    argv = _argv(model, place, "--batch", "1")  # the last digits depend on what is computed together
    whole = place / "whole"
    assert segment.main([*argv, "--out", str(whole)]) == 0

    encode, calls = segment_folder.encode, iter([1])

    def second_time_interrupted(image: np.ndarray, kind: Literal["jpeg"]) -> bytes:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return encode(image, kind)

    with monkeypatch.context() as patched:
        patched.setattr(segment_folder, "encode", second_time_interrupted)
        with pytest.raises(KeyboardInterrupt):
            segment.main(argv)
    out = place / "out"
    assert not (out / "summary.csv").exists()
    first = (out / "a.png").stat().st_mtime_ns
    with (out / segment_folder.JOURNAL).open("a") as journal:
        journal.write('{"name": "b.p')  # a line that a killed process left unfinished
    assert segment.main(argv) == 0
    assert (out / "a.png").stat().st_mtime_ns == first
    for name in ("annotations.json", "summary.csv", "classes.txt", *MASKS):
        assert (out / name).read_bytes() == (whole / name).read_bytes(), name


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda one: one.pop("absent"), "missing required field 'absent'"),
        (lambda one: one["regions"]["disc"].pop("confidence"), "missing required field 'confidence'"),
        (lambda one: one["regions"]["disc"].update(counts=None), "counts: expected text"),
        (lambda one: one["regions"]["disc"].update(counts="0" * 40), "add up to"),
        (lambda one: one["regions"]["disc"].update(pixels=3), "has 3 pixels, but its region has"),
        (lambda one: one["regions"].pop("moon"), "says nothing of moon"),
        (lambda one: one.update(mask=7), "mask: expected text"),
    ],
)
def test_a_journal_that_was_changed_is_one_line(
    model: Path, place: Path, refusal: Refusal, spoil: Callable[[dict[str, Any]], object], said: str
) -> None:
    out = place / "out"
    assert segment.main(_argv(model, place)) == 0
    first, *lines = (out / segment_folder.JOURNAL).read_text().splitlines()
    done = json.loads(lines[-1])
    assert done["regions"]["disc"]["pixels"], "the test needs a region"
    spoil(done)
    (out / segment_folder.JOURNAL).write_text("\n".join([first, *lines[:-1], json.dumps(done)]) + "\n")
    told = refusal(segment.main, _argv(model, place))
    assert said in told
    assert "remove it, and start with --overwrite" in told


def test_a_changed_picture_is_done_again_and_a_finished_folder_is_not(
    model: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment.main(_argv(model, place)) == 0
    assert "3 pictures, 0 of them finished earlier" in capsys.readouterr().out
    save(place / "photos" / "a.jpg", disc(44, 75, seed=99)[0])
    assert segment.main(_argv(model, place)) == 0
    assert "3 pictures, 2 of them finished earlier" in capsys.readouterr().out
    assert read_label(place / "out" / "a.png").shape == (44, 75)


def test_other_settings_are_refused_or_replace(model: Path, place: Path, refusal: Refusal) -> None:
    assert segment.main(_argv(model, place)) == 0
    line = refusal(segment.main, _argv(model, place, "--size", "97"))
    assert "out holds results made otherwise: size was 65 and is 97; choose another folder" in line
    assert segment.main(_argv(model, place, "--size", "97", "--overwrite")) == 0
    save(place / "examples" / "disc" / "1.png", white_on_black(disc(60, 80, seed=5)[1]))
    assert "supports was" in refusal(segment.main, _argv(model, place, "--size", "97"))


def test_a_broken_picture_is_told_at_the_end_and_the_rest_is_done(
    model: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "photos" / "aa.jpg").write_text("<html>")
    assert segment.main(_argv(model, place)) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("not segmented: aa.jpg: image ")
    assert "it is an HTML page" in last
    assert all((place / "out" / name).is_file() for name in MASKS)
    assert len(json.loads((place / "out" / "annotations.json").read_text())["images"]) == 3


def test_the_report_names_pictures_and_examples(model: Path, place: Path) -> None:
    assert segment.main(_argv(model, place, "--report")) == 0
    page = (place / "out" / "report.html").read_text()
    for name in ("a.jpg", "b.png", "more/c.jpg", "disc/1.jpg", "moon/1.jpg"):
        assert name in page
    assert "http" not in page.split("<body>")[1]


def test_pictures_of_one_name_in_two_kinds_get_names_of_their_own(model: Path, place: Path) -> None:
    save(place / "photos" / "a.png", disc(30, 40)[0])
    assert segment.main(_argv(model, place, "--no-overlays")) == 0
    assert read_label(place / "out" / "a.png.png").shape == (30, 40)
    assert read_label(place / "out" / "a.jpg.png").shape == (50, 75)
    assert not (place / "out" / "overlays").exists()


def test_what_it_must_not_do_is_one_clear_line(model: Path, place: Path, refusal: Refusal, tmp_path: Path) -> None:
    over = [*_argv(model, place), "--out", str(place / "photos"), "--images", str(place / "photos" / "b.png")]
    assert "photos/b.png would replace a picture; choose another --out" in refusal(segment.main, over)
    save(place / "out" / "a.png", disc(30, 40)[0])
    assert "a.png is there and no result of this command" in refusal(segment.main, _argv(model, place))
    inside = [*_argv(model, place), "--out", str(place / "examples" / "masks")]
    assert "lies in the examples" in refusal(segment.main, inside)
    can = classifier_file(tmp_path)
    assert "tells pictures apart (can) and makes no masks; use sccan classify" in refusal(
        segment.main, _argv(can, place)
    )
    assert "leave out --no-overlays" in refusal(segment.main, _argv(model, place, "--report", "--no-overlays"))
    assert "there is no model" in refusal(segment.main, _argv(tmp_path / "none.pth", place))


def test_an_input_beyond_all_memory_is_refused_before_any_is_taken(model: Path, place: Path, refusal: Refusal) -> None:
    line = refusal(segment.main, _argv(model, place, "--size", "1000000"))
    assert "2 pictures of 1000000x1000000 at once take about" in line
    assert "use a smaller --batch or --size" in line
    assert not (place / "out").exists()


def test_other_formats_and_instances(model: Path, place: Path) -> None:
    argv = _argv(model, place, "--no-overlays", "--format", "labelme, png,coco-polygons", "--instances")
    assert segment.main(argv) == 0
    out = place / "out"
    coco = COCO(str(out / "annotations.json"))
    polygons = COCO(str(out / "coco-polygons" / "annotations.json"))
    assert len(coco.anns) == len(polygons.anns)
    for number, name in enumerate(MASKS, 1):
        labels = read_label(out / name)
        np.testing.assert_array_equal(read_label(out / "png" / "masks" / name), labels)
        for kind in (coco, polygons):
            painted = np.zeros_like(labels)
            for annotation in kind.imgToAnns[number]:
                painted[kind.annToMask(annotation) == 1] = annotation["category_id"]
            np.testing.assert_array_equal(painted, labels)
        assert (out / "labelme" / "labelme" / Path(name).with_suffix(".json")).is_file()
    assert segment.main(argv) == 0, "an earlier export is replaced"


def test_a_folder_of_pictures_called_like_a_format_is_refused_before_anything_is_done(
    model: Path, place: Path, refusal: Refusal
) -> None:
    (place / "photos" / "more").rename(place / "photos" / "coco")
    line = refusal(segment.main, _argv(model, place, "--format", "png,coco"))
    assert "pictures in coco/ and the format coco would share" in line
    assert not (place / "out" / "a.png").exists()
    assert segment.main(_argv(model, place, "--format", "png")) == 0


def test_formats_are_checked_before_anything_is_done(model: Path, place: Path, refusal: Refusal) -> None:
    assert "there is no format 'voc'" in refusal(segment.main, _argv(model, place, "--format", "voc"))
    assert not (place / "out").exists()
    (place / "examples" / "disc").rename(place / "examples" / "background")
    line = refusal(segment.main, _argv(model, place, "--format", "labelme"))
    assert "takes 'background' for something else" in line


def test_a_folder_that_is_no_export_is_left_alone(model: Path, place: Path, refusal: Refusal) -> None:
    mine = save(place / "out" / "coco" / "mine.png", np.zeros((2, 2, 3), np.uint8))
    line = refusal(segment.main, _argv(model, place, "--no-overlays", "--format", "coco"))
    assert "is there and no export" in line
    assert mine.is_file()


@pytest.mark.skipif(not DEFAULT.eyes.here, reason="the weights' package is not installed")
def test_pictures_of_the_folder_become_examples_where_that_is_wished(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(4):
        save(place / "photos" / f"{number}.png", disc(64, 80, seed=20 + number)[0])
    argv = _argv(Path("segment"), place, "--size", "128", "--learn", "2")
    assert segment.main(argv) == 0
    said = capsys.readouterr().out
    assert "pictures became examples: " in said
    before = {path: path.read_bytes() for path in sorted((place / "out").rglob("*.png"))}
    assert len(before) == 7
    assert segment.main(argv) == 0  # the same pictures teach, so the journal agrees
    assert "7 pictures, 7 of them finished earlier" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in sorted((place / "out").rglob("*.png"))} == before
