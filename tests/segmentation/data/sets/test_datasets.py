"""Descriptions of the data sets: facts, and what a user may replace."""

from pathlib import Path

import pytest

from sccan.errors import InputError
from sccan.segmentation.data.sets.datasets import COCO_CATEGORY_IDS, COCO_CLASSES, DATASETS, VOC_CLASSES, describe


def test_facts_of_the_published_data_sets() -> None:
    assert len(VOC_CLASSES) == len(set(VOC_CLASSES)) == 20
    assert (VOC_CLASSES[0], VOC_CLASSES[14], VOC_CLASSES[19]) == ("aeroplane", "person", "tvmonitor")
    assert len(COCO_CLASSES) == len(set(COCO_CLASSES)) == 80 == len(COCO_CATEGORY_IDS)
    known = {12: "stop sign", 22: "bear", 24: "giraffe", 31: "skis", 60: "bed", 78: "teddy bear"}
    assert {number: COCO_CLASSES[number - 1] for number in known} == known
    assert COCO_CATEGORY_IDS[:12] == (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13)
    assert COCO_CATEGORY_IDS[-1] == 90
    assert DATASETS["pascal"].fold(1).novel == (6, 7, 8, 9, 10)
    assert DATASETS["coco"].fold(1).novel[:3] == (2, 6, 10)


def test_settings_replace_what_is_known(tmp_path: Path) -> None:
    dataset = describe("coco", tmp_path, fold_rule="consecutive", n_folds=8, val_list="mine.txt")
    assert dataset.fold(7).novel == tuple(range(71, 81))
    assert (dataset.train_list, dataset.val_list) == ("lists/train.txt", "mine.txt")


def test_a_folder_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("bolt\nnut\nwasher\nscrew\n")
    for name in ("JPEGImages/a.jpg", "JPEGImages/b.jpg", "SegmentationClassAug/a.png", "SegmentationClassAug/b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    dataset = describe("folder", tmp_path, n_folds=2)
    assert dataset.class_names == ("bolt", "nut", "washer", "screw")
    assert [fold.novel for fold in dataset.folds] == [(1, 2), (3, 4)]
    assert [image for image, _ in dataset.pairs(tmp_path, train=True)] == ["JPEGImages/a.jpg", "JPEGImages/b.jpg"]
    (tmp_path / "test.txt").write_text("b\n")
    listed = describe("folder", tmp_path, val_list="test.txt")
    assert [image for image, _ in listed.pairs(tmp_path, train=False)] == ["JPEGImages/b.jpg"]


def test_a_list_may_lie_outside_the_root(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    (tmp_path / "mine.txt").write_text("JPEGImages/x.jpg SegmentationClassAug/x.png\n")
    dataset = describe("pascal", root, train_list=str(tmp_path / "mine.txt"))
    assert dataset.pairs(root, train=True) == [("JPEGImages/x.jpg", "SegmentationClassAug/x.png")]


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        describe("pascl", tmp_path)
    assert str(caught.value).endswith("known are pascal, coco, coco_mini, shapes, folder; did you mean 'pascal'?")
    with pytest.raises(InputError, match="unknown fold rule 'interleave'; expected consecutive or interleaved"):
        describe("coco", tmp_path, fold_rule="interleave")
    with pytest.raises(InputError, match="DATA.FOLD is 4, but pascal has folds 0 to 3"):
        describe("pascal", tmp_path).fold(4)
    with pytest.raises(InputError, match=r"the classes of .* are not known; name them in .*classes.txt, one per line"):
        describe("folder", tmp_path)
    with pytest.raises(InputError, match=r"data root .* of shapes does not exist; make it with python tools/generate"):
        describe("shapes", tmp_path / "gone")
    with pytest.raises(InputError, match=r"data root .* of pascal does not exist; set DATA.ROOT"):
        describe("pascal", tmp_path / "gone").pairs(tmp_path / "gone", train=True)
    with pytest.raises(InputError, match=r"list .*lists/val.txt does not exist"):
        describe("pascal", tmp_path).pairs(tmp_path, train=False)
