"""One's own folder in its three forms: the same objects give the same labels, and every mistake is named."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sccan.errors import InputError
from sccan.pictures.decoding import read_label
from sccan.segmentation.data.folder import FolderDataset, open_dataset, open_folder, read_folds
from sccan.segmentation.data.sets.datasets import describe
from sccan.segmentation.data.sets.scan import build_index

HEIGHT, WIDTH = 60, 80
BOXES = {  # picture -> class and box (left, top, right, bottom), both ends of a box being pixels of it
    "first": [("mug", (5, 5, 60, 50)), ("pen", (20, 10, 30, 40))],
    "second": [("pen", (0, 0, 49, 49))],
    "third": [("cup", (10, 5, 70, 55))],
    "fourth": [("mug", (3, 3, 70, 40))],
}
CLASSES = ("cup", "mug", "pen")
NUMBERS = {name: number for number, name in enumerate(CLASSES, 1)}


def expected_label(name: str) -> np.ndarray:
    label = np.zeros((HEIGHT, WIDTH), np.uint8)
    for kind, (left, top, right, bottom) in BOXES[name]:
        label[top : bottom + 1, left : right + 1] = NUMBERS[kind]
    return label


def pictures(root: Path, folder: str = "images") -> Path:
    (root / folder).mkdir(parents=True)
    for value, name in enumerate(BOXES):
        cv2.imwrite(str(root / folder / f"{name}.jpg"), np.full((HEIGHT, WIDTH, 3), 40 * value, np.uint8))
    return root


def with_pngs(root: Path) -> Path:
    pictures(root)
    (root / "labels").mkdir()
    for name in BOXES:
        cv2.imwrite(str(root / "labels" / f"{name}.png"), expected_label(name))
    (root / "classes.txt").write_text("\n".join(CLASSES))
    return root


def with_coco(root: Path, file: str = "annotations.json") -> Path:
    pictures(root)
    ids = {"mug": 20, "pen": 30, "cup": 10}
    annotations: list[dict[str, Any]] = []
    for image, boxes in enumerate(BOXES.values()):
        for kind, (left, top, right, bottom) in boxes[::-1]:  # small ones first: they still end up on top
            corners = [left, top, right + 1, top, right + 1, bottom + 1, left, bottom + 1]
            area = (right + 1 - left) * (bottom + 1 - top)
            entry = {"id": len(annotations), "image_id": image, "category_id": ids[kind], "area": area}
            annotations.append(entry | {"segmentation": [corners], "iscrowd": 0})
    content = {
        "images": [{"id": n, "file_name": f"{name}.jpg", "height": 60, "width": 80} for n, name in enumerate(BOXES)],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in ids.items()],
    }
    (root / file).parent.mkdir(exist_ok=True)
    (root / file).write_text(json.dumps(content))
    return root


def with_labelme(root: Path, folder: str = "labelme") -> Path:
    pictures(root)
    (root / folder).mkdir(exist_ok=True)
    for name, boxes in BOXES.items():
        shapes = [
            {"label": kind, "points": [[left, top], [right, bottom]], "shape_type": "rectangle"}
            for kind, (left, top, right, bottom) in boxes
        ]
        content = {"shapes": shapes, "imagePath": f"{name}.jpg", "imageHeight": HEIGHT, "imageWidth": WIDTH}
        (root / folder / f"{name}.json").write_text(json.dumps(content))
    return root


FORMS = {
    "label PNGs": with_pngs,
    "COCO annotations, layered": with_coco,
    "LabelMe shapes": with_labelme,
}


@pytest.mark.parametrize("form", FORMS)
def test_the_three_forms_give_the_same_data_set(tmp_path: Path, form: str) -> None:
    root = FORMS[form](tmp_path / "mine")
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    dataset = open_folder(root, cache=tmp_path / "cache", n_folds=3)
    assert dataset.class_names == CLASSES
    assert dataset.label_variant == form
    pairs = dataset.pairs(root, train=True)
    assert [Path(image).stem for image, _ in pairs] == sorted(BOXES)
    for image, label in pairs:
        np.testing.assert_array_equal(read_label(root / label), expected_label(Path(image).stem))
    index = build_index(root, pairs, dataset.class_names, cache=tmp_path / "cache", progress=False)
    assert index.names == tuple(sorted(BOXES))
    assert index.counts[0, 2] == 56 * 46 - 11 * 31  # the mug of the first picture, behind the pen
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before  # nothing was written there


def test_all_forms_make_one_content_hash(tmp_path: Path) -> None:
    hashes = set()
    for form, make in FORMS.items():
        root = make(tmp_path / form)
        dataset = open_folder(root, cache=tmp_path / "cache", n_folds=3)
        index = build_index(root, dataset.pairs(root, train=False), CLASSES, cache=tmp_path / "cache", progress=False)
        hashes.add(index.content_hash)
    assert len(hashes) == 1


def test_labels_are_made_once_and_again_when_an_annotation_changes(tmp_path: Path) -> None:
    root = with_labelme(tmp_path / "mine")

    def labels() -> dict[Path, int]:
        pairs = open_folder(root, cache=tmp_path / "cache", n_folds=3).pairs(root, train=True)
        return {Path(label): Path(label).stat().st_mtime_ns for _, label in pairs}

    first = labels()
    assert labels() == first
    file = root / "labelme" / "second.json"
    file.write_text(file.read_text().replace("pen", "cup"))
    second = labels()
    assert not set(second) & set(first)
    changed = next(path for path in second if path.stem == "second")
    assert read_label(changed).max() == NUMBERS["cup"]


def test_json_files_may_lie_in_other_usual_places(tmp_path: Path) -> None:
    for number, root in enumerate(
        (with_coco(tmp_path / "a", "annotations/instances.json"), with_labelme(tmp_path / "b", "images"))
    ):
        assert len(open_folder(root, cache=tmp_path / str(number)).everything) == 4
    voc = tmp_path / "voc"
    pictures(voc, "JPEGImages")
    (voc / "SegmentationClassAug").mkdir()
    cv2.imwrite(str(voc / "SegmentationClassAug" / "first.png"), expected_label("first"))
    (voc / "classes.txt").write_text("cup\nmug\npen\n")
    assert open_folder(voc).everything == (("JPEGImages/first.jpg", "SegmentationClassAug/first.png"),)


def test_class_names_choose_and_order_what_annotations_hold(tmp_path: Path) -> None:
    root = with_coco(tmp_path / "mine")
    (root / "classes.txt").write_text("pen\ncup\n")
    dataset = open_folder(root, cache=tmp_path / "cache")
    assert dataset.class_names == ("pen", "cup")
    labels = {Path(label).stem: read_label(Path(label)) for _, label in dataset.everything}
    assert set(np.unique(labels["first"])) == {0, 1}  # the mug is background now
    assert set(np.unique(labels["third"])) == {0, 2}


def test_lists_name_pictures_in_any_usual_way(tmp_path: Path) -> None:
    root = with_pngs(tmp_path / "mine")
    (root / "train.txt").write_text("second\nfourth.jpg\n\n")
    (root / "mine.txt").write_text("images\\third.jpg labels\\third.png\nthird\n")
    dataset = open_folder(root, val_list="mine.txt")
    assert [image for image, _ in dataset.pairs(root, train=True)] == ["images/second.jpg", "images/fourth.jpg"]
    assert [image for image, _ in dataset.pairs(root, train=False)] == ["images/third.jpg"]


def test_folds_by_names(tmp_path: Path) -> None:
    root = with_pngs(tmp_path / "mine")
    (root / "folds.txt").write_text("# novel classes\npen, cup\n\nmug\n")
    dataset = open_folder(root, n_folds=4)
    assert dataset.n_folds == 2
    assert [(fold.number, fold.base, fold.novel) for fold in dataset.folds] == [(0, (2,), (1, 3)), (1, (1, 3), (2,))]
    assert dataset.fold(1).novel == (2,)
    with pytest.raises(InputError, match=r"DATA\.FOLD is 2, but folder has folds 0 to 1"):
        dataset.fold(2)


def test_without_names_folds_follow_from_the_rule(tmp_path: Path) -> None:
    root = with_pngs(tmp_path / "mine")
    assert [fold.novel for fold in open_folder(root, n_folds=3).folds] == [(1,), (2,), (3,)]
    with pytest.raises(InputError, match="3 classes cannot make 4 folds"):
        _ = open_folder(root).folds
    with pytest.raises(InputError, match="unknown fold rule 'interlaced'"):
        open_folder(root, fold_rule="interlaced")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("mug, pencil\n", "name 'pencil', which is no class; did you mean 'pen'?"),
        ("mug\npen, mug\n", "name 'mug' twice; a class is novel in one fold at most"),
        ("cup, mug, pen\n", "fold 0 makes all 3 classes novel; leave some to train on"),
        ("# nothing\n", "is empty; expected a line of class names per fold"),
    ],
)
def test_folds_that_do_not_fit_are_refused(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "folds.txt").write_text(text)
    with pytest.raises(InputError, match=re.escape(line)):
        read_folds(tmp_path / "folds.txt", CLASSES)


def test_other_data_sets_are_described_as_ever(tmp_path: Path) -> None:
    assert open_dataset("pascal", tmp_path, n_folds=2) == describe("pascal", tmp_path, n_folds=2)
    assert isinstance(open_dataset("folder", with_pngs(tmp_path / "mine"), class_file="classes.txt"), FolderDataset)


def spoil_no_root(root: Path) -> str:
    return f"data root {root} does not exist; set DATA.ROOT to the folder that holds your pictures"


def spoil_no_images(root: Path) -> str:
    root.mkdir()
    return f"{root} has no folder images or JPEGImages; put your pictures there"


def spoil_empty_images(root: Path) -> str:
    (root / "images").mkdir(parents=True)
    return f"{root}/images has no pictures (.jpg, .jpeg, .png, .bmp, .webp, .tif, .tiff)"


def spoil_same_names(root: Path) -> str:
    with_pngs(root)
    (root / "images" / "first.PNG").write_bytes(b"")
    return f"{root}/images has two pictures called first (first.PNG, first.jpg); rename one"


def spoil_no_labels(root: Path) -> str:
    pictures(root)
    return (
        f"{root} has pictures but no labels: expected label PNGs in labels/, or the export of a labelling tool (COCO, "
        "LabelMe ...)"
    )


def spoil_no_classes(root: Path) -> str:
    (with_pngs(root) / "classes.txt").unlink()
    return f"the classes of {root} are not known; name them in {root}/classes.txt, one per line, or set DATA.CLASSES"


def spoil_other_names(root: Path) -> str:
    with_pngs(root)
    for path in (root / "labels").iterdir():
        path.rename(path.with_name(f"label_{path.name}"))
    return f"none of the 4 pictures has a label PNG in {root}/labels; give both the same name"


def spoil_two_jsons(root: Path) -> str:
    with_coco(root)
    (root / "b.json").write_bytes((root / "annotations.json").read_bytes())
    return f"{root}/annotations.json and {root}/b.json both describe first.jpg; keep one of them"


def spoil_missing_picture(root: Path) -> str:
    (with_coco(root) / "images" / "third.jpg").unlink()
    return f"{root}/annotations.json describes third.jpg, which is not in {root}/images"


def spoil_unknown_category(root: Path) -> str:
    (with_coco(root) / "classes.txt").write_text("mugs\n")
    return f"class 'mugs' is no category of {root}/annotations.json; did you mean 'mug'?"


def spoil_list(root: Path) -> str:
    (with_pngs(root) / "train.txt").write_text("fist\n")
    return f"list {root}/train.txt names 'fist', which has no picture with a label; did you mean 'first'?"


@pytest.mark.parametrize("spoil", [value for name, value in globals().items() if name.startswith("spoil_")])
def test_every_mistake_is_one_clear_line(tmp_path: Path, spoil: Any) -> None:
    root = tmp_path / "mine"
    line = spoil(root)
    with pytest.raises(InputError, match=re.escape(line)):
        open_folder(root, cache=tmp_path / "cache", n_folds=3).pairs(root, train=True)
