"""COCO 2014 from its archives: label images, lists, records, and runs that are killed or contradict each other."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sccan.errors import InputError
from sccan.files.parallel import FEW
from sccan.segmentation.data.annotations.coco_labels import VARIANTS, paint
from sccan.segmentation.data.prepare.coco import Sources, prepare_coco
from sccan.segmentation.data.sets.lists import read_list
from sccan.segmentation.data.sets.record import FILE, label_variant, read_records
from tests.segmentation.data.prepare.made_up import coco_archives, coco_instances, unpack_into

CATEGORY_IDS = [
    *(*range(1, 12), *range(13, 26), 27, 28, *range(31, 45), *range(46, 66), 67, 70),
    *(*range(72, 83), *range(84, 91)),
]
"""The 80 used ids, written out again so that a slip in the package shows."""
NUMBERS = {category: rank for rank, category in enumerate(CATEGORY_IDS, 1)}


def sources(folder: Path) -> Sources:
    images = {part: folder / f"{part}2014.zip" for part in ("train", "val")}
    return Sources(images, folder / "annotations_trainval2014.zip")


def test_both_variants_from_the_archives(tmp_path: Path) -> None:
    parts = coco_archives(tmp_path / "zips")
    root = tmp_path / "root"
    written = prepare_coco(root, sources(tmp_path / "zips"), variants=("compatible", "full"), workers=1)
    # Four of six pictures have instances; one has a crowd alone, one nothing.
    assert written == {f"lists/{name}.txt": 4 for name in ("train", "full/train", "val", "full/val")}
    for part, content in parts.items():
        for variant, folder in (("compatible", "annotations"), ("full", "annotations/full")):
            made = {path.name for path in (root / folder / f"{part}2014").iterdir()}
            images = sorted(content["images"], key=lambda image: image["id"])[:4]
            assert made == {image["file_name"].replace(".jpg", ".png") for image in images}
            for image in images:
                own = [a for a in content["annotations"] if a["image_id"] == image["id"]]
                expected = paint(own, (70, 100), NUMBERS, VARIANTS[variant])
                name = image["file_name"].replace(".jpg", ".png")
                with Image.open(root / folder / f"{part}2014" / name) as label:
                    assert label.mode == "L"
                    np.testing.assert_array_equal(np.asarray(label), expected)
    assert label_variant(root, "annotations/val2014/COCO_val2014_000000000100.png") == "compatible"
    assert label_variant(root, "annotations/full/val2014/COCO_val2014_000000000100.png") == "full"
    assert label_variant(root, "elsewhere/x.png") == "unknown"


def test_lists_are_in_the_order_of_ids_and_relative_to_the_root(tmp_path: Path) -> None:
    coco_archives(tmp_path / "zips")
    root = tmp_path / "root"
    prepare_coco(root, sources(tmp_path / "zips"), variants=("full",), parts=("val",), workers=1)
    assert (root / "lists" / "full" / "val.txt").read_text().splitlines()[1] == (
        "val2014/COCO_val2014_000000000107.jpg annotations/full/val2014/COCO_val2014_000000000107.png"
    )
    names = [image for image, _ in read_list(root / "lists" / "full" / "val.txt", root)]
    assert names == sorted(names)
    assert not (root / "annotations" / "train2014").exists()


def test_archives_in_the_data_root_are_found_and_unpacked_ones_too(tmp_path: Path) -> None:
    coco_archives(tmp_path)
    prepare_coco(tmp_path, Sources({}), variants=("compatible",), workers=1)
    for archive in tmp_path.glob("*.zip"):
        archive.unlink()
    again = prepare_coco(tmp_path, Sources({}), variants=("compatible",), workers=1)
    assert again == {"lists/train.txt": 4, "lists/val.txt": 4}


def test_processes_make_the_same_files_as_one(tmp_path: Path) -> None:
    coco_archives(tmp_path / "zips", n_pictures=FEW + 20)
    for workers in (1, 2):
        root = tmp_path / str(workers)
        prepare_coco(root, sources(tmp_path / "zips"), variants=("full",), parts=("val",), workers=workers)
    first, second = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "1", tmp_path / "2")
    )
    assert first == second
    assert len(first) > FEW


def test_a_second_run_only_makes_what_is_missing_or_damaged(tmp_path: Path) -> None:
    coco_archives(tmp_path / "zips")
    root = tmp_path / "root"
    prepare_coco(root, sources(tmp_path / "zips"), variants=("full",), workers=1)
    folder = root / "annotations" / "full" / "val2014"
    whole = {path: path.read_bytes() for path in sorted(folder.iterdir())}
    first, second, *others = whole
    first.write_bytes(whole[first][:-1])
    second.unlink()
    times = [path.stat().st_mtime_ns for path in others]
    prepare_coco(root, sources(tmp_path / "zips"), variants=("full",), workers=1)
    assert {path: path.read_bytes() for path in sorted(folder.iterdir())} == whole
    assert [path.stat().st_mtime_ns for path in others] == times
    assert all(record.complete for record in read_records(root).values())


def test_labels_of_somebody_else_are_never_mixed_with_ours(tmp_path: Path) -> None:
    coco_archives(tmp_path / "zips")
    root = tmp_path / "root"
    folder = root / "annotations" / "val2014"
    folder.mkdir(parents=True)
    (folder / "COCO_val2014_000000000100.png").write_bytes(b"somebody's")
    line = (
        f"{folder} holds label images that this tool did not make; move them away, or find out with 'prepare identify' "
        "which variant they are"
    )
    with pytest.raises(InputError, match=re.escape(line)):
        prepare_coco(root, sources(tmp_path / "zips"), variants=("compatible",), parts=("val",), workers=1)
    assert [path.name for path in folder.iterdir()] == ["COCO_val2014_000000000100.png"]


def test_labels_of_another_annotation_file_are_never_mixed_either(tmp_path: Path) -> None:
    coco_archives(tmp_path / "zips")
    root = tmp_path / "root"
    prepare_coco(root, sources(tmp_path / "zips"), variants=("compatible",), parts=("val",), workers=1)
    other = tmp_path / "other"
    unpack_into(other, {"instances_val2014.json": json.dumps(coco_instances("val", seed=1)).encode()})
    line = (
        rf"annotations/val2014 holds labels made as 'compatible' from instances_val2014\.json \(\w+\), not as .*{FILE}"
    )
    with pytest.raises(InputError, match=line):
        prepare_coco(
            root, Sources(sources(tmp_path / "zips").images, other), variants=("compatible",), parts=("val",), workers=1
        )


def test_missing_pictures_and_foreign_categories_are_named(tmp_path: Path) -> None:
    coco_archives(tmp_path / "zips")
    root = tmp_path / "root"
    images = unpack_into(tmp_path / "val2014", {"COCO_val2014_000000000100.jpg": b"x"})
    given = Sources({"val": images}, tmp_path / "zips" / "annotations_trainval2014.zip")
    line = (
        f"{root}/val2014 lacks 3 of the 4 annotated pictures, the first is COCO_val2014_000000000107.jpg; unpack the "
        "whole archive"
    )
    with pytest.raises(InputError, match=re.escape(line)):
        prepare_coco(root, given, variants=("full",), parts=("val",), workers=1)
    content = coco_instances("val")
    content["categories"] = [{"id": 5, "name": "own"}]
    for annotation in content["annotations"]:
        annotation["category_id"] = 5
    other = unpack_into(tmp_path / "own", {"instances_val2014.json": json.dumps(content).encode()})
    line = "has 1 categories, but COCO has the 80 with ids 1..90; for data of your own set DATA.NAME folder"
    with pytest.raises(InputError, match=re.escape(line)):
        prepare_coco(tmp_path / "r", Sources({"val": images}, other), variants=("full",), parts=("val",), workers=1)


def test_missing_material_says_where_to_get_it(tmp_path: Path) -> None:
    line = (
        f"{tmp_path} holds neither the annotations (instances_train2014.json, instances_val2014.json) nor "
        "annotations_trainval2014.zip; give its place with --annotations, or add --download to fetch it from "
        "http://images.cocodataset.org/annotations/annotations_trainval2014.zip"
    )
    with pytest.raises(InputError, match=re.escape(line)):
        prepare_coco(tmp_path, Sources({}), variants=("full",), workers=1)


def test_a_spoilt_record_is_said(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    (tmp_path / FILE).write_text('{"annotations/val2014": {"variant": 1, "other": 2}}')
    with pytest.raises(InputError, match=r"prepared\.json: .*; remove it and prepare the data set again"):
        read_records(tmp_path)
