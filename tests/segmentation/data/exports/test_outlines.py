"""Polygons fill to the pixels that they were made of, with the rasterisers of the tools that read them."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from sccan.segmentation.data.exports.outlines import parts_of, polygons_along_cracks, polygons_through_middles

REGIONS = arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))
RING = np.array([list(row) for row in ("#####..", "#...#.#", "#.#.##.", "#...#.#", "#####..")]) == "#"
"""A hole with an island, and pixels that touch at corners alone."""


def _opencv(polygons: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    canvas = np.zeros(size, np.uint8)
    for points in polygons:
        cv2.fillPoly(canvas, [points.astype(np.int32)], 1)
    return canvas > 0


def _pillow(polygons: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    canvas = Image.new("1", size[::-1])
    pen = ImageDraw.Draw(canvas)
    for points in polygons:
        pen.polygon([tuple(point) for point in points.tolist()], outline=1, fill=1)
    return np.array(canvas)


def _coco(polygons: list[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    if not polygons:
        return np.zeros(size, bool)
    flat = [points.astype(float).ravel().tolist() for points in polygons]
    return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(flat, *size))) > 0


@given(REGIONS)
def test_polygons_through_middles_fill_to_the_region_with_opencv_and_pillow(region: np.ndarray) -> None:
    polygons = polygons_through_middles(region)
    np.testing.assert_array_equal(_opencv(polygons, region.shape), region)
    np.testing.assert_array_equal(_pillow(polygons, region.shape), region)


@given(REGIONS)
def test_polygons_along_cracks_fill_to_the_region_with_coco(region: np.ndarray) -> None:
    np.testing.assert_array_equal(_coco(polygons_along_cracks(region), region.shape), region)


def test_a_large_region_with_many_holes() -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(0).random((211, 310)).astype(np.float32), (0, 0), 2.5)
    region = noise > np.quantile(noise, 0.35)
    np.testing.assert_array_equal(_opencv(polygons_through_middles(region), region.shape), region)
    np.testing.assert_array_equal(_coco(polygons_along_cracks(region), region.shape), region)


def test_one_polygon_per_part_holes_and_all() -> None:
    assert len(polygons_through_middles(RING)) == len(list(parts_of(RING))) == 2
    assert len(polygons_along_cracks(RING)) == 4  # corners join nothing here
    assert [int(part.sum()) for part in parts_of(RING)] == [19, 1]


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (3, 1)])
def test_the_thinnest_regions_are_polygons_of_three_corners(size: tuple[int, int]) -> None:
    region = np.zeros((5, 6), bool)
    region[1 : 1 + size[0], 1 : 1 + size[1]] = True
    [points] = polygons_through_middles(region)
    assert len(points) == 3
    np.testing.assert_array_equal(_opencv([points], region.shape), region)


def test_corners_alone_are_kept() -> None:
    [points] = polygons_along_cracks(np.ones((4, 7), bool))
    assert sorted(map(tuple, points.tolist())) == [(0, 0), (0, 4), (7, 0), (7, 4)]
