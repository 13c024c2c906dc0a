"""Filters of the classification family on SCCAN's support and query maps."""

import pytest
import torch
from torch import nn

from sccan.attention.element_connection import CLUSTERS, ElementFilter
from sccan.attention.semantic_filter import SemanticFilter
from sccan.backbones.small import SmallResNet
from sccan.builders.segmentation.models import build_base_learner, build_method
from sccan.episodes.episode import Episode
from sccan.errors import InputError
from sccan.segmentation.methods.sccan import SCCAN
from sccan.settings.loading import load_config

NECKS = {
    "tsf": lambda: SemanticFilter(12, n_tokens=3, heads=2),
    "cece": lambda: ElementFilter(CLUSTERS["transformer"](12), 12),
}


def _model(neck: nn.Module | None = None) -> SCCAN:
    torch.manual_seed(0)
    backbone = SmallResNet(stem=(4, 4, 6), widths=(6, 8, 10, 12), blocks=(1, 1, 1, 1))
    return SCCAN(backbone, channels=12, grid=(8, 12), window=4, heads=3, depth=2, aspp_dilations=(1, 2), neck=neck)


def _episode() -> Episode:
    generator = torch.Generator().manual_seed(1)
    labels = torch.zeros(2, 2, 49, 65, dtype=torch.int64)
    labels[:, :, 8:30, 12:40] = 1
    images = torch.randn(2, 2, 2, 3, 49, 65, generator=generator)
    return Episode(images[0], labels, images[1], labels, torch.zeros(2, 1, dtype=torch.int64), torch.arange(2))


def test_without_a_filter_nothing_is_different() -> None:
    bare, episode = _model().eval(), _episode()
    doubling = nn.Conv2d(12, 12, 1, bias=False)
    nn.init.dirac_(doubling.weight)
    same = _model(doubling).eval()
    assert not [name for name in bare.state_dict() if name.startswith("neck")]
    same.load_state_dict({**same.state_dict(), **bare.state_dict()})
    with torch.inference_mode():
        torch.testing.assert_close(same(episode), bare(episode), atol=1e-5, rtol=0)
        doubling.weight.mul_(2.0)
        assert float((same(episode) - bare(episode)).abs().max()) > 1e-4


@pytest.mark.parametrize("name", NECKS)
def test_one_filter_serves_both_sides_and_learns(name: str) -> None:
    neck = NECKS[name]()
    model, episode, seen = _model(neck).train(), _episode(), []
    neck.register_forward_hook(lambda _, given, out: seen.append((given[0].shape, out.shape)))
    outputs = model(episode)
    assert outputs.shape == (2, 2, 2, 49, 65)
    assert seen == [(torch.Size((4, 12, 8, 12)), torch.Size((4, 12, 8, 12)))] * 2
    model.loss(outputs, episode)["total"].backward()
    hidden = ("key.bias", "expand.bias", "merge.bias")  # a softmax or a norm does not see them
    still = [n for n, p in neck.named_parameters() if p.grad is None or float(p.grad.abs().max()) == 0]
    assert [n for n in still if not n.endswith(hidden)] == []
    head = {id(p) for p in model.parameter_groups()["head"]}
    assert all(id(p) in head for p in neck.parameters())


@pytest.mark.parametrize("name", NECKS)
def test_conditioning_once_equals_the_full_forward(name: str) -> None:
    model, episode = _model(NECKS[name]()).eval(), _episode()
    assert episode.support_images is not None
    assert episode.query_images is not None
    with torch.inference_mode():
        state = model.condition(model.encode(episode.support_images.flatten(0, 1)).view(2, 2), episode.support_labels)
        query = model.encode(episode.query_images.flatten(0, 1)).view(2, 2)
        torch.testing.assert_close(model.predict(query, state), model(episode), atol=1e-5, rtol=0)


def test_run_files_name_the_filter() -> None:
    run = load_config("config/shapes/shapes_split0_tsf.yaml", [])
    model = build_method(run, range(6, 21), pretrained=False)
    assert isinstance(model, SCCAN)
    assert isinstance(model.neck, SemanticFilter)
    assert model.neck.tokens.shape == (5, 64)
    for options, message in (
        (["METHOD.NECK", "sfta"], "METHOD.NECK is 'sfta', expected one of none, cece, tsf"),
        (["METHOD.CROSS", "sfsa"], "METHOD.NAME sccan has an attention between support and query of its own"),
        (["METHOD.NAME", "bam"], "METHOD.NAME bam takes no plug-ins; leave it 'none'"),
    ):
        with pytest.raises(InputError, match=message):
            build_method(load_config("config/shapes/shapes_split0_tsf.yaml", options), range(6, 21), pretrained=False)
    with pytest.raises(InputError, match="METHOD.NAME pixel_classifier takes no plug-ins"):
        build_base_learner(load_config("config/shapes/shapes_split0_base.yaml", ["METHOD.NECK", "tsf"]), 15)
