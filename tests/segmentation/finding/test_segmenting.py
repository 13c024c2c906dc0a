"""One's own pictures: the maps are those of an episode, at the picture's own size; classes meet in one label map."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.small import SmallResNet
from sccan.builders.segmentation.models import build_method
from sccan.episodes.episode import Episode, Features
from sccan.errors import InputError
from sccan.method import Method
from sccan.segmentation.data.transforms.published import KeepAspect, SquareResize
from sccan.segmentation.finding.segmenting import Segmenting, Shot, expected_iou, label_map, region_scores
from sccan.segmentation.methods.bam import BAM
from sccan.settings.loading import config_of
from tests.predict.made_up import SCCAN, disc
from tests.segmentation.methods.test_bam import _model as small_bam

CPU, SIZE = torch.device("cpu"), 65
TRANSFORM = KeepAspect(SIZE, multiple=1)


def _shot(height: int, width: int, seed: int, number: int = 1) -> Shot:
    image, inside = disc(height, width, seed)
    return Shot(f"shot {seed}", image, inside.astype(np.uint8) * np.uint8(number))


SHOTS = [_shot(60, 80, 0), _shot(90, 70, 1), _shot(50, 64, 2, number=2)]


@pytest.fixture(scope="module")
def method() -> Method:
    return build_method(config_of(SCCAN, "made up"), (), pretrained=False).eval()


def _by_hand(method: Method, shots: list[Shot], number: int, image: np.ndarray) -> np.ndarray:
    """Probability of the foreground, from a whole episode."""
    own = [shot for shot in shots if (shot.label == number).any()]
    masks = np.stack([TRANSFORM.label(shot.label) for shot in own])
    episode = Episode(
        torch.stack([TRANSFORM.image(shot.image) for shot in own])[None],
        torch.from_numpy(np.where(masks == 255, 255, masks == number)).long()[None],
        TRANSFORM.image(image)[None, None],
        torch.zeros(1, 1, SIZE, SIZE, dtype=torch.int64),
        torch.tensor([[number]]),
        torch.tensor([0]),
    )
    with torch.no_grad():
        logits = method(episode)[0, 0]
    rows, columns = TRANSFORM.content_size(*image.shape[:2])
    resized = F.interpolate(logits[None, :, :rows, :columns], image.shape[:2], mode="bilinear", align_corners=False)
    return resized.softmax(1)[0, 1].numpy()


def test_maps_are_those_of_an_episode_at_the_pictures_own_size(method: Method) -> None:
    task = Segmenting(method, TRANSFORM, device=CPU, batch=2)
    states = task.condition(SHOTS, ["disc", "moon"])
    images = [disc(40, 100, 7)[0], disc(120, 90, 8)[0], disc(65, 65, 9)[0]]
    found = task.foreground(images, states)
    for image, maps in zip(images, found, strict=True):
        assert maps.shape == (2, *image.shape[:2])
        for number in (1, 2):
            np.testing.assert_allclose(maps[number - 1], _by_hand(method, SHOTS, number, image), atol=2e-5)


def test_bam_with_another_number_of_shots_is_the_mean_over_shots() -> None:
    method = small_bam(n_shot=3).eval()
    task = Segmenting(method, SquareResize(49), device=CPU)
    image = disc(40, 60, 5)[0]
    pair = [_shot(60, 80, 0), _shot(90, 70, 1)]
    apart = [task.foreground([image], task.condition([shot], ["disc"]))[0] for shot in pair]
    together = task.foreground([image], task.condition(pair, ["disc"]))[0]
    np.testing.assert_allclose(together, np.mean(apart, axis=0), atol=1e-5)
    assert isinstance(task.condition([*pair, _shot(50, 64, 2)], ["disc"])[0].method, BAM)


class Brightness(Method):
    """Foreground is what is as bright as the marked pixels: an answer that depends on single pixels alone."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = SmallResNet(stem=(4, 4, 4), widths=(4, 4, 4, 4), blocks=(1, 1, 1, 1), norm_layer=nn.BatchNorm2d)

    def encode(self, images: Tensor) -> Features:
        return Features({"pixels": images}, (images.shape[-2], images.shape[-1]))

    def condition(self, support: Features, labels: Tensor) -> Tensor:
        return support.maps["pixels"].mean(2)[labels == 1].mean()

    def predict(self, query: Features, state: Tensor) -> Tensor:
        foreground = query.maps["pixels"].mean(2) - state
        return torch.stack([-foreground, foreground], dim=2)

    def loss(self, outputs: Tensor, episode: Episode) -> dict[str, Tensor]:
        return {"total": outputs.sum()}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {}


