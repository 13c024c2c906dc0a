"""COCO annotations by hand, and back through COCO's own reader."""

import json
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

from sccan.report.coco import CodedPicture, CodedRegion, run_lengths, write_instances


def test_numbers_by_hand(tmp_path: Path) -> None:
    region = np.zeros((4, 6), bool)
    region[1:3, 2:5] = True
    pictures = [
        CodedPicture("empty.jpg", (3, 2), []),
        CodedPicture("a.jpg", (4, 6), [CodedRegion("moon", run_lengths(region), 0.75)]),
    ]
    path = write_instances(tmp_path / "a.json", iter(pictures), ["disc", "moon"], {"description": "by hand"})
    found = json.loads(path.read_text())
    assert path.read_text() == json.dumps(found, indent=2) + "\n"
    assert list(tmp_path.iterdir()) == [path]
    assert list(found) == ["info", "images", "annotations", "categories"]
    assert found["categories"] == [{"id": 1, "name": "disc"}, {"id": 2, "name": "moon"}]
    assert [(one["id"], one["file_name"], one["height"], one["width"]) for one in found["images"]] == [
        (1, "empty.jpg", 3, 2),
        (2, "a.jpg", 4, 6),
    ]
    (annotation,) = found["annotations"]
    assert {key: annotation[key] for key in ("id", "image_id", "category_id", "area", "iscrowd", "score")} == {
        "id": 1, "image_id": 2, "category_id": 2, "area": 6, "iscrowd": 0, "score": 0.75,
    }  # fmt: skip
    assert annotation["bbox"] == [2, 1, 3, 2]
    np.testing.assert_array_equal(coco_mask.decode(annotation["segmentation"]), region)
