"""The label variants on annotations worked out by hand; run-length codes; refusals."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from sccan.errors import InputError
from sccan.segmentation.data.annotations.coco_labels import VARIANTS, LabelTask, make_label, paint, region_of
from sccan.segmentation.data.annotations.instances import read_instances
from tests.segmentation.data.prepare.made_up import annotation, square

SIZE = (12, 20)
NUMBERS = {1: 1, 2: 2, 90: 80}
RUN = {"counts": [0, 24, 12 * 20 - 24], "size": list(SIZE)}  # the two leftmost columns, column by column


def in_every_variant(annotations: list[dict]) -> dict[str, np.ndarray]:
    return {name: paint(annotations, SIZE, NUMBERS, variant) for name, variant in VARIANTS.items()}


def test_compatible_takes_the_first_polygon_truncated_with_its_contour() -> None:
    two = annotation(1, 1, 90, [square(3.9, 2.9, 4.0), square(12, 2, 4)], 32)
    labels = in_every_variant([two])
    by_hand = np.zeros(SIZE, np.uint8)
    by_hand[2:7, 3:8] = 80  # corners 3.9, 7.9 and 2.9, 6.9 become 3, 7 and 2, 6; both ends are filled
    np.testing.assert_array_equal(labels["compatible"], by_hand)
    by_hand = np.zeros(SIZE, np.uint8)
    by_hand[3:7, 4:8] = 80  # COCO's rasteriser: pixels whose middle lies inside
    by_hand[2:6, 12:16] = 80
    np.testing.assert_array_equal(labels["full"], by_hand)
    np.testing.assert_array_equal(labels["layered"], by_hand)


def test_a_crowd_is_background_or_ignored_but_never_above_an_instance() -> None:
    crowd = annotation(1, 1, 1, RUN, 24, crowd=1)
    person = annotation(2, 1, 1, [square(1, 0, 6)], 36)
    for order in ([crowd, person], [person, crowd]):
        labels = in_every_variant(order)
        assert 255 not in labels["compatible"]
        for name in ("full", "layered"):
            assert (labels[name][:, 0] == 255).all()
            assert labels[name][3, 1] == 1
            assert labels[name][11, 1] == 255


def test_a_crowd_that_is_ignored_is_told() -> None:
    notes: list = []
    paint([annotation(7, 1, 1, RUN, 24, crowd=1)], SIZE, NUMBERS, VARIANTS["layered"], notes)
    assert notes == [("ignored where they mark a crowd", "annotation 7")]


def test_the_order_of_painting() -> None:
    small = annotation(1, 1, 1, [square(6, 4, 3)], 9)
    large = annotation(2, 1, 2, [square(4, 2, 8)], 64)
    labels = in_every_variant([small, large])
    assert labels["compatible"][5, 7] == labels["full"][5, 7] == 2  # the later one covers
    assert labels["layered"][5, 7] == 1  # the smaller one covers
    assert in_every_variant([large, small])["full"][5, 7] == 1


def test_categories_that_are_no_class_are_left_out() -> None:
    assert not in_every_variant([annotation(1, 1, 77, [square(2, 2, 6)], 36)])["full"].any()


def test_run_length_codes_plain_and_compressed_and_polygons_agree_with_a_mask() -> None:
    mask = np.zeros(SIZE, bool)
    mask[3:9, 5:17] = True
    compressed = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    as_text = {"size": list(SIZE), "counts": compressed["counts"].decode()}
    np.testing.assert_array_equal(region_of(as_text, SIZE), mask)
    np.testing.assert_array_equal(region_of([[5, 3, 17, 3, 17, 9, 5, 9]], SIZE), mask)
    left = np.zeros(SIZE, bool)
    left[:, :2] = True
    np.testing.assert_array_equal(region_of(RUN, SIZE), left)


def test_polygons_of_two_corners_have_no_pixels_for_cocos_rasteriser() -> None:
    assert not region_of([[2, 2, 8, 8]], SIZE).any()
    np.testing.assert_array_equal(region_of([[2, 2, 8, 8], square(4, 3, 5)], SIZE), region_of([square(4, 3, 5)], SIZE))


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ({"counts": [0, 4], "size": [2, 2]}, r"a run-length code is for \[2, 2\], the picture is \[12, 20\]"),
        ([[1, 2, 3]], "a polygon has 3 coordinates; expected pairs x, y"),
        ([], "it has no polygon"),
        ("text", ""),
    ],
)
@pytest.mark.parametrize("variant", ["compatible", "full"])
def test_an_annotation_that_cannot_be_drawn_names_its_picture(
    tmp_path: Path, segmentation: object, reason: str, variant: str
) -> None:
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 12, "width": 20}],
        "annotations": [annotation(1, 1, 1, segmentation, 4)],
        "categories": [{"id": 1, "name": "person"}],
    }
    source = tmp_path / "instances.json"
    source.write_text(json.dumps(content))
    (picture,) = read_instances(source).pictures()
    task = LabelTask(source, picture, variant, NUMBERS, tmp_path / "a.png")
    line = rf"{re.escape(str(source))}: an annotation of a\.jpg cannot be drawn: .*{reason}"
    with pytest.raises(InputError, match=line):
        make_label(task)
    assert not (tmp_path / "a.png").exists()
