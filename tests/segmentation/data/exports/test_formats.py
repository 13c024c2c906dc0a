"""Exports of every format, read back to the same pixels."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image

from sccan.errors import InputError
from sccan.pictures.decoding import image_size
from sccan.segmentation.data.annotations.examples import read_examples
from sccan.segmentation.data.exports.formats import FORMATS, Options, write_format
from sccan.segmentation.data.exports.labelled import Labelled, plain_names
from tests.kept_memory import kept_per_item

CLASSES = ("cat", "dog <b>", "ärmel: x")
WITHOUT_IGNORED = {"yolo", "cvat"}
"""Formats in which every pixel is a class or background."""


def _label(seed: int, size: tuple[int, int]) -> np.ndarray:
    """Blobs of all three classes with holes and islands, and single pixels."""
    generator = np.random.default_rng(seed)
    layers = [cv2.GaussianBlur(generator.random(size).astype(np.float32), (0, 0), 2) for _ in CLASSES]
    label = np.zeros(size, np.uint8)
    for number, layer in enumerate(layers, 1):
        label[layer > np.quantile(layer, 0.75)] = number
    label[1, 1], label[size[0] - 1, size[1] - 1] = 2, 3
    return label


def _pictures(folder: Path, *, ignored: bool = False) -> list[Labelled]:
    found = []
    for seed, (name, size) in enumerate({"a.png": (41, 60), "b.png": (52, 37)}.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size[::-1], "teal").save(path)
        label = _label(seed, size)
        if ignored:
            label[3:9, 4:12] = 255
        found.append(Labelled(name, path, label))
    return found


def _written(
    tmp_path: Path, name: str, *, instances: bool = False, ignored: bool = False
) -> tuple[Path, list[Labelled]]:
    pictures = _pictures(tmp_path / "photos", ignored=ignored)
    options = Options(instances=instances, with_pictures=True)
    write_format(tmp_path / name, name, iter(pictures), CLASSES, names=[one.name for one in pictures], options=options)
    return tmp_path / name, pictures


def _read(folder: Path) -> dict[str, np.ndarray]:
    """Label maps by picture, in the class numbers of `CLASSES`."""
    found = read_examples(folder)
    names, annotated = found.names, found.annotated
    table = np.zeros(256, np.uint8)
    table[255] = 255
    for value, name in enumerate(names, 1):
        table[value] = CLASSES.index(name) + 1
    return {one.image.name: table[one.label] for one in annotated}


@pytest.mark.parametrize("instances", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_what_is_written_is_read_back_to_the_same_pixels(tmp_path: Path, name: str, instances: bool) -> None:
    folder, pictures = _written(tmp_path, name, instances=instances, ignored=name not in WITHOUT_IGNORED)
    found = _read(folder)
    assert set(found) == {"a.png", "b.png"}
    for picture in pictures:
        np.testing.assert_array_equal(found[picture.name], picture.label)


@pytest.mark.parametrize("name", sorted(WITHOUT_IGNORED))
def test_where_nothing_can_be_ignored_such_pixels_become_background(tmp_path: Path, name: str) -> None:
    folder, pictures = _written(tmp_path, name, ignored=True)
    found = _read(folder)
    for picture in pictures:
        np.testing.assert_array_equal(found[picture.name], np.where(picture.label == 255, 0, picture.label))


@pytest.mark.parametrize("rounded", [np.rint, np.trunc])
def test_yolo_lines_fill_to_the_same_pixels_rounded_or_cut_off(
    tmp_path: Path, rounded: Callable[[np.ndarray], np.ndarray]
) -> None:
    folder, pictures = _written(tmp_path, "yolo")
    described = yaml.safe_load((folder / "data.yaml").read_text())
    assert described["names"] == dict(enumerate(CLASSES))
    for picture in pictures:
        assert image_size(folder / "images" / picture.name) == picture.label.shape
        canvas = np.zeros_like(picture.label)
        for line in (folder / "labels" / f"{Path(picture.name).stem}.txt").read_text().splitlines():
            number, *shares = line.split()
            points = np.array(shares, float).reshape(-1, 2) * picture.label.shape[::-1]
            assert len(points) > 2
            cv2.fillPoly(canvas, [rounded(points).astype(np.int32)], int(number) + 1)
        np.testing.assert_array_equal(canvas, picture.label)


@pytest.mark.parametrize("instances", [False, True])
def test_cvat_masks_are_the_same_pixels(tmp_path: Path, instances: bool) -> None:
    folder, pictures = _written(tmp_path, "cvat", instances=instances)
    root = ElementTree.parse(folder / "annotations.xml").getroot()
    assert [name.text for name in root.iter("name")] == list(CLASSES)
    for picture, image in zip(pictures, root.iter("image"), strict=True):
        assert (int(image.attrib["height"]), int(image.attrib["width"])) == picture.label.shape
        canvas = np.zeros_like(picture.label)
        masks = list(image.iter("mask"))
        assert len(masks) == 3 or instances
        for mask in masks:
            left, top, width, height = (int(mask.attrib[key]) for key in ("left", "top", "width", "height"))
            values, inside = [], False
            for run in mask.attrib["rle"].split(","):
                values += [inside] * int(run)
                inside = not inside
            box = canvas[top : top + height, left : left + width]
            box[np.array(values).reshape(height, width)] = CLASSES.index(mask.attrib["label"]) + 1
        np.testing.assert_array_equal(canvas, picture.label)


def test_regions_are_classes_or_connected_parts(tmp_path: Path) -> None:
    def count(name: str, instances: bool) -> int:
        folder, _ = _written(tmp_path / f"{instances}", name, instances=instances)
        return len(json.loads((folder / "annotations.json").read_text())["annotations"])

    assert count("coco", False) == count("coco-polygons", False) == 6
    assert count("coco", True) == count("coco-polygons", True) > 20


def test_pictures_of_sub_folders_get_names_of_their_own(tmp_path: Path) -> None:
    assert plain_names(["a.jpg", "x/a.jpg", "x__a.png", "b.png", "b.jpg"]) == {
        "a.jpg": "a.jpg",
        "x/a.jpg": "x__a.jpg",
        "x__a.png": "x__a_.png",
        "b.png": "b.png",
        "b.jpg": "b_.jpg",
    }


def test_without_pictures_the_folders_stay(tmp_path: Path) -> None:
    label = np.ones((4, 5), np.uint8)
    write_format(tmp_path / "out", "png", [Labelled("x/a.jpg", None, label)], ["cat"], names=["x/a.jpg"])
    assert (tmp_path / "out" / "masks" / "x" / "a.png").is_file()
    assert not (tmp_path / "out" / "images").exists()


@pytest.mark.parametrize("name", ["coco", "coco-polygons", "cvat"])
def test_files_of_many_pictures_are_written_without_keeping_one(tmp_path: Path, name: str) -> None:
    label = np.zeros((8, 8), np.uint8)
    label[2:5, 1:7] = 1
    pictures = (Labelled(f"{number:06}.jpg", None, label.copy()) for number in range(1000))

    def write(pictures: Iterator[Labelled]) -> None:
        write_format(tmp_path, name, pictures, ["leaf"], names=[])

    assert kept_per_item(pictures, write, between=(100, 999)) < 60, "a picture that is kept takes 480 or more"
    (written,) = tmp_path.iterdir()
    assert "000999.jpg" in written.read_text()


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no format 'jpeg'; there are png, coco"):
        write_format(tmp_path, "jpeg", [], ["cat"], names=[])
    with pytest.raises(InputError, match="LabelMe takes 'background' for something else"):
        write_format(tmp_path, "labelme", [], ["background"], names=[])
