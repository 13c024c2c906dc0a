"""One's own pictures: any number of ways and shots that differ from way to way, also where a method fine-tunes."""

import pytest
import torch

from sccan.builders.classification.data import build_classifier
from sccan.episodes.episode import Features
from sccan.method import Method
from sccan.settings.loading import load_config

FINE_TUNED = {"cecnet": ("METHOD.CECNET.FINE_TUNING", "True"), "spatialformer": ()}
BARE = {"amtnet": (), "cecnet": (), "patchproto": (), "tsf": (), "can": (), "dmf": ("METHOD.DMF.GROUPS", "4")}
BARE["spatialformer"] = ("METHOD.SPATIALFORMER.NOVEL_TASK", "False")
SINGLE = [name for name in BARE if name != "amtnet"]  # AMTNet's predictions are probabilities among all ways
SMALL = """BACKBONE.RESNET12.STEM 4 BACKBONE.RESNET12.WIDTHS (4,4,6,8) PICTURE.SIZE (20,20)
    METHOD.SPATIALFORMER.TUNING_STEPS 5 METHOD.CECNET.TUNING_STEPS 5""".split()


def _method(name: str, options: tuple[str, ...]) -> Method:
    cfg = load_config("config/cifar_fs/tsf_resnet12_5w1s.yaml", [*SMALL, "METHOD.NAME", name, *options])
    return build_classifier(cfg, 7).eval()


@torch.no_grad()
def _scores(method: Method, images: torch.Tensor, ways: list[int], queries: torch.Tensor) -> torch.Tensor:
    """[Q, N] by the three verbs."""
    known: Features = method.encode(images).view(1, len(images))
    state = method.condition(known, torch.tensor([ways]))
    return method.predict(method.encode(queries).view(1, len(queries)), state)[0]


@pytest.fixture
def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(7, 3, 20, 20, generator=generator), torch.randn(3, 3, 20, 20, generator=generator)


WAYS = [[0, 0, 0, 0, 1, 1, 1], [3, 0, 0, 2, 1, 2, 0], [6, 2, 4, 0, 1, 5, 3]]


@pytest.mark.parametrize("ways", WAYS)
@pytest.mark.parametrize(("name", "options"), [*BARE.items(), *FINE_TUNED.items()])
def test_any_ways_and_unequal_shots_in_any_order(
    name: str, options: tuple[str, ...], ways: list[int], pictures: tuple[torch.Tensor, torch.Tensor]
) -> None:
    method, (images, queries) = _method(name, options), pictures
    found = _scores(method, images, ways, queries)
    assert found.shape == (3, max(ways) + 1)
    assert torch.isfinite(found).all()
    order = [4, 1, 6, 0, 2, 5, 3]
    again = _scores(method, images[order], [ways[n] for n in order], queries)
    torch.testing.assert_close(again, found, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "options"), BARE.items())
def test_a_class_counts_its_shots_by_itself(
    name: str, options: tuple[str, ...], pictures: tuple[torch.Tensor, torch.Tensor]
) -> None:
    method, (images, queries) = _method(name, options), pictures
    ways = [0, 0, 0, 1, 1, 2, 3]
    found = _scores(method, images, ways, queries)
    doubled = _scores(method, torch.cat([images, images[:3]]), [*ways, 0, 0, 0], queries)
    torch.testing.assert_close(doubled, found, atol=1e-4, rtol=1e-4)
    if name in SINGLE:
        fewer = _scores(method, images[:5], ways[:5], queries)
        torch.testing.assert_close(fewer, found[:, :2], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "options"), FINE_TUNED.items())
def test_fine_tuning_learns_from_every_shot(
    name: str, options: tuple[str, ...], pictures: tuple[torch.Tensor, torch.Tensor]
) -> None:
    method, (images, queries) = _method(name, options), pictures
    found = _scores(method, images, [0, 0, 0, 1, 1, 1, 1], queries)
    other = _scores(method, torch.cat([images[:6], queries[:1]]), [0, 0, 0, 1, 1, 1, 1], queries)
    assert float((found - other).abs().max()) > 1e-4
