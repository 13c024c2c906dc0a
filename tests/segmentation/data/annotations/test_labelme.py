"""LabelMe shapes of every kind on pixels worked out by hand, and the refusals."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sccan.errors import InputError
from sccan.files.decoding import read_label
from sccan.segmentation.data.annotations.labelme import LabelMeTask, make_label, names_in

SIZE = (12, 20)
CLASSES = {"cat": 1, "dog": 2}


def shape(label: str, points: list[list[float]], kind: str | None = "polygon", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, "flags": {}, **more}


def labelled(folder: Path, drawn: list[dict[str, Any]], **header: Any) -> np.ndarray:
    cv2.imwrite(str(folder / "a.png"), np.zeros((*SIZE, 3), np.uint8))
    content = {"version": "5.4", "shapes": drawn, "imagePath": "a.png", "imageHeight": 12, "imageWidth": 20} | header
    (folder / "a.json").write_text(json.dumps(content))
    make_label(LabelMeTask(folder / "a.json", folder / "a.png", CLASSES, folder / "out" / "a.png"))
    return read_label(folder / "out" / "a.png")


def test_polygons_and_boxes_include_their_contour_and_later_shapes_cover(tmp_path: Path) -> None:
    label = labelled(
        tmp_path,
        [
            shape("cat", [[2, 1], [8, 1], [8, 6], [2, 6]], None),
            shape("dog", [[9.4, 8.6], [6.4, 4.2]], "rectangle"),
        ],
    )
    expected = np.zeros(SIZE, np.uint8)
    expected[1:7, 2:9] = 1
    expected[4:10, 6:10] = 2
    np.testing.assert_array_equal(label, expected)


def test_circles_masks_and_names_with_a_meaning(tmp_path: Path) -> None:
    small = cv2.imencode(".png", np.array([[0, 255, 255], [255, 255, 0]], np.uint8))[1].tobytes()
    label = labelled(
        tmp_path,
        [
            shape("__ignore__", [[0, 0], [4, 11]], "rectangle"),
            shape("cat", [[12, 6], [15, 6]], "circle"),
            shape("_background_", [[12, 6], [12, 6]], "rectangle"),
            shape("dog", [[17, 2], [19, 3]], "mask", mask=base64.b64encode(small).decode()),
        ],
    )
    assert (label[:, :5] == 255).all()
    assert label[6, 12] == 0
    assert (label[6, 9:12] == 1).all()
    assert label[6, 8] == label[2, 12] == 0
    assert label[3, 12] == label[9, 12] == 1
    np.testing.assert_array_equal(label[1:5, 16:], [[0, 0, 0, 0], [0, 0, 2, 2], [0, 2, 2, 0], [0, 0, 0, 0]])


def test_names_are_those_of_classes(tmp_path: Path) -> None:
    labelled(
        tmp_path, [shape("cat", [[0, 0], [4, 4]], "rectangle"), shape("__ignore__", [[0, 0], [1, 1]], "rectangle")]
    )
    assert names_in(tmp_path / "a.json") == {"cat"}


@pytest.mark.parametrize(
    ("shapes", "header", "line"),
    [
        ([shape("cow", [[0, 0], [4, 4]], "rectangle")], {}, "names 'cow', which is not among the 2 classes"),
        ([shape("cats", [[0, 0], [4, 4]], "rectangle")], {}, "which is not among the 2 classes; did you mean 'cat'?"),
        (
            [shape("cat", [[3, 3]], "point")],
            {},
            "a shape of 'cat' is a point of 1 points, which has no area; use polygons",
        ),
        ([shape("cat", [[3, 3], [4, 4]])], {}, "a shape of 'cat' is a polygon of 2 points, which has no area"),
        ([shape("cat", [[0, 0], [1, 1]], "mask", mask="!")], {}, "a shape of 'cat' cannot be drawn: "),
        ([shape("cat", [[0, 0], [1, 1]], "mask", mask="aGVsbG8=")], {}, "a shape of 'cat' cannot be drawn: "),
        ([shape("cat", [[1, 2, 3]])], {}, "a shape of 'cat' cannot be drawn: "),
        ([shape("cat", [["x", 2]])], {}, "a shape of 'cat' cannot be drawn: "),
        ([{"label": "cat"}], {}, 'is no annotation of LabelMe: expected "shapes" with a "label" and "points" each'),
        ([], {"shapes": None}, "is no annotation of LabelMe"),
        (
            [],
            {"imageHeight": 20, "imageWidth": 12},
            "is for a picture of 20x12 (height x width), but the picture is 12x20",
        ),
    ],
)
def test_refusals_name_the_file(tmp_path: Path, shapes: list[Any], header: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError, match=re.escape(line)) as caught:
        labelled(tmp_path, shapes, **header)
    assert str(tmp_path / "a.json") in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_mask_over_the_edge_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    small = base64.b64encode(cv2.imencode(".png", np.full((5, 5), 255, np.uint8))[1].tobytes()).decode()
    with pytest.raises(InputError, match="its mask reaches over the edge of the picture"):
        labelled(tmp_path, [shape("cat", [[17, 2], [21, 6]], "mask", mask=small)])
    (tmp_path / "a.json").write_text('{"shapes": [')
    with pytest.raises(InputError, match=r"a\.json cannot be read as JSON"):
        names_in(tmp_path / "a.json")
