"""A trained segmentation method in three lines: results at the picture's own size, kept supports, saved files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sccan
from sccan.builders.ready import DEFAULT
from sccan.builders.released.trained import load_trained
from sccan.errors import InputError
from sccan.pictures.decoding import read_label
from sccan.predict import SegmentedPicture, Segmenter, Supports
from sccan.segmentation.finding.segmenting import label_map
from tests.predict.made_up import disc, little_memory

IMAGE, MASK = disc(40, 60)
OTHER, MOON = disc(50, 30, seed=1)


@pytest.fixture(scope="module")
def segmenter(segmenter_path: Path) -> Segmenter:
    return sccan.load(segmenter_path, device="cpu", batch=3)


@pytest.fixture(scope="module")
def supports() -> Supports:
    return sccan.Supports.from_arrays([IMAGE, OTHER], [MASK, MOON], classes=["disc", "moon"])


def test_one_picture_however_it_is_given_gives_one_result(
    segmenter: Segmenter, supports: Supports, photos: Path
) -> None:
    path = photos / "b.png"
    pixels = np.asarray(Image.open(path))
    found = segmenter(supports, path)
    assert isinstance(found, SegmentedPicture)
    assert (found.picture, found.path, found.class_names) == ("b.png", path, ("disc", "moon"))
    assert found.labels.shape == (60, 75)
    assert found.probabilities.shape == (2, 60, 75)
    assert found.labels.dtype == np.uint8
    np.testing.assert_array_equal(found.labels, label_map(found.probabilities))
    for other in (str(path), pixels, Image.open(path)):
        again = segmenter(supports, other)
        np.testing.assert_array_equal(again.probabilities, found.probabilities)
    assert segmenter(supports, pixels).picture == "picture 0"


def test_a_folder_gives_a_list_whatever_the_batch(segmenter: Segmenter, supports: Supports, photos: Path) -> None:
    found = segmenter(supports, photos)
    assert isinstance(found, list)
    assert [one.picture for one in found] == ["a.jpg", "b.png", "c.jpg", "more/d.jpg"]
    for one in found:
        alone = segmenter(supports, [one.path])
        np.testing.assert_allclose(alone[0].probabilities, one.probabilities, atol=1e-5)


def test_supports_are_conditioned_once_and_anew_when_they_change(segmenter: Segmenter, supports: Supports) -> None:
    known = segmenter.condition(supports)
    assert segmenter.condition(Supports.from_arrays([IMAGE, OTHER], [MASK, MOON], classes=["disc", "moon"])) is known
    fewer = segmenter.condition(Supports().add(IMAGE, MASK))
    assert len(fewer) == 1
    assert fewer is not known


def test_masks_regions_and_confidence_agree(segmenter: Segmenter, supports: Supports) -> None:
    found = segmenter(supports, IMAGE)
    total = 0
    for name, region in found.regions.items():
        assert region.pixels == found.mask(name).sum()
        assert region.share == pytest.approx(found.mask(name).mean())
        total += region.pixels
    assert total == found.mask().sum()
    assert 0 <= found.confidence <= 1
    with pytest.raises(InputError, match="there is no class 'sun'; the supports show disc, moon"):
        found.mask("sun")


def test_a_printed_result_is_one_line() -> None:
    labels = np.array([[1, 0, 0, 0, 0], [1, 0, 0, 0, 0]], np.uint8)
    maps = np.stack([labels * 0.9, labels * 0.0]).astype(np.float32)
    picture = np.zeros((2, 5, 3), np.uint8)
    found = SegmentedPicture("a.jpg", None, picture, labels, maps, ("disc", "moon"), ("moon",))
    assert repr(found) == "SegmentedPicture(a.jpg: disc 20.0 %, probably absent: moon)"
    nothing = SegmentedPicture("b.jpg", None, picture, labels * 0, maps * 0, ("disc", "moon"))
    assert repr(nothing) == "SegmentedPicture(b.jpg: nothing)"


def test_saved_files_hold_the_labels_and_the_drawing(segmenter: Segmenter, supports: Supports, tmp_path: Path) -> None:
    labels = np.zeros((40, 60), np.uint8)
    labels[5:20, 5:20], labels[25:35, 30:50] = 1, 2
    found = segmenter(supports, IMAGE)
    found = SegmentedPicture(found.picture, None, IMAGE, labels, found.probabilities, found.class_names)
    found.save(tmp_path / "mask.png", overlay=tmp_path / "drawn.png")
    np.testing.assert_array_equal(read_label(tmp_path / "mask.png"), labels)
    drawn = np.asarray(Image.open(tmp_path / "drawn.png"))
    np.testing.assert_array_equal(drawn, found.overlay())
    assert (drawn[12, 12] != drawn[30, 40]).any()
    background = np.s_[36:, :20]
    np.testing.assert_array_equal(drawn[background], IMAGE[background])
    with pytest.raises(InputError, match=r"saved as PNG, which keeps its numbers; .*mask\.jpg"):
        found.save(tmp_path / "mask.jpg")
    with pytest.raises(InputError, match=r"saved as \.jpg, \.jpeg, \.png, \.webp, not as"):
        found.save(tmp_path / "mask.png", overlay=tmp_path / "drawn.bmp")


def test_options_that_cannot_be_are_one_clear_line(segmenter_path: Path, segmenter: Segmenter, examples: Path) -> None:
    with pytest.raises(InputError, match="precision 'half' is unknown; use one of float32"):
        sccan.load(segmenter_path, precision="half")
    with pytest.raises(InputError, match="an input of 5 pixels is too small"):
        sccan.load(segmenter_path, size=5)
    with pytest.raises(InputError, match="device 'gpu' is unknown; use auto, cpu or cuda"):
        sccan.load(segmenter_path, device="gpu")
    with pytest.raises(InputError, match="--opts: unknown setting METHOD.SCAN"):
        sccan.load(segmenter_path, opts=["METHOD.SCAN.GRID", "8"])
    with pytest.raises(InputError, match="has no mask, which segmentation needs"):
        segmenter(Supports().add(IMAGE), IMAGE)


def test_size_tile_and_precision_change_what_is_computed(segmenter_path: Path, supports: Supports) -> None:
    large, _ = disc(150, 220, seed=3)
    whole = sccan.load(segmenter_path, device="cpu")
    found = {
        "size": sccan.load(segmenter_path, device="cpu", size=97),
        "tile": sccan.load(segmenter_path, device="cpu", tile=100),
        "bf16": sccan.load(segmenter_path, device="cpu", precision="bf16"),
    }
    want = whole(supports, large).probabilities
    for name, other in found.items():
        maps = other(supports, large).probabilities
        assert maps.shape == want.shape
        assert np.isfinite(maps).all()
        assert not np.array_equal(maps, want), name
    assert np.abs(found["bf16"](supports, large).probabilities - want).max() < 0.1
    assert whole.facts["size"] == 65
    assert torch.is_grad_enabled()


@pytest.mark.skipif(not DEFAULT.eyes.here, reason="the weights' package is not installed")
def test_examples_without_any_background_are_refused_where_nothing_is_trained() -> None:
    untrained, whole = sccan.load(size=64, device="cpu"), np.ones_like(MASK)
    assert isinstance(untrained, Segmenter)
    with pytest.raises(InputError, match="examples of 'disc' are marked all over, as example 0 is, and show no backg"):
        untrained.condition(Supports.from_arrays([IMAGE], [whole], classes="disc"))
    several = Supports.from_arrays([IMAGE, OTHER], [whole, MOON], classes="disc")
    assert len(untrained.condition(several)) == 1  # the other one shows some


def test_a_trained_method_takes_examples_without_background(segmenter: Segmenter) -> None:
    assert len(segmenter.condition(Supports.from_arrays([IMAGE], [np.ones_like(MASK)], classes="disc"))) == 1


@pytest.mark.parametrize("tile", [0, 40])
def test_where_memory_is_short_fewer_pictures_are_computed_together(
    segmenter_path: Path, supports: Supports, photos: Path, tile: int
) -> None:
    plenty, little = (Segmenter(load_trained(segmenter_path), device="cpu", batch=4, tile=tile) for _ in range(2))
    expected = plenty(supports, photos)
    with little_memory(little.trained.method, 2) as given:
        found = little(supports, photos)
    assert max(given) == 4
    assert given.count(4) == 1, "what did not fit is not tried again"
    assert isinstance(found, list)
    assert isinstance(expected, list)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)
    with little_memory(little.trained.method, 0), pytest.raises(torch.OutOfMemoryError):
        little(supports, photos)
