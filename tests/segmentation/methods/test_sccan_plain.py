"""Everything that makes SCCAN's training fast leaves the numbers of the plain order of operations as they are."""

import copy
import dataclasses

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sccan.attention import scaled_cosine
from sccan.backbones.frozen_norm import FrozenBatchNorm2d
from sccan.backbones.small import SmallResNet
from sccan.benchmark.plain_sccan import plain_copy, plain_loss
from sccan.engine.folded import folded_backbones
from sccan.episodes.episode import Episode, Features
from sccan.pointwise import PointwiseConv2d, TokenLinear
from sccan.segmentation.methods.sccan import SCCAN
from sccan.segmentation.parts.prior import prior_support
from sccan.segmentation.parts.resize import resize
from tests.segmentation.methods.kept_memory import kept_bytes
from tests.segmentation.methods.plain_sccan import made_up_episode


def _model() -> SCCAN:
    """Wide enough that linear maps go by way of oneDNN."""
    torch.manual_seed(0)
    backbone = SmallResNet(stem=(8, 8, 8), widths=(16, 32, 48, 64), blocks=(1, 1, 1, 1), norm_layer=FrozenBatchNorm2d)
    for module in backbone.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    return SCCAN(backbone, channels=64, grid=(8, 16), window=4, heads=4, depth=3, aspp_dilations=(1, 2))


def _without_dropout(model: SCCAN) -> SCCAN:
    model.train()
    for module in model.modules():
        if isinstance(module, nn.Dropout2d):
            module.p = 0.0
    return model


def _gradients(model: SCCAN, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad and p.grad is not None}


def _fast(model: SCCAN, episode: Episode) -> tuple[Tensor, dict[str, Tensor]]:
    with folded_backbones(model):
        loss = model.loss(model(episode), episode)["total"]
    return loss.detach(), _gradients(model, loss)


@pytest.mark.parametrize("shots", [1, 2])
@pytest.mark.parametrize("channels_last", [False, True])
def test_loss_and_gradients_are_those_of_the_plain_order(shots: int, channels_last: bool) -> None:
    model, episode = _without_dropout(_model()), made_up_episode(65, 2, shots)
    apart = plain_copy(model)
    assert not any(isinstance(layer, TokenLinear | PointwiseConv2d) for layer in apart.modules())
    plain = plain_loss(apart, episode)
    want = _gradients(apart, plain)
    if channels_last:
        model.to(memory_format=torch.channels_last)
    loss, got = _fast(model, episode)
    torch.testing.assert_close(loss, plain.detach(), rtol=1e-6, atol=1e-6)
    assert set(got) == {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    for name, value in want.items():
        torch.testing.assert_close(got[name], value, rtol=1e-3, atol=2e-4 * float(value.abs().max()), msg=name)


def test_the_fused_attention_of_gpus_gives_the_same_step(monkeypatch: pytest.MonkeyPatch) -> None:
    model, episode = _without_dropout(_model()), made_up_episode(65, 2, 1)
    loss, want = _fast(model, episode)
    calls: list[int] = []

    def fused(*parts: Tensor) -> Tensor:
        calls.append(1)
        return scaled_cosine.fused_attention(*parts)

    monkeypatch.setattr(scaled_cosine, "plain_attention", fused)
    other, got = _fast(model, episode)
    assert len(calls) == 3  # once per block
    torch.testing.assert_close(other, loss, rtol=1e-6, atol=1e-6)
    for name, value in want.items():
        torch.testing.assert_close(got[name], value, rtol=1e-3, atol=2e-4 * float(value.abs().max()), msg=name)


def test_the_prior_under_bf16_is_that_of_float32_on_the_same_features_to_thousandths() -> None:
    model, episode = _model().eval(), made_up_episode(65, 2, 2)
    with torch.inference_mode(), folded_backbones(model):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            support, query = model.encode_episode(episode)
            state = model.condition(support, episode.support_labels)
            low = model.prior(query, state)
        assert {value.dtype for value in query.maps.values()} == {torch.bfloat16}
        masks = model.support_masks(episode.support_labels)
        support, query = _float32(support), _float32(query)
        own = prior_support(resize(support.maps[model.prior_stage], model.grid), masks)
        high = model.prior(query, dataclasses.replace(state, prior=own))
    assert low.dtype == state.prior.directions.dtype == torch.float32
    torch.testing.assert_close(high, low, rtol=0, atol=3e-3)
    peaks = low.flatten(2).argmax(-1, keepdim=True)
    torch.testing.assert_close(
        high.flatten(2).gather(-1, peaks).squeeze(-1), high.flatten(2).amax(-1), rtol=0, atol=3e-3
    )


def test_windows_chosen_under_bf16_are_those_of_float32_on_the_same_maps() -> None:
    block = _model().transformer.blocks[1]
    generator = torch.Generator().manual_seed(3)
    query, support = (torch.randn(2, 8, 16, 64, generator=generator) for _ in range(2))
    mask = torch.zeros(2, 8, 16)
    mask[:, 2:, 3:14] = 0.7
    mask[:, 2, 14] = 1e-5  # a window of next to nothing counts, and would not in half precision
    with torch.inference_mode():
        high, _ = block.condition(support, mask)
        _, index = block(query, high)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            low, _ = block.condition(support, mask)
            _, low_index = block(query, low)
    assert torch.equal(low.valid, high.valid)
    assert not high.valid.all()
    assert torch.equal(low_index, index)
    assert len(index.unique()) > 3


def _float32(features: Features) -> Features:
    return Features({name: value.float() for name, value in features.maps.items()}, features.image_size)


def test_bf16_learns_as_float32_does() -> None:
    """Losses of the same steps on the same episodes, without dropout."""
    curves = []
    start = _without_dropout(_model())
    for low in (False, True):
        model, losses = copy.deepcopy(start), []
        groups = model.parameter_groups()
        optimizer = torch.optim.AdamW([*groups["head"], *groups["transformer"]], lr=1e-3)
        for _ in range(12):
            episode = made_up_episode(65, 2, 1)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low):
                loss = model.loss(model(episode), episode)["total"]
            assert loss.dtype == torch.float32
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        curves.append(torch.tensor(losses))
    assert curves[0][-1] < curves[0][0] - 0.1
    torch.testing.assert_close(curves[1], curves[0], rtol=0, atol=0.03)


def test_a_step_runs_the_backbone_once_and_on_every_picture_once() -> None:
    model, episode = _model().train(), made_up_episode(65, 2, 3)
    seen: list[int] = []
    model.backbone.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    with FlopCounterMode(display=False) as whole:
        model.loss(model(episode), episode)["total"].backward()
    assert seen == [2 * (1 + 3)]
    with FlopCounterMode(display=False) as once:
        model.backbone(torch.zeros(8, 3, 65, 65))
    assert whole.get_flop_counts()["SCCAN.backbone"] == once.get_flop_counts()["SmallResNet"]


def test_a_step_keeps_less_than_half_of_what_the_plain_order_keeps() -> None:
    def backbone() -> SmallResNet:
        return SmallResNet(stem=(8, 8, 8), widths=(16, 32, 48, 64), blocks=(1, 1, 1, 1), norm_layer=FrozenBatchNorm2d)

    found = kept_bytes(backbone, 129, 2, 1, channels=64, grid=(16, 16), window=8, heads=2, aspp_dilations=(1, 2))
    plain, ours, lower = found.values()
    assert lower < 0.5 * plain
    assert lower < ours < 0.75 * plain
