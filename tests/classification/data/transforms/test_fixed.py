"""Fixed transforms against torchvision's on Pillow pictures, and what is refused."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from sccan.classification.data.transforms.fixed import CONSTANTS, FixedTransform, constant, planes
from sccan.errors import InputError
from tests.classification.made_up import noise_picture


def test_a_picture_of_the_right_size_is_only_normalised() -> None:
    picture = noise_picture(20, 24)
    mean, deviation = (np.array(values, np.float32) for values in CONSTANTS["imagenet"])
    want = (picture.astype(np.float32) / 255 - mean) / deviation
    got = FixedTransform((20, 24))(picture)
    assert got.is_contiguous()
    torch.testing.assert_close(got, torch.from_numpy(want).permute(2, 0, 1))


@pytest.mark.parametrize("name", ["bicubic", "bilinear"])
def test_resize_and_centre_crop_are_those_of_torchvision_on_pillow_pictures(name: str) -> None:
    picture = noise_picture(40, 31)
    chain = v2.Compose([v2.Resize((27, 29), v2.InterpolationMode(name)), v2.CenterCrop((20, 24))])
    want = np.asarray(chain(Image.fromarray(picture)))
    assert np.array_equal(FixedTransform((20, 24), resize=(27, 29), filter=name).pixels(picture), want)


@pytest.mark.parametrize(("height", "width"), [(40, 31), (31, 47), (33, 33)])
def test_one_number_resizes_the_shorter_side_and_keeps_the_aspect(height: int, width: int) -> None:
    picture = noise_picture(height, width)
    chain = v2.Compose([v2.Resize(27, v2.InterpolationMode.BILINEAR), v2.CenterCrop((20, 24))])
    want = np.asarray(chain(Image.fromarray(picture)))
    assert np.array_equal(FixedTransform((20, 24), resize=(27,), filter="bilinear").pixels(picture), want)


def test_the_middle_square_is_cut_out_with_the_published_offset() -> None:
    picture = noise_picture(21, 36)  # 36 // 2 - 21 // 2 = 8
    got = FixedTransform((21, 21), square=True).pixels(picture)
    assert np.array_equal(got, picture[:, 8:29])


def test_channels_can_be_swapped() -> None:
    picture = noise_picture(20, 24)
    plain, swapped = FixedTransform((20, 24)), FixedTransform((20, 24), channels="bgr")
    assert np.array_equal(swapped.pixels(picture)[..., 0], plain.pixels(picture)[..., 2])
    torch.testing.assert_close(swapped(picture), plain(np.ascontiguousarray(picture[..., ::-1])))
    assert planes([swapped.pixels(picture)] * 2).shape == (2, 3, 20, 24)


def test_normalising_leaves_the_bytes_alone_and_makes_its_constants_once() -> None:
    pixels = planes([noise_picture(20, 24)])
    before = pixels.clone()
    FixedTransform((20, 24)).normalize(pixels)
    FixedTransform((20, 24)).normalize(levels := pixels.float())
    assert torch.equal(pixels, before)
    assert torch.equal(levels, before.float())
    with torch.inference_mode():
        first = constant((0.25, 0.5), torch.device("cpu"))
    assert first is constant((0.25, 0.5), torch.device("cpu"))
    assert not first.is_inference()


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"filter": "bicubc"}, "did you mean 'bicubic'"),
        ({"channels": "gbr"}, "CHANNELS is 'gbr'"),
        ({"constants": "imagnet"}, "did you mean 'imagenet'"),
        ({"resize": (90, 80)}, "RESIZE .* is smaller than PICTURE.SIZE"),
        ({"resize": (83,)}, "RESIZE .* is smaller than PICTURE.SIZE"),
        ({"resize": (90, 90, 3)}, "expected height and width, or one number"),
    ],
)
def test_unfit_settings_are_refused(settings: dict[str, object], line: str) -> None:
    with pytest.raises(InputError, match=line):
        FixedTransform(**settings)
