"""Exports of labelling tools as they come out: the same objects give the same masks, or one line says why not."""

from __future__ import annotations

import base64
import csv
import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sccan.errors import InputError
from sccan.pictures.decoding import read_label
from sccan.predict.supports import Supports
from sccan.segmentation.data.annotations.examples import read_examples
from sccan.segmentation.data.annotations.shapes import SHARES
from sccan.segmentation.data.folder import open_folder
from tests.predict.made_up import save

HEIGHT, WIDTH = 40, 60
BOXES = {"a": [("cat", (5, 4, 25, 20)), ("dog", (30, 10, 50, 35))], "b": [("dog", (8, 8, 40, 30))]}
"""Picture -> class and box: left, top, right, bottom, the last two behind its last pixels."""


def region(box: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    left, top, right, bottom = box
    mask[top:bottom, left:right] = True
    return mask


def photos(folder: Path) -> None:
    for number, name in enumerate(BOXES):
        save(folder / f"{name}.jpg", np.full((HEIGHT, WIDTH, 3), 60 + 90 * number, np.uint8))


def ring(box: tuple[int, int, int, int]) -> list[tuple[int, int]]:
    left, top, right, bottom = box
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def inner_ring(box: tuple[int, int, int, int]) -> list[tuple[int, int]]:
    """Through the middles of the outermost pixels."""
    left, top, right, bottom = box
    return ring((left, top, right - 1, bottom - 1))


def png(mask: np.ndarray, mode: str) -> bytes:
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    if mode == "P":
        image = Image.fromarray(mask.astype(np.uint8))
        image.putpalette([0, 0, 0, 255, 255, 255])
    stream = io.BytesIO()
    image.save(stream, "PNG", **({"transparency": 0} if mode == "P" else {}))
    return stream.getvalue()


# One function for each tool: writes its export, pictures and all


def cvat_masks(root: Path) -> None:
    photos(root / "JPEGImages")
    colours = {"background": (0, 0, 0), "cat": (250, 50, 83), "dog": (51, 221, 255)}
    lines = ["# label:color_rgb:parts:actions"]
    lines += [f"{name}:{','.join(map(str, colour))}::" for name, colour in colours.items()]
    (root / "labelmap.txt").write_text("\n".join(lines) + "\n")
    for kind in ("SegmentationClass", "SegmentationObject"):
        for name, boxes in BOXES.items():
            picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            for label, box in boxes:
                picture[region(box)] = colours[label]
            save(root / kind / f"{name}.png", picture)
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "default.txt").write_text("a\nb\n")


def _cvat_xml(root: Path, shape: Callable[[str, tuple[int, int, int, int]], str]) -> None:
    photos(root / "images")
    labels = "".join(f"<label><name>{name}</name><color>#fa3253</color></label>" for name in ("cat", "dog"))
    images = ""
    for number, (name, boxes) in enumerate(BOXES.items()):
        shapes = "".join(shape(label, box) for label, box in boxes)
        images += f'<image id="{number}" name="{name}.jpg" width="{WIDTH}" height="{HEIGHT}">{shapes}</image>'
    meta = f"<version>1.1</version><meta><task><labels>{labels}</labels></task></meta>"
    (root / "annotations.xml").write_text(
        f'<?xml version="1.0" encoding="utf-8"?><annotations>{meta}{images}</annotations>'
    )


def cvat_polygons(root: Path) -> None:
    def shape(label: str, box: tuple[int, int, int, int]) -> str:
        points = ";".join(f"{x:.2f},{y:.2f}" for x, y in ring(box))
        attribute = '<attribute name="age">3</attribute>'
        return (
            f'<polygon label="{label}" source="manual" occluded="0" points="{points}" z_order="0">{attribute}</polygon>'
        )

    _cvat_xml(root, shape)


