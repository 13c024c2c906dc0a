"""LabelMe shapes of every kind on pixels worked out by hand, and the refusals."""

from __future__ import annotations

import base64
import json
import math
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from sccan.errors import InputError
from sccan.pictures.decoding import read_label
from sccan.segmentation.data.annotations.labelme import LabelMeTask, label_of, make_label, names_in

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


def test_space_around_a_name_is_no_part_of_it(tmp_path: Path) -> None:
    assert (labelled(tmp_path, [shape(" cat ", [[2, 1], [8, 1], [8, 6]])]) == 1).any()
    assert names_in(tmp_path / "a.json") == {"cat"}


def test_names_are_those_of_classes(tmp_path: Path) -> None:
    labelled(
        tmp_path, [shape("cat", [[0, 0], [4, 4]], "rectangle"), shape("__ignore__", [[0, 0], [1, 1]], "rectangle")]
    )
    assert names_in(tmp_path / "a.json") == {"cat"}


@pytest.mark.parametrize(
    ("drawn", "why"),
    [
        (shape("cat", [[3, 3]], "point"), "a point of 1 points has no area"),
        (shape("cat", [[3, 3], [4, 4]]), "a polygon of 2 points has no area"),
        (shape("cat", [[3, 3], [4, 4], [9, 9]], "linestrip"), "a linestrip of 3 points has no area"),
        (shape("", [[3, 3], [4, 4]], "rectangle"), "the shape has no name"),
    ],
)
def test_what_has_no_area_or_no_name_is_left_out_and_told(tmp_path: Path, drawn: dict[str, Any], why: str) -> None:
    alone = labelled(tmp_path, [shape("dog", [[2, 2], [5, 6]], "rectangle")])
    np.testing.assert_array_equal(labelled(tmp_path, [drawn, shape("dog", [[2, 2], [5, 6]], "rectangle")]), alone)
    assert label_of(tmp_path / "a.json", SIZE, CLASSES)[1] == [(f"left out, as {why}", "a.json")]


def test_sizes_as_text_and_turned_boxes_are_read_and_shapes_far_away_are_clipped(tmp_path: Path) -> None:
    turned = [[4, 1], [8, 4], [4, 7], [0, 4]]
    label = labelled(tmp_path, [shape("cat", turned, "rotation")], imageHeight="12", imageWidth="20.0")
    np.testing.assert_array_equal(label, labelled(tmp_path, [shape("cat", turned)]))
    far = labelled(tmp_path, [shape("cat", [[-1e9, 3], [1e9, 3], [1e9, 5], [-1e9, 5]])])
    assert label_of(tmp_path / "a.json", SIZE, CLASSES)[1] == [("clipped at the edge of the picture", "a.json")]
    np.testing.assert_array_equal(far, labelled(tmp_path, [shape("cat", [[0, 3], [19, 5]], "rectangle")]))


@pytest.mark.parametrize(
    ("shapes", "header", "line"),
    [
        ([shape("cow", [[0, 0], [4, 4]], "rectangle")], {}, "names 'cow', which is not among the 2 classes"),
        ([shape("cats", [[0, 0], [4, 4]], "rectangle")], {}, "which is not among the 2 classes; did you mean 'cat'?"),
        ([shape("cat", [[0, 0], [1, 1]], "mask", mask="!")], {}, "a shape of 'cat' cannot be drawn: "),
        ([shape("cat", [[0, 0], [1, 1]], "mask", mask="aGVsbG8=")], {}, "a shape of 'cat' cannot be drawn: "),
        ([shape("cat", [[1, 2, 3]])], {}, "a shape of 'cat' cannot be drawn: "),
        ([shape("cat", [["x", 2]])], {}, "shapes[0].points[0][0]: expected a number, found 'x'"),
        ([shape("cat", [[math.nan, 2], [4, 4], [1, 9]])], {}, "NaN is no number of JSON; expected a finite one"),
        ([shape("cat", [[-1e12, 2], [4, 4], [1, 9]])], {}, "cannot be drawn: a coordinate lies 1e+12 pixels away"),
        ([shape("cat", [[1, 2, 0], [4, 4, 0], [1, 9, 0]])], {}, "cannot be drawn: its points are no pairs x, y"),
        ([shape("cat", [[[1, 2], [3, 4]]])], {}, "shapes[0].points[0][0]: expected a number"),
        ([shape("cat", [[5, 5], [6, 6]], "mask")], {}, "cannot be drawn: it is a mask without pixels"),
        ([{"label": "cat"}], {}, "shapes[0]: missing required field 'points'"),
        ([], {"shapes": None}, "shapes: expected a list, found None"),
        ([], {"imageHeight": "tall", "imageWidth": 20}, "a side of the picture is 'tall'; expected pixels"),
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
    with pytest.raises(InputError, match="its mask is 5x5, but its box 5x9"):
        labelled(tmp_path, [shape("cat", [[7, 2], [15, 6]], "mask", mask=small)])
    (tmp_path / "a.json").write_text('{"shapes": [')
    with pytest.raises(InputError, match=r"a\.json: no JSON at column 13"):
        names_in(tmp_path / "a.json")
