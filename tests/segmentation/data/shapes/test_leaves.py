"""Pictures for a first look: the same bytes for the same seed, and spots that the default model finds."""

from pathlib import Path

import cv2
import numpy as np

import sccan
from sccan.predict import Segmenter
from sccan.segmentation.data.shapes.leaves import MARKED, SIZE, draw_leaf, write_leaves


def test_a_folder_holds_pictures_and_one_marked_example(tmp_path: Path) -> None:
    photos, examples = write_leaves(tmp_path / "one", count=3)
    assert sorted(file.name for file in photos.iterdir()) == ["leaf_01.png", "leaf_02.png", "leaf_03.png"]
    assert sorted(file.name for file in examples.iterdir()) == [f"{MARKED}.png", f"{MARKED}_mask.png"]
    mask = cv2.imread(str(examples / f"{MARKED}_mask.png"), cv2.IMREAD_UNCHANGED)
    assert mask.shape == SIZE
    assert set(np.unique(mask)) == {0, 255}
    write_leaves(tmp_path / "two", count=3)
    for file in tmp_path.joinpath("one").rglob("*.png"):
        assert file.read_bytes() == (tmp_path / "two" / file.relative_to(tmp_path / "one")).read_bytes()


def test_spots_lie_on_leaves_of_every_place_and_light() -> None:
    drawn = [draw_leaf(np.random.default_rng([5, number])) for number in range(6)]
    shares = [spots.mean() for _, spots in drawn]
    assert min(shares) >= 0.02
    assert max(shares) < 0.25
    assert len({image.tobytes() for image, _ in drawn}) == 6
    for image, spots in drawn:
        assert image[spots].mean() < image[~spots].mean()


def test_the_spots_of_other_leaves_are_found_from_one_that_is_marked(tmp_path: Path) -> None:
    photos, examples = write_leaves(tmp_path, count=3)
    segmenter = sccan.load(device="cpu")
    assert isinstance(segmenter, Segmenter)
    supports = sccan.Supports.from_folder(examples)
    for number, found in enumerate(segmenter.each(supports, photos), start=1):
        wanted = draw_leaf(np.random.default_rng([0, number]))[1]
        mask = found.mask(supports.class_names[0])
        assert (mask & wanted).sum() / (mask | wanted).sum() > 0.6