def cvat_run_lengths(root: Path) -> None:
    def shape(label: str, box: tuple[int, int, int, int]) -> str:
        left, top, right, bottom = box
        width, height = right - left + 2, bottom - top + 1  # two empty columns and an empty row within the box
        runs = ", ".join(["0", *f"{right - left}, 2, ".join([""] * (bottom - top + 1)).strip(", ").split(", ")][:-1])
        runs += f", {2 + width}"
        place = f'left="{left}" top="{top}" width="{width}" height="{height}"'
        return f'<mask label="{label}" source="auto" occluded="0" rle="{runs}" {place} z_order="0"/>'

    _cvat_xml(root, shape)


def cvat_boxes(root: Path) -> None:
    def shape(label: str, box: tuple[int, int, int, int]) -> str:
        left, top, right, bottom = box
        return f'<box label="{label}" xtl="{left}.0" ytl="{top}.0" xbr="{right}.0" ybr="{bottom}.0" z_order="1"/>'

    _cvat_xml(root, shape)


def coco_content(names: dict[str, str], first: int, **more: Any) -> dict[str, Any]:
    categories = [{"id": first, "name": "cat", **more}, {"id": first + 1, "name": "dog", **more}]
    annotations = []
    for picture, boxes in enumerate(BOXES.values()):
        for label, box in boxes:
            flat = [float(value) for corner in ring(box) for value in corner]
            category = first + ("cat", "dog").index(label)
            entry = {"id": len(annotations), "image_id": picture, "category_id": category, "segmentation": [flat]}
            annotations.append({**entry, "area": int(region(box).sum()), "iscrowd": 0, "ignore": 0})
    images = [
        {"id": number, "file_name": names[name], "width": WIDTH, "height": HEIGHT} for number, name in enumerate(BOXES)
    ]
    return {"images": images, "categories": categories, "annotations": annotations, "info": {}}


def cvat_coco(root: Path) -> None:
    photos(root / "images" / "default")
    (root / "annotations").mkdir()
    content = coco_content({name: f"{name}.jpg" for name in BOXES}, 1, supercategory="")
    (root / "annotations" / "instances_default.json").write_text(json.dumps(content))


def label_studio_coco(root: Path) -> None:
    photos(root / "images")
    for name in BOXES:  # names get a code when they are uploaded
        (root / "images" / f"{name}.jpg").rename(root / "images" / f"3f8a1b2c-{name}.jpg")
    names = {name: f"images\\3f8a1b2c-{name}.jpg" for name in BOXES}
    (root / "result.json").write_text(json.dumps(coco_content(names, 0)))


def label_studio_coco_beside_the_originals(root: Path) -> None:
    photos(root)
    names = {name: f"/data/upload/1/3f8a1b2c-{name}.jpg" for name in BOXES}
    (root / "result.json").write_text(json.dumps(coco_content(names, 0)))


def label_studio_brush(root: Path) -> None:
    photos(root)
    tasks = []
    for task, (name, boxes) in enumerate(BOXES.items(), 7):
        tasks.append({"id": task, "data": {"image": f"/data/upload/2/0a1b2c3d-{name}.jpg"}, "annotations": []})
        for number, (label, box) in enumerate(boxes):
            file = root / f"task-{task}-annotation-{task + 3}-by-1-tag-{label}-{number}.png"
            file.write_bytes(png(region(box), "L"))
    (root / "project-1.json").write_text(json.dumps(tasks))


def label_studio_tasks(root: Path) -> None:
    photos(root)
    tasks = []
    for task, (name, boxes) in enumerate(BOXES.items(), 1):
        results = []
        for label, (left, top, right, bottom) in boxes:
            value = {"x": 100 * left / WIDTH, "y": 100 * top / HEIGHT, "rotation": 0, "rectanglelabels": [label]}
            value |= {"width": 100 * (right - left) / WIDTH, "height": 100 * (bottom - top) / HEIGHT}
            size = {"original_width": WIDTH, "original_height": HEIGHT}
            results.append({"type": "rectanglelabels", "value": value, **size})
        tasks.append({"id": task, "data": {"image": f"s3://bucket/{name}.jpg"}, "annotations": [{"result": results}]})
    (root / "tasks.json").write_text(json.dumps(tasks))


