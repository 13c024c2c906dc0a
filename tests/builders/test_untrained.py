"""Models that need no training: the default one, other settings of it, and what is none."""

import numpy as np
import pytest

import sccan
from sccan.builders.released.untrained import TAKEN, untrained
from sccan.errors import InputError
from sccan.predict import Classifier, Segmenter


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
    built = untrained(TAKEN["segment"], ("METHOD.GUIDED_DENSITY.SIGMA", "0.1", "TEST.SIZE", "64"))
    assert built.cfg.METHOD.GUIDED_DENSITY.SIGMA == 0.1
    assert not any(parameter.requires_grad for parameter in built.method.parameters())


def test_a_method_that_has_to_be_trained_is_refused() -> None:
    with pytest.raises(InputError, match=r"METHOD\.NAME is 'sccan', which has to be trained; name its run folder"):
        sccan.load(opts=["METHOD.NAME", "sccan"])


def test_another_name_tells_pictures_apart() -> None:
    classifier = sccan.load("classify", device="cpu")
    assert isinstance(classifier, Classifier)
    supports = sccan.Supports()
    for name, colour in (("red", (220, 40, 40)), ("blue", (40, 40, 220))):
        supports.add(np.full((60, 80, 3), colour, np.uint8), class_name=name)
    found = classifier(supports, [np.full((50, 70, 3), colour, np.uint8) for colour in ((200, 60, 50), (60, 50, 200))])
    assert [one.name for one in found] == ["red", "blue"]  # type: ignore[union-attr]


def test_unknown_names_are_told_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no model insid3-dino2-small; .* sccan models lists.*insid3-dinov2-small"):
        sccan.load("insid3-dino2-small")
