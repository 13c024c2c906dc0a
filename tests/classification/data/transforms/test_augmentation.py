"""Random transforms of batches against the same transforms of one picture at a time."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode

from sccan.classification.data.transforms.augmentation import BOX, ERASED, FLIPPED, Augmentation
from sccan.classification.data.transforms.fixed import FixedTransform, planes
from sccan.errors import InputError
from tests.classification.data.one_by_one import augmented_picture
from tests.classification.made_up import noise_picture

FIXED = FixedTransform((20, 24))
SYNCHRONISING = ("_local_scalar_dense", "nonzero", "masked_select", "lift_fresh", "unique", "is_nonzero", "equal")
"""Operations that wait for a device, or bring numbers to it from memory that is not page-locked."""


def _draw(augmentation: Augmentation, size: tuple[int, int], count: int = 30, seed: int = 5) -> torch.Tensor:
    sizes = np.broadcast_to(size, (1, count, 2))
    return augmentation.draw(sizes, FIXED.size, [np.random.default_rng(seed)])[0]


class _Recorder(TorchDispatchMode):
    """Names of all operations."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.names.add(function.overloadpacket.__name__)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("jitter", [0.0, 0.4])
def test_a_batch_is_augmented_as_its_pictures_would_be_one_by_one(jitter: float) -> None:
    pictures = [noise_picture(26, 29, seed) for seed in range(30)]
    augmentation = Augmentation(pad=3, jitter=jitter)
    drawn = _draw(augmentation, (26, 29))
    assert set(drawn[:, FLIPPED].tolist()) == {0, 1}
    assert bool((drawn[:, ERASED] > 0).any())
    assert (int(drawn[:, 0].min()), int(drawn[:, 0].max())) == (-3, 9)  # 26 - 20 + 3
    assert int(drawn[:, 1].max()) > 5
    got = augmentation.apply(planes(pictures), drawn, FIXED)
    for image, picture, row in zip(got, pictures, drawn.tolist(), strict=True):
        assert row[BOX][2:] == [20, 24]
        want = augmented_picture(picture, row, augmentation, FIXED)
        assert float((image - want).abs().max()) < (0.02 if jitter else 1e-6)  # 0.02: one level


def test_resized_crops_of_a_batch_and_of_single_pictures_are_the_same_part() -> None:
    pictures = [noise_picture(60, 50, seed) for seed in range(8)]
    augmentation = Augmentation(crop="resized", erase=0)
    drawn = _draw(augmentation, (60, 50), 8)
    got = augmentation.apply(planes(pictures), drawn, FIXED)
    for image, picture, row in zip(got, pictures, drawn.tolist(), strict=True):
        cut = augmentation.cut(picture, row[BOX], FIXED)
        top, left, height, width = row[BOX]
        want = Image.fromarray(picture).crop((left, top, left + width, top + height))
        assert np.array_equal(cut, np.asarray(want.resize((24, 20), Image.Resampling.BICUBIC)))
        near = FIXED(cut[:, ::-1].copy() if row[FLIPPED] else cut)
        assert float((image - near).abs().mean()) < 0.01


def test_nothing_random_leaves_the_fixed_transform() -> None:
    pictures = [noise_picture(20, 24, seed) for seed in range(3)]
    still = Augmentation(pad=0, flip=0, erase=0)
    got = still.apply(planes(pictures), _draw(still, (20, 24), 3), FIXED)
    torch.testing.assert_close(got, torch.stack([FIXED(picture) for picture in pictures]))


def test_numbers_of_an_episode_do_not_depend_on_the_episodes_beside_it() -> None:
    augmentation = Augmentation(crop="resized", jitter=0.4)
    sizes = np.broadcast_to((40, 30), (6, 50, 2))
    together = augmentation.draw(sizes, (20, 24), [np.random.default_rng(seed) for seed in range(6)])
    for seed in range(6):
        alone = augmentation.draw(sizes[:1], (20, 24), [np.random.default_rng(seed)])
        assert torch.equal(together[seed], alone[0])


@pytest.mark.parametrize("crop", ["padded", "resized"])
def test_applying_never_waits_for_the_device(crop: str) -> None:
    augmentation = Augmentation(crop=crop, pad=3, jitter=0.4)
    pixels = planes([noise_picture(26, 29, seed) for seed in range(4)])
    drawn = _draw(augmentation, (26, 29), 4)
    augmentation.apply(pixels, drawn, FIXED)  # brings the constants to the device, once
    with _Recorder() as recorder:
        augmentation.apply(pixels, drawn, FIXED)
    assert "floor_" in recorder.names
    assert not recorder.names & set(SYNCHRONISING)
    with _Recorder() as recorder:
        torch.tensor([1.0, 2.0]).max().item()
    assert recorder.names & set(SYNCHRONISING)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"crop": "resize"}, "did you mean 'resized'"),
        ({"scale": (0.5, 1.5)}, "SCALE is .* at most 1"),
        ({"scale": (0.8, 0.5)}, "SCALE is"),
        ({"pad": -1}, "PAD is -1"),
        ({"erase_fill": (0.0,)}, "ERASE_FILL is .* one value per channel"),
        ({"jitter": -0.1}, "JITTER is -0.1"),
    ],
)
def test_unfit_settings_are_refused(settings: dict[str, object], line: str) -> None:
    with pytest.raises(InputError, match=line):
        Augmentation(**settings)