def roboflow(root: Path) -> None:
    for part, name in (("train", "a"), ("valid", "b")):
        save(root / part / f"{name}_jpg.rf.0a1b2c.jpg", np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
        content = coco_content({one: f"{one}_jpg.rf.0a1b2c.jpg" for one in BOXES}, 1, supercategory="animals")
        content["categories"].insert(0, {"id": 0, "name": "animals", "supercategory": "none"})
        number = list(BOXES).index(name)
        content["images"] = [one for one in content["images"] if one["id"] == number]
        content["annotations"] = [one for one in content["annotations"] if one["image_id"] == number]
        (root / part / "_annotations.coco.json").write_text(json.dumps(content))
    (root / "README.roboflow.txt").write_text("made by Roboflow")


def _via_regions(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    found = []
    for label, box in BOXES[name]:
        across, down = zip(*ring(box), strict=True)
        shape = {"name": "polygon", "all_points_x": list(across), "all_points_y": list(down)}
        found.append((shape, {"class": label, "note": ""}))
    return found


def via_project(root: Path) -> None:
    photos(root)
    entries = {}
    for name in BOXES:
        regions = [{"shape_attributes": shape, "region_attributes": facts} for shape, facts in _via_regions(name)]
        entries[f"{name}.jpg123"] = {"filename": f"{name}.jpg", "size": 123, "regions": regions, "file_attributes": {}}
    project = {"_via_settings": {}, "_via_img_metadata": entries, "_via_attributes": {}}
    (root / "via_project.json").write_text(json.dumps(project))


def via_csv(root: Path) -> None:
    photos(root)
    with (root / "via_export.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        names = "filename file_size file_attributes region_count region_id region_shape_attributes region_attributes"
        writer.writerow(names.split())
        for name in BOXES:
            regions = _via_regions(name)
            for number, (shape, facts) in enumerate(regions):
                writer.writerow([f"{name}.jpg", 1, "{}", len(regions), number, json.dumps(shape), json.dumps(facts)])


def _supervisely(root: Path, geometry: Callable[[tuple[int, int, int, int]], dict[str, Any]]) -> None:
    photos(root / "ds0" / "img")
    (root / "ds0" / "ann").mkdir()
    for name, boxes in BOXES.items():
        objects = [{"classTitle": label, "tags": [], **geometry(box)} for label, box in boxes]
        content = {"description": "", "tags": [], "size": {"height": HEIGHT, "width": WIDTH}, "objects": objects}
        (root / "ds0" / "ann" / f"{name}.jpg.json").write_text(json.dumps(content))
    classes = [{"title": name, "shape": "bitmap", "color": "#FF0000"} for name in ("cat", "dog")]
    (root / "meta.json").write_text(json.dumps({"classes": classes, "tags": []}))


def supervisely_bitmaps(root: Path) -> None:
    def geometry(box: tuple[int, int, int, int]) -> dict[str, Any]:
        left, top, right, bottom = box
        packed = zlib.compress(png(region(box)[top:bottom, left:right], "P"))
        bitmap = {"data": base64.b64encode(packed).decode(), "origin": [left, top]}
        return {"geometryType": "bitmap", "bitmap": bitmap}

    _supervisely(root, geometry)


def supervisely_polygons(root: Path) -> None:
    def geometry(box: tuple[int, int, int, int]) -> dict[str, Any]:
        return {"geometryType": "polygon", "points": {"exterior": inner_ring(box), "interior": []}}

    _supervisely(root, geometry)


def yolo(root: Path) -> None:
    photos(root / "images" / "train")
    for name, boxes in BOXES.items():
        lines = []
        for label, box in boxes:
            shares = [value for x, y in inner_ring(box) for value in ((x + 0.25) / WIDTH, (y + 0.25) / HEIGHT)]
            lines.append(" ".join([str(("cat", "dog").index(label)), *(f"{share:.6f}" for share in shares)]))
        file = root / "labels" / "train" / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines))
    (root / "data.yaml").write_text("path: ../datasets/x\ntrain: images/train\nnames:\n  0: cat\n  1: dog\n")


def labelme(root: Path) -> None:
    photos(root)
    for name, boxes in BOXES.items():
        shapes = [{"label": label, "points": inner_ring(box), "shape_type": "polygon"} for label, box in boxes]
        content = {"version": "5.5.0", "shapes": shapes, "imagePath": f"{name}.jpg", "imageData": None}
        (root / f"{name}.json").write_text(json.dumps({**content, "imageHeight": HEIGHT, "imageWidth": WIDTH}))


EXPORTS = [
    cvat_masks,
    cvat_polygons,
    cvat_run_lengths,
    cvat_boxes,
    cvat_coco,
    label_studio_coco,
    label_studio_coco_beside_the_originals,
    label_studio_brush,
    label_studio_tasks,
    roboflow,
    via_project,
    via_csv,
    supervisely_bitmaps,
    supervisely_polygons,
    yolo,
    labelme,
]


def expected(names: tuple[str, ...]) -> dict[str, np.ndarray]:
    labels = {}
    for name, boxes in BOXES.items():
        labels[name] = np.zeros((HEIGHT, WIDTH), np.uint8)
        for label, box in boxes:
            labels[name][region(box)] = names.index(label) + 1
    return labels


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.__name__)
def test_an_export_is_read_as_examples_and_as_a_data_set(tmp_path: Path, export: Callable[[Path], None]) -> None:
    root = tmp_path / "mine"
    root.mkdir()
    export(root)
    found = read_examples(root)
    assert sorted(found.names) == ["cat", "dog"]
    want = expected(found.names)
    labels = {one.image.stem.split("_jpg.rf")[0].removeprefix("3f8a1b2c-"): one.label for one in found.annotated}
    assert sorted(labels) == ["a", "b"]
    for name, label in labels.items():
        np.testing.assert_array_equal(label, want[name], err_msg=name)
    dataset = open_folder(root, cache=tmp_path / "cache")
    want = expected(dataset.class_names)
    assert len(dataset.everything) == 2
    for image, file in dataset.everything:
        name = Path(image).stem.split("_jpg.rf")[0].removeprefix("3f8a1b2c-")
        np.testing.assert_array_equal(read_label(root / file), want[name], err_msg=name)


