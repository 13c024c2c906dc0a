"""Pixel facts of what is drawn onto pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from sccan.report import pictures as p

GREY = np.full((40, 60, 3), 100, np.uint8)


def block(top: int, left: int, height: int, width: int, value: int = 1) -> np.ndarray:
    mask = np.zeros((40, 60), np.uint8)
    mask[top : top + height, left : left + width] = value
    return mask


def test_overlay_tints_the_inside_outlines_the_border_and_leaves_the_rest() -> None:
    drawn = p.overlay(GREY, block(10, 20, 12, 16), p.SUPPORT, opacity=0.5)
    assert drawn[15, 28].tolist() == [(100 + c) // 2 if (100 + c) % 2 == 0 else round((100 + c) / 2) for c in p.SUPPORT]
    assert drawn[10, 28].tolist() == list(p.SUPPORT)  # the line lies inside the mask
    assert drawn[15, 20].tolist() == list(p.SUPPORT)
    assert drawn[9, 28].max() < 50  # its dark rim outside
    assert (drawn[:5] == 100).all()
    assert (drawn[:, 45:] == 100).all()
    assert (GREY == 100).all()  # the picture that was handed in is not written to


@pytest.mark.parametrize("background", [(0, 0, 0), (255, 255, 255), p.TRUTH])
def test_outline_shows_on_any_background(background: tuple[int, int, int]) -> None:
    image = np.full((40, 60, 3), background, np.uint8)
    drawn = p.overlay(image, block(10, 20, 12, 16), p.TRUTH).astype(int)
    line, rim = drawn[10, 28], drawn[9, 28]
    assert np.abs(line - rim).sum() > 200


def test_a_mask_that_touches_the_edge_is_not_closed_along_it() -> None:
    drawn = p.overlay(GREY, block(0, 0, 40, 30), p.SUPPORT)
    assert drawn[0, 10].tolist() == drawn[20, 10].tolist() != list(p.SUPPORT)
    assert drawn[20, 29].tolist() == list(p.SUPPORT)


def test_ignored_pixels_are_hatched_in_grey() -> None:
    image = np.full((40, 60, 3), (200, 20, 20), np.uint8)
    drawn = p.overlay(image, block(10, 20, 20, 30, 255), p.SUPPORT)
    inside = drawn[10:30, 20:50].reshape(-1, 3)
    changed = (inside != (200, 20, 20)).any(1)
    assert changed.mean() == pytest.approx(0.5, abs=0.1)
    assert np.ptp(inside[changed].astype(int), axis=1).max() < 60  # nearly grey
    outside = np.ones((40, 60), bool)
    outside[10:30, 20:50] = False
    assert (drawn[outside] == (200, 20, 20)).all()


def test_errors_tell_hits_false_alarms_misses_and_ignored_pixels_apart() -> None:
    truth, prediction = block(5, 5, 30, 30), block(5, 20, 30, 35)
    truth[5:35, 45:55] = 255
    drawn = p.errors(GREY, prediction, truth, opacity=0.6)

    def blend(colour: tuple[int, int, int]) -> list[int]:
        return [round(0.4 * 100 + 0.6 * c) for c in colour]

    assert drawn[20, 27].tolist() == blend(p.HIT)
    assert drawn[20, 40].tolist() == blend(p.FALSE_ALARM)
    missed = drawn[10:30, 8:18].reshape(-1, 3).astype(int)
    assert len(np.unique(missed, axis=0)) == 2  # hatched
    assert (missed[:, 2] < 100).all()  # both are yellowish
    ignored = drawn[10:30, 46:54].reshape(-1, 3)
    assert len(np.unique(ignored, axis=0)) == 2
    assert np.ptp(ignored.astype(int), axis=1).max() == 0  # grey on grey: no false alarm where nothing counts
    assert (drawn[:3] == 100).all()


def test_heat_map_runs_from_dark_to_bright_and_takes_the_size_of_the_picture() -> None:
    values = np.linspace(0, 1, 12, dtype=np.float32).reshape(1, 12).repeat(4, 0)
    brightness = p.heat_map(values).astype(float).sum(2)[0]
    assert (np.diff(brightness) > 0).all()
    over = p.heat_map(values, GREY)
    assert over.shape == GREY.shape
    assert over[20, 58].sum() > over[20, 2].sum() + 150


def test_sizes_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"mask \(60, 40\) and picture \(40, 60\) differ in size"):
        p.overlay(GREY, block(0, 0, 1, 1).T, p.SUPPORT)
    with pytest.raises(ValueError, match="a picture is uint8"):
        p.overlay(GREY.astype(np.float32), block(0, 0, 1, 1), p.SUPPORT)
    with pytest.raises(ValueError, match=r"values \[h, w\]"):
        p.heat_map(np.zeros((1, 4, 4)))


def test_resized_masks_keep_their_values_and_pictures_their_mean() -> None:
    mask = block(10, 20, 12, 16)
    mask[:5] = 255
    for size in ((80, 90), (13, 31)):
        assert set(np.unique(p.resize_mask(mask, size))) == {0, 1, 255}
        assert p.resize_mask(mask, size).shape == size
        assert p.resize_image(GREY, size).shape == (*size, 3)
    checks = np.indices((40, 60)).sum(0) % 2 * np.uint8(200)
    assert abs(p.resize_image(np.stack([checks] * 3, -1).astype(np.uint8), (20, 30)).mean() - 100) < 1


def test_encoded_pictures_can_be_read_again() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    assert (np.asarray(Image.open(io.BytesIO(p.encode(image)))) == image).all()
    webp = Image.open(io.BytesIO(p.encode(GREY, "webp")))
    assert webp.format == "WEBP"
    assert webp.size == (60, 40)


def test_colours_stay_apart_for_colour_blind_readers() -> None:
    """Hit, false alarm and missed under simulated deuteranopia and protanopia (Vienot et al. 1999, linear RGB)."""
    deuteranopia = np.array([[0.29275, 0.70725, 0.0], [0.29275, 0.70725, 0.0], [-0.02234, 0.02234, 1.0]])
    protanopia = np.array([[0.11238, 0.88762, 0.0], [0.11238, 0.88762, 0.0], [0.00401, -0.00401, 1.0]])
    for matrix in (np.eye(3), deuteranopia, protanopia):
        seen = [
            np.clip(matrix @ (np.array(c) / 255) ** 2.2, 0, 1) ** (1 / 2.2) for c in (p.HIT, p.FALSE_ALARM, p.MISSED)
        ]
        for first in range(3):
            for second in range(first):
                assert np.linalg.norm(seen[first] - seen[second]) > 0.25
