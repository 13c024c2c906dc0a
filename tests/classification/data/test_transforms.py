"""Fixed transforms, and random ones on batches against one picture at a time."""

import random

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from sccan.classification.data.transforms import (
    CONSTANTS,
    ERASE_FILL,
    Augmentation,
    FixedTransform,
    erasing_box,
    stack_pixels,
)
from sccan.errors import InputError


def _picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_picture_of_the_right_size_is_only_normalised() -> None:
    picture = _picture(20, 24)
    mean, deviation = (np.array(values, np.float32) for values in CONSTANTS["imagenet"])
    want = (picture.astype(np.float32) / 255 - mean) / deviation
    got = FixedTransform((20, 24))(picture)
    assert got.is_contiguous()
    torch.testing.assert_close(got, torch.from_numpy(want).permute(2, 0, 1))


@pytest.mark.parametrize("name", ["bicubic", "bilinear"])
def test_resize_and_centre_crop_are_those_of_torchvision_on_pillow_pictures(name: str) -> None:
    from PIL import Image

    picture = _picture(40, 31)
    chain = v2.Compose([v2.Resize((27, 29), v2.InterpolationMode(name)), v2.CenterCrop((20, 24))])
    want = np.asarray(chain(Image.fromarray(picture)))
    assert np.array_equal(FixedTransform((20, 24), resize=(27, 29), filter=name).pixels(picture), want)


def test_channels_can_be_swapped() -> None:
    picture = _picture(20, 24)
    plain, swapped = FixedTransform((20, 24)), FixedTransform((20, 24), channels="bgr")
    assert np.array_equal(swapped.pixels(picture)[..., 0], plain.pixels(picture)[..., 2])
    torch.testing.assert_close(swapped(picture), plain(np.ascontiguousarray(picture[..., ::-1])))
    assert stack_pixels([picture, picture], swapped).shape == (2, 20, 24, 3)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"filter": "bicubc"}, "did you mean 'bicubic'"),
        ({"channels": "gbr"}, "CHANNELS is 'gbr'"),
        ({"constants": "imagnet"}, "did you mean 'imagenet'"),
        ({"resize": (90, 80)}, "RESIZE .* is smaller than PICTURE.SIZE"),
    ],
)
def test_unfit_settings_are_refused(settings: dict[str, object], line: str) -> None:
    with pytest.raises(InputError, match=line):
        FixedTransform(**settings)


def test_a_batch_is_augmented_as_its_pictures_would_be_one_by_one() -> None:
    pictures = [_picture(20, 24, seed) for seed in range(30)]
    fixed, augmentation = FixedTransform((20, 24)), Augmentation(pad=3)
    drawn = augmentation.draw((20, 24), 30, random.Random(5))
    assert set(drawn[:, 2].tolist()) == {0, 1}
    assert bool((drawn[:, 5] > 0).any())
    assert bool((drawn[:, 5] == 0).any())
    got = augmentation.apply(stack_pixels(pictures, fixed), drawn, fixed)
    for number, (picture, numbers) in enumerate(zip(pictures, drawn.tolist(), strict=True)):
        row, column, flipped, top, left, height, width = numbers
        padded = np.pad(picture, ((3, 3), (3, 3), (0, 0)))[row : row + 20, column : column + 24]
        want = fixed(padded[:, ::-1].copy() if flipped else padded)
        want[:, top : top + height, left : left + width] = torch.tensor(ERASE_FILL).view(3, 1, 1)
        torch.testing.assert_close(got[number], want)


def test_nothing_random_leaves_the_fixed_transform() -> None:
    pictures = [_picture(20, 24, seed) for seed in range(3)]
    fixed, augmentation = FixedTransform((20, 24)), Augmentation(pad=0, flip=0, erase=0)
    drawn = augmentation.draw((20, 24), 3, random.Random(0))
    got = augmentation.apply(stack_pixels(pictures, fixed), drawn, fixed)
    torch.testing.assert_close(got, torch.stack([fixed(picture) for picture in pictures]))


def test_erased_rectangles_have_the_published_areas_and_lie_inside() -> None:
    generator = random.Random(0)
    boxes = np.array([erasing_box(generator, (84, 60), 1.0) for _ in range(2000)])
    area = boxes[:, 2] * boxes[:, 3] / (84 * 60)
    assert area.min() > 0.015
    assert area.max() < 0.42
    assert ((boxes[:, 0] + boxes[:, 2] <= 84) & (boxes[:, 1] + boxes[:, 3] <= 60)).all()
    assert boxes[:, 0].min() == 0
    assert (boxes[:, 0] + boxes[:, 2]).max() == 84
    erased = np.mean([erasing_box(generator, (84, 60))[2] > 0 for _ in range(2000)])
    assert 0.46 < erased < 0.54