def test_parts_of_a_data_set_are_for_training_and_for_testing(tmp_path: Path) -> None:
    roboflow(tmp_path)
    dataset = open_folder(tmp_path, cache=tmp_path / "cache")
    assert [image for image, _ in dataset.pairs(tmp_path, train=True)] == ["train/a_jpg.rf.0a1b2c.jpg"]
    assert [image for image, _ in dataset.pairs(tmp_path, train=False)] == ["valid/b_jpg.rf.0a1b2c.jpg"]
    assert "left out, as it only groups other categories: 2 (animals, animals)" in dataset.notes
    assert "passed over, as their ending is .txt: 1 (README.roboflow.txt)" not in dataset.notes


def test_boxes_taken_for_masks_are_counted(tmp_path: Path) -> None:
    cvat_boxes(tmp_path)
    assert "boxes taken for masks, filled: 3 (a.jpg, a.jpg, b.jpg)" in read_examples(tmp_path).told.lines()


def _without(root: Path, pattern: str) -> None:
    for file in root.rglob(pattern):
        file.unlink()


def test_without_the_pictures_a_line_says_what_is_missing(tmp_path: Path) -> None:
    lines = {}
    for export in (cvat_masks, cvat_polygons, via_project, supervisely_bitmaps, yolo, label_studio_coco):
        root = tmp_path / export.__name__
        root.mkdir()
        export(root)
        _without(root, "*.jpg")
        save(
            next(root.glob("*/")) / "other.jpg" if export is not via_project else root / "other.jpg",
            np.zeros((9, 9, 3), np.uint8),
        )
        with pytest.raises(InputError) as caught:
            read_examples(root)
        lines[export.__name__] = str(caught.value)
    assert all("\n" not in line for line in lines.values())
    assert "has masks of CVAT, but not their pictures (a ...)" in lines["cvat_masks"]
    for name in ("cvat_polygons", "via_project", "supervisely_bitmaps", "yolo"):
        assert "none of which is in" in lines[name], name
    assert "which is not in" in lines["label_studio_coco"]


