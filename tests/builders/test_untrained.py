"""Models that need no training: the default one, other settings of it, and what is none."""

import numpy as np
import pytest

import sccan
from sccan.backbones.packaged import PACKAGES
from sccan.builders.released.untrained import DEFAULT, untrained
from sccan.errors import InputError
from sccan.predict import Segmenter

SETTINGS = dict(zip(DEFAULT[::2], DEFAULT[1::2], strict=True))
pytestmark = pytest.mark.skipif(
    not next(package.installed for package in PACKAGES.values() if package.model == SETTINGS["BACKBONE.TIMM.MODEL"]),
    reason="the weights' package is not installed",
)


def _scene(left: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A striped disc on noise, and its mask."""
    rng, (rows, columns) = np.random.default_rng(seed), np.mgrid[:150, :200]
    mask = (rows - 75) ** 2 + (columns - left) ** 2 < 40**2
    image = np.repeat(rng.integers(80, 120, (150, 200, 1)), 3, axis=2)
    image[mask] = np.where((columns[mask] + rows[mask])[:, None] % 12 < 6, (200, 60, 30), (240, 220, 60))
    return image.astype(np.uint8), mask


def test_without_a_name_a_model_that_needs_no_training_finds_the_object() -> None:
    segmenter = sccan.load(device="cpu")
    assert isinstance(segmenter, Segmenter)
    assert "nothing of it was trained here" in segmenter.trained.note
    assert segmenter.facts["model"] == "packaged"
    assert len(str(segmenter.facts["model_digest"])) == 16
    (image, mask), (other, wanted) = _scene(60, 0), _scene(130, 1)
    result = segmenter(sccan.Supports().add(image, mask, "disc"), other)
    found = result.mask("disc")  # type: ignore[union-attr]
    assert (found & wanted).sum() / (found | wanted).sum() > 0.8


def test_settings_of_it_can_be_replaced() -> None:
    built = untrained(DEFAULT, ("METHOD.GUIDED_DENSITY.SIGMA", "0.1", "TEST.SIZE", "64"))
    assert built.cfg.METHOD.GUIDED_DENSITY.SIGMA == 0.1
    assert not any(parameter.requires_grad for parameter in built.method.parameters())


def test_a_method_that_has_to_be_trained_is_refused() -> None:
    with pytest.raises(InputError, match=r"METHOD\.NAME is 'sccan', which has to be trained; name its run folder"):
        sccan.load(opts=["METHOD.NAME", "sccan"])