def test_tiles_of_the_networks_own_size_show_no_seam() -> None:
    rows, columns = np.mgrid[:100, :150]
    smooth = np.repeat((rows + columns)[..., None].astype(np.uint8), 3, axis=2)
    task = Segmenting(Brightness(), KeepAspect(64, multiple=1), device=CPU, tile=64, batch=3)
    exact = Segmenting(Brightness(), SquareResize(64), device=CPU)
    states = task.condition([_shot(64, 64, 0)], ["bright"])
    tiled = task.foreground([smooth], states)[0]
    # What the method says about the picture's own pixels, which it can be asked because it looks at each alone.
    pixels = exact.transform.image(smooth[:64, :64])
    value = (pixels.mean(0) - states[0].state) * 2
    np.testing.assert_allclose(tiled[0, :40, :40], value.sigmoid().numpy()[:40, :40], atol=1e-5)
    assert np.abs(np.diff(tiled[0], axis=0)).max() < 0.02
    assert np.abs(np.diff(tiled[0], axis=1)).max() < 0.02


def test_a_class_is_absent_where_nothing_like_it_is_marked() -> None:
    task = Segmenting(Brightness(), SquareResize(64), device=CPU)
    shot = _shot(64, 64, 0)
    states = task.condition([shot], ["bright"])
    found = task.segment([shot.image, np.zeros((50, 70, 3), np.uint8)], states)
    assert [one.absent for one in found] == [(False,), (True,)]
    tiled = Segmenting(Brightness(), SquareResize(64), device=CPU, tile=40)
    assert [one.absent for one in tiled.segment([shot.image], states)] == [(False,)]


def test_label_maps_by_hand() -> None:
    first = [[0.9, 0.5, 0.2], [0.6, 0.7, 0.0]]
    second = [[0.8, 0.4, 0.51], [0.6, 0.9, 0.1]]
    labels = label_map(np.array([first, second], np.float32))
    # 0.5 does not win over the background; where classes are equal, the first is taken.
    np.testing.assert_array_equal(labels, [[1, 0, 2], [1, 2, 0]])


def test_confidence_is_the_expected_iou() -> None:
    probability = np.array([[0.9, 0.7], [0.4, 0.0]])
    region = probability > 0.5
    assert expected_iou(probability, region) == pytest.approx(1.6 / 2.4)
    assert expected_iou(region.astype(float), region) == 1
    assert expected_iou(probability, np.zeros_like(region)) == 0
    scores = region_scores(np.array([probability, probability / 2]), region.astype(np.uint8), ["disc", "moon"])
    assert (scores["disc"].pixels, scores["disc"].share) == (2, 0.5)
    assert scores["disc"].probability == pytest.approx(0.8)
    assert (scores["moon"].pixels, scores["moon"].probability, scores["moon"].confidence) == (0, None, 0)


def test_what_cannot_be_segmented_is_one_clear_line(method: Method) -> None:
    task = Segmenting(method, TRANSFORM, device=CPU)
    with pytest.raises(InputError, match="no example shows 'sun'; mark it in at least one picture"):
        task.condition(SHOTS, ["disc", "moon", "sun"])
    speck = Shot("speck", SHOTS[0].image.repeat(8, axis=0).repeat(8, axis=1), np.zeros((480, 640), np.uint8))
    speck.label[101, 101] = 1
    with pytest.raises(InputError, match="the disc in example speck is too small"):
        task.condition([speck], ["disc"])
    with pytest.raises(InputError, match="tiles of 20 pixels are too small"):
        Segmenting(method, TRANSFORM, device=CPU, tile=20)
    with pytest.raises(InputError, match="a batch of 0 pictures"):
        Segmenting(method, TRANSFORM, device=CPU, batch=0)