def test_a_brush_mask_whose_picture_cannot_be_told_is_refused(tmp_path: Path) -> None:
    label_studio_brush(tmp_path)
    (tmp_path / "project-1.json").unlink()
    with pytest.raises(InputError, match="task 7, which does not say which picture that is; put the tasks' JSON"):
        read_examples(tmp_path)
    (tmp_path / "a.jpg").rename(tmp_path / "task-7.jpg")
    (tmp_path / "b.jpg").rename(tmp_path / "8.jpg")
    found = read_examples(tmp_path)
    assert [one.name for one in found.annotated] == ["8.jpg", "task-7.jpg"]


IMAGE = '<annotations><image name="a.jpg" width="{}" height="40">{}</image></annotations>'
ENTITIES = '<!DOCTYPE a [<!ENTITY b "{0}">]><annotations>&b;</annotations>'


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (ENTITIES.format("x" * 99), "has a document type or entities, which are not read"),
        ("<annotations><image", "is no XML"),
        ('<annotations><track id="0"/></annotations>', "holds tracks of a video; export it as CVAT for images 1.1"),
        (
            IMAGE.format(60, '<polygon label="cat" points="1,2;nan,4;5,6"/>'),
            "a polygon of 'cat' in 'a.jpg' cannot be drawn: a coordinate is no finite number",
        ),
        (
            IMAGE.format(60, '<mask label="cat" rle="1, 2" left="0" top="0" width="5" height="5"/>'),
            "cannot be drawn: the runs of a run-length code add up to 3, but the picture has 25 pixels",
        ),
        (
            IMAGE.format(70, '<box label="cat" xtl="1" ytl="1" xbr="9" ybr="9"/>'),
            "says that a.jpg is 40x70 (height x width), but the picture is 40x60",
        ),
    ],
)
def test_unfit_xml_is_one_clear_line(tmp_path: Path, text: str, line: str) -> None:
    photos(tmp_path)
    (tmp_path / "annotations.xml").write_text(text)
    with pytest.raises(InputError) as caught:
        read_examples(tmp_path)
    assert line.replace("'a.jpg'", "a.jpg") in str(caught.value).replace("'a.jpg'", "a.jpg")


def test_a_bitmap_that_unpacks_to_gigabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sccan.segmentation.data.annotations import supervisely

    monkeypatch.setattr(supervisely, "LARGEST_BITMAP", 1 << 16)
    supervisely_bitmaps(tmp_path)
    file = tmp_path / "ds0" / "ann" / "a.jpg.json"
    content = json.loads(file.read_text())
    content["objects"][0]["bitmap"]["data"] = base64.b64encode(zlib.compress(bytes(1 << 20))).decode()
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match="its bitmap unpacks to more than a picture's size"):
        read_examples(tmp_path)


def test_holes_of_polygons_are_cut_out(tmp_path: Path) -> None:
    supervisely_polygons(tmp_path)
    file = tmp_path / "ds0" / "ann" / "b.jpg.json"
    content = json.loads(file.read_text())
    content["objects"][0]["points"]["interior"] = [[[15, 12], [30, 12], [30, 20], [15, 20]]]
    file.write_text(json.dumps(content))
    label = next(one.label for one in read_examples(tmp_path).annotated if one.image.name == "b.jpg")
    drawn = Image.new("1", (WIDTH, HEIGHT))
    ImageDraw.Draw(drawn).rectangle((15, 12, 30, 20), fill=1)
    np.testing.assert_array_equal(label > 0, region(BOXES["b"][0][1]) & ~np.asarray(drawn))


