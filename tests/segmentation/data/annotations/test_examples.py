"""Folders of annotated examples in every form that is read, and the refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from sccan.errors import InputError
from sccan.segmentation.data.annotations.examples import read_examples
from tests.predict.made_up import disc, save, white_on_black

IMAGE, MASK = disc(40, 60)
OTHER, MOON = disc(30, 50, seed=1)


def _labels(folder: Path, class_name: str = "") -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    found = read_examples(folder, class_name)
    return found.names, {one.image.name: one.label for one in found.annotated}


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("a.jpg", "a.png"),
        ("a.png", "a_mask.png"),
        ("a.jpg", "masks/a.png"),
        ("images/a.jpg", "masks/a.png"),
        ("JPEGImages/a.jpg", "SegmentationClassAug/a.png"),
    ],
)
def test_a_black_and_white_mask_is_found_wherever_it_lies(tmp_path: Path, image: str, mask: str) -> None:
    save(tmp_path / image, IMAGE)
    save(tmp_path / mask, white_on_black(MASK))
    names, labels = _labels(tmp_path)
    assert names == (tmp_path.name,)
    assert list(labels) == [Path(image).name]
    np.testing.assert_array_equal(labels[Path(image).name], MASK)
    assert _labels(tmp_path, "mug")[0] == ("mug",)


@pytest.mark.parametrize(
    "form", ["grey", "bits", "rgb", "rgba", "transparent", "reversed palette", "ones", "colour 15"]
)
def test_what_drawing_programs_save_is_the_same_mask(tmp_path: Path, form: str) -> None:
    save(tmp_path / "a.jpg", IMAGE)
    grey = Image.fromarray(white_on_black(MASK))
    clear = Image.fromarray(np.dstack([np.full((*MASK.shape, 3), 255, np.uint8), white_on_black(MASK)]))
    swapped = Image.fromarray((~MASK).astype(np.uint8))
    swapped.putpalette([255, 255, 255, 0, 0, 0])
    forms = {
        "grey": grey,
        "bits": grey.convert("1"),
        "rgb": grey.convert("RGB"),
        "rgba": grey.convert("RGBA"),
        "transparent": clear,
        "reversed palette": swapped,
        "ones": Image.fromarray(MASK.astype(np.uint8)),
        "colour 15": Image.fromarray(MASK.astype(np.uint8) * np.uint8(15)),
    }
    forms[form].save(tmp_path / "a_mask.png")
    np.testing.assert_array_equal(_labels(tmp_path)[1]["a.jpg"], MASK)


def test_values_are_classes_and_255_is_ignored_where_there_are_others(tmp_path: Path) -> None:
    label = MASK.astype(np.uint8)
    label[:3], label[5:9, 5:9] = 255, 2
    save(tmp_path / "a.jpg", IMAGE)
    save(tmp_path / "masks" / "a.png", label)
    save(tmp_path / "unmarked.jpg", OTHER)
    names, labels = _labels(tmp_path)
    assert names == ("class 1", "class 2")
    np.testing.assert_array_equal(labels["a.jpg"], label)
    assert list(labels) == ["a.jpg"]
    (tmp_path / "classes.txt").write_text("mug\npen\n")
    assert _labels(tmp_path)[0] == ("mug", "pen")


def test_labelme_files_beside_the_pictures(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", IMAGE)
    save(tmp_path / "b.jpg", OTHER)
    box = {"label": "box", "points": [[10, 5], [29, 14]], "shape_type": "rectangle"}
    tie = {"label": "tie", "points": [[40, 20], [45, 24]], "shape_type": "rectangle"}
    (tmp_path / "a.json").write_text(json.dumps({"shapes": [box, tie], "imageHeight": 40, "imageWidth": 60}))
    names, labels = _labels(tmp_path)
    assert names == ("box", "tie")
    assert list(labels) == ["a.jpg"]
    want = np.zeros((40, 60), np.uint8)
    want[5:15, 10:30], want[20:25, 40:46] = 1, 2
    np.testing.assert_array_equal(labels["a.jpg"], want)


def test_one_coco_file_and_only_the_categories_that_are_marked(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", IMAGE)
    save(tmp_path / "b.jpg", OTHER)
    code = coco_mask.encode(np.asfortranarray(MASK, dtype=np.uint8))
    code["counts"] = code["counts"].decode()
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 40, "width": 60}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 5, "segmentation": code, "area": int(MASK.sum())}],
        "categories": [{"id": 3, "name": "person"}, {"id": 5, "name": "mug"}],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    names, labels = _labels(tmp_path)
    assert names == ("mug",)
    np.testing.assert_array_equal(labels["a.jpg"], MASK)


def test_names_of_categories_are_cut_to_what_they_say(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", IMAGE)
    corners = [[5, 5, 20, 5, 20, 20], [30, 5, 45, 5, 45, 20]]
    marked = [{"id": n, "image_id": 1, "category_id": n, "segmentation": [ring]} for n, ring in enumerate(corners)]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": marked,
        "categories": [{"id": n, "name": name} for n, name in enumerate(("mug ", "mug"))],
    }
    file = tmp_path / "annotations.json"
    file.write_text(json.dumps(content))
    found = read_examples(tmp_path)
    assert found.names == ("mug",)
    assert "several categories of one name, taken as one class: 1 (mug)" in found.told.lines()
    content["categories"][0]["name"] = " "
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="category 0 has no name"):
        read_examples(tmp_path)


def test_pictures_without_annotation_are_no_examples(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", IMAGE)
    save(tmp_path / "b.png", OTHER)
    assert read_examples(tmp_path).annotated == []


def test_what_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    save(tmp_path / "a.jpg", IMAGE)
    mask = tmp_path / "a_mask.png"
    save(mask, white_on_black(MASK)[:, :50])
    with pytest.raises(InputError, match=r"a_mask\.png is 40x50 .*, but its picture is 40x60; they must be equal"):
        read_examples(tmp_path)
    save(mask, white_on_black(MASK).T)
    with pytest.raises(InputError, match="40x60; one of them lies on its side"):
        read_examples(tmp_path)
    save(mask, np.zeros((40, 60), np.uint8))
    with pytest.raises(InputError, match="mark nothing; set the pixels of the object to 1"):
        read_examples(tmp_path)
    save(mask, IMAGE)
    with pytest.raises(InputError, match="is coloured; paint the object white on black"):
        read_examples(tmp_path)
    smooth = np.linspace(0, 255, 2400).reshape(40, 60).astype(np.uint8)
    save(mask, smooth)
    with pytest.raises(InputError, match="hold 254 values .* that nobody named; use 0 and 255 without smoothed edges"):
        read_examples(tmp_path)
    save(mask, MASK * np.uint8(3))
    (tmp_path / "classes.txt").write_text("mug\npen\n")
    with pytest.raises(InputError, match=r"holds the value 3, but classes\.txt names 2 classes"):
        read_examples(tmp_path)
    save(tmp_path / "a.jpeg", IMAGE)
    with pytest.raises(InputError, match="two pictures called a"):
        read_examples(tmp_path)
