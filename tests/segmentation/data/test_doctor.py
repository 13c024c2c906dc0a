"""The data set doctor: a sound data set passes, every planted fault is found, and nothing is ever written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sccan.files import parallel
from sccan.report.findings import Finding, has_errors
from sccan.segmentation.data.doctor import Question, examine
from sccan.segmentation.data.labels.palette import label_palette, voc_luminances
from sccan.segmentation.data.sets.datasets import VOC_CLASSES, Dataset
from tests.segmentation.data.prepare.made_up import palette_png

HEIGHT, WIDTH = 50, 70
QUESTION = Question(n_shot=1, min_pixels=500)
DATASET = Dataset("made up", ("a", "b", "c", "d"), n_folds=2, train_list="train.txt", val_list="val.txt")


def build(root: Path) -> Path:
    """Twelve pictures; every class is in three pictures of each list."""
    random = np.random.default_rng(0)
    for folder in ("JPEGImages", "SegmentationClassAug"):
        (root / folder).mkdir(parents=True)
    for number in range(24):
        noise = random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        cv2.imwrite(str(root / "JPEGImages" / f"p{number:02d}.jpg"), noise)
        label = np.zeros((HEIGHT, WIDTH), np.uint8)
        label[5:35, 5:50] = 1 + number % 4
        label[35:37, 5:50] = 255
        cv2.imwrite(str(root / "SegmentationClassAug" / f"p{number:02d}.png"), label)
    for name, numbers in (("train", range(12)), ("val", range(12, 24))):
        lines = (f"JPEGImages/p{n:02d}.jpg SegmentationClassAug/p{n:02d}.png\n" for n in numbers)
        (root / f"{name}.txt").write_text("".join(lines))
    return root


def label_file(root: Path, number: int) -> Path:
    return root / "SegmentationClassAug" / f"p{number:02d}.png"


def find(findings: list[Finding], check: str) -> Finding:
    (found,) = [finding for finding in findings if finding.check == check]
    return found


def test_a_sound_data_set_passes_and_nothing_is_written(tmp_path: Path) -> None:
    root = build(tmp_path)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")}
    findings = examine(DATASET, root, QUESTION)
    assert {finding.level for finding in findings} == {"ok"}
    assert find(findings, "files").message == "all 24 images and labels are readable and fit together"
    assert find(findings, "fold 1 val").message == "6 pictures of 2 classes"
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in root.rglob("*")} == before


def no_image(root: Path) -> None:
    (root / "JPEGImages" / "p03.jpg").unlink()


def no_label(root: Path) -> None:
    label_file(root, 3).unlink()


def cut_image(root: Path) -> None:
    path = root / "JPEGImages" / "p03.jpg"
    path.write_bytes(path.read_bytes()[:-400])


def cut_label(root: Path) -> None:
    path = label_file(root, 3)
    path.write_bytes(path.read_bytes()[:-30])


def colour_label(root: Path) -> None:
    cv2.imwrite(str(label_file(root, 3)), np.zeros((HEIGHT, WIDTH, 3), np.uint8))


def turned_label(root: Path) -> None:
    cv2.imwrite(str(label_file(root, 3)), np.zeros((WIDTH, HEIGHT), np.uint8))


def foreign_value(root: Path) -> None:
    cv2.imwrite(str(label_file(root, 3)), np.full((HEIGHT, WIDTH), 77, np.uint8))


@pytest.mark.parametrize(
    ("spoil", "check", "example"),
    [
        (no_image, "missing image", "JPEGImages/p03.jpg"),
        (no_label, "missing label", "SegmentationClassAug/p03.png"),
        (cut_image, "unreadable image", "p03.jpg cannot be decoded"),
        (cut_label, "unreadable label", "p03.png cannot be decoded"),
        (colour_label, "unreadable label", "p03.png is a colour image (RGB)"),
        (turned_label, "size mismatch", "SegmentationClassAug/p03.png: label 70x50, image 50x70 (height x width)"),
        (foreign_value, "label values", "SegmentationClassAug/p03.png: 77 (classes are 1..4)"),
    ],
)
def test_every_planted_fault_is_found_with_advice(
    tmp_path: Path, spoil: Callable[[Path], None], check: str, example: str
) -> None:
    root = build(tmp_path)
    spoil(root)
    findings = examine(DATASET, root, QUESTION)
    found = find(findings, check)
    assert (found.level, found.count) == ("error", 1)
    assert example in found.examples[0]
    assert found.advice
    assert not any(finding.check == "files" for finding in findings)
    # The other pictures are judged all the same.
    assert find(findings, "fold 1 val").level == "ok"


def test_quickly_only_headers_of_images_are_read(tmp_path: Path) -> None:
    root = build(tmp_path)
    cut_image(root)
    assert not has_errors(examine(DATASET, root, replace(QUESTION, decode=False)))


def test_processes_find_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "FEW", 4)  # so that processes are started for a few pictures
    root = build(tmp_path)
    turned_label(root)
    alone, together = (examine(DATASET, root, replace(QUESTION, workers=workers)) for workers in (1, 2))
    assert alone == together


def test_a_palette_read_as_grey_is_told_from_other_wrong_values(tmp_path: Path) -> None:
    root = build(tmp_path)
    pascal = replace(DATASET, class_names=VOC_CLASSES)
    indices = np.zeros((HEIGHT, WIDTH), np.uint8)
    indices[5:40, 5:60] = 15
    indices[40:42] = 255
    picture = Image.fromarray(indices)
    picture.putpalette(label_palette())
    picture.convert("L").save(label_file(root, 3))  # what a grey-scale reader makes of a palette PNG
    found = find(examine(pascal, root, QUESTION), "palette as grey")
    assert "147" in found.examples[0]  # the person's colour (192, 128, 128) as a grey level
    assert "somebody read palette PNGs as grey pictures" in found.advice
    grey = cv2.cvtColor(np.array([[label_palette()[45:48]]], np.uint8), cv2.COLOR_RGB2GRAY)
    assert int(grey[0, 0]) in voc_luminances()


def test_palette_labels_are_noted_and_accepted(tmp_path: Path) -> None:
    root = build(tmp_path)
    for number in range(24):
        label = cv2.imread(str(label_file(root, number)), cv2.IMREAD_UNCHANGED)
        if number < 20:
            label_file(root, number).write_bytes(palette_png(label))
    found = find(examine(DATASET, root, QUESTION), "labels")
    assert (found.level, found.message, found.count) == ("note", "20 of 24 labels are palette PNGs", 20)


def test_pictures_without_a_usable_class_are_listed(tmp_path: Path) -> None:
    root = build(tmp_path)
    small = np.zeros((HEIGHT, WIDTH), np.uint8)
    small[:10, :49] = 2  # 490 pixels
    cv2.imwrite(str(label_file(root, 3)), small)
    found = find(examine(DATASET, root, QUESTION), "usable classes")
    assert found.message == "1 pictures of the train list hold no class with 500 pixels"
    assert found.examples == ("JPEGImages/p03.jpg",)


def test_classes_too_small_for_the_shots(tmp_path: Path) -> None:
    root = build(tmp_path)
    findings = examine(DATASET, root, replace(QUESTION, n_shot=3))
    found = find(findings, "fold 0 val")
    assert found.level == "error"
    assert found.message == "2 of 2 classes have fewer than the 4 pictures of 3 shots and a query"
    assert found.examples == ("class 1 (a): 3", "class 2 (b): 3")
    lines = (root / "val.txt").read_text().splitlines(keepends=True)
    (root / "val.txt").write_text("".join(line for line in lines if "p12" not in line and "p16" not in line))
    asked = replace(QUESTION, fold=0, skip_small=True)
    found = find(examine(DATASET, root, asked), "fold 0 val")
    assert (found.level, found.examples) == ("warning", ("class 1 (a): 1",))
    assert found.advice == "they are left out (DATA.SKIP_SMALL_CLASSES)"
    assert not any(f.check.startswith("fold 1") for f in examine(DATASET, root, asked))


def test_an_empty_fold_and_a_fold_that_is_none(tmp_path: Path) -> None:
    root = build(tmp_path)
    found = find(examine(DATASET, root, replace(QUESTION, min_pixels=2000)), "fold 0 train")
    assert (found.level, found.message) == ("error", "no picture holds enough of its 2 classes")
    messages = [f.message for f in examine(DATASET, root, replace(QUESTION, fold=2)) if f.check == "folds"]
    assert messages == ["DATA.FOLD is 2, but made up has folds 0 to 1"] * 2


def test_lists_that_are_missing_or_overlap(tmp_path: Path) -> None:
    root = build(tmp_path)
    (root / "train.txt").write_text((root / "train.txt").read_text() + (root / "val.txt").read_text())
    found = find(examine(DATASET, root, QUESTION), "lists")
    assert (found.level, found.count) == ("warning", 12)
    (root / "train.txt").unlink()
    findings = examine(DATASET, root, QUESTION)
    assert find(findings, "train list").level == "error"
    assert find(findings, "val list").level == "ok"  # what is there is examined all the same
    (root / "val.txt").write_text("")
    assert [finding.check for finding in examine(DATASET, root, QUESTION)] == ["train list", "val list"]


def test_counts_stand_beside_the_published_ones(tmp_path: Path) -> None:
    root = build(tmp_path)
    pascal = Dataset("pascal", VOC_CLASSES, train_list="train.txt", val_list="val.txt")
    found = find(examine(pascal, root, replace(QUESTION, n_shot=1)), "published val counts")
    assert found.level == "warning"
    assert "0 of 4 fold counts and 0 of 20 class counts agree with the published ones" in found.message
    assert any("fold 0 val" in example and "364" in example for example in found.examples)
    assert not any(f.check.startswith("published") for f in examine(DATASET, root, QUESTION))