def test_a_via_region_with_several_names_is_refused_and_one_without_is_called_after_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "mugs"
    root.mkdir()
    via_project(root)
    file = root / "via_project.json"
    text = file.read_text()
    file.write_text(text.replace('"note": ""', '"label": "other"'))
    with pytest.raises(InputError, match="its attributes are class, label, and none of them alone is its class"):
        read_examples(root)
    file.write_text(text.replace('{"class": "cat", "note": ""}', "{}").replace('{"class": "dog", "note": ""}', "{}"))
    assert read_examples(root).names == ("mugs",)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"value": {"rectanglelabels": "cat"}}, "its labels are 'cat'; expected a list of texts"),
        ({"value": {"rectanglelabels": [{"a": 1}]}}, "expected a list of texts"),
        ({"original_width": 2 * WIDTH}, f"are for pictures of {HEIGHT}x{WIDTH} and {HEIGHT}x{2 * WIDTH}; export"),
        ({"original_height": "1e999"}, "cannot be drawn"),
    ],
)
def test_unfit_regions_of_tasks_are_one_clear_line(tmp_path: Path, change: dict[str, Any], line: str) -> None:
    label_studio_tasks(tmp_path)
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    result = tasks[0]["annotations"][0]["result"][0]
    tasks[0]["annotations"][0]["result"][0] = result | change | {"value": result["value"] | change.get("value", {})}
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    with pytest.raises(InputError) as caught:
        read_examples(tmp_path)
    assert line in str(caught.value)
    tasks[0]["annotations"][0]["result"] = [result | {"original_width": 2 * WIDTH}]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    with pytest.raises(
        InputError, match=f"says that a.jpg is {HEIGHT}x{2 * WIDTH} .height x width., but the picture is"
    ):
        read_examples(tmp_path)
    tasks[0]["annotations"][0]["result"] = ["x"]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    with pytest.raises(InputError, match="cannot be drawn: it is 'x'; expected an object"):
        read_examples(tmp_path)


def test_cancelled_annotations_are_passed_over(tmp_path: Path) -> None:
    label_studio_tasks(tmp_path)
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    tasks[0]["annotations"].append({"result": [], "was_cancelled": True})  # a second person skipped it
    tasks[1]["annotations"][0]["was_cancelled"] = True
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    found = read_examples(tmp_path)
    assert [one.image.name for one in found.annotated] == ["a.jpg"]
    assert ("passed over, as its annotation was cancelled", "s3://bucket/b.jpg") in list(found.told)


def predicted(task: dict[str, Any]) -> dict[str, Any]:
    return {**task, "annotations": [], "predictions": task["annotations"]}


def shortened(task: dict[str, Any]) -> dict[str, Any]:
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    regions = [{**one["value"], **size} for one in task["annotations"][0]["result"]]
    return {"id": task["id"], "image": task["data"]["image"], "label": regions}


@pytest.mark.parametrize(
    ("change", "said"),
    [(predicted, "predictions that nobody has accepted"), (shortened, "JSON-MIN does not say enough")],
)
def test_tasks_without_annotations_say_what_is_missing(
    tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], said: str
) -> None:
    root = tmp_path / "some"
    label_studio_tasks(root)
    tasks = json.loads((root / "tasks.json").read_text())
    (root / "tasks.json").write_text(json.dumps([change(tasks[0]), tasks[1]]))
    found = read_examples(root)
    assert [one.image.name for one in found.annotated] == ["b.jpg"]
    assert any(said in what and which.endswith("a.jpg") for what, which in found.told)
    (root / "tasks.json").write_text(json.dumps([change(task) for task in tasks]))
    for read in (Supports.from_folder, lambda place: open_folder(place, cache=tmp_path / "cache", workers=1)):
        with pytest.raises(InputError, match=said) as caught:
            read(root)
        assert "\n" not in str(caught.value)


def test_shares_that_stand_for_pixels_are_told(tmp_path: Path) -> None:
    cvat_polygons(tmp_path)
    text = (tmp_path / "annotations.xml").read_text()
    start = text.index('points="') + len('points="')
    shares = "0.1,0.1;0.9,0.1;0.9,0.9"
    (tmp_path / "annotations.xml").write_text(text[:start] + shares + text[text.index('"', start) :])
    assert SHARES in dict(read_examples(tmp_path).told)
