"""Vision transformers of timm as backbones: token maps without class and register tokens, at any size of pictures."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.folding import fold_frozen_norms
from sccan.backbones.stage import Stage
from sccan.backbones.timm_backbone import timm_backbone
from sccan.backbones.timm_tokens import TokenMaps, nearest_multiple
from sccan.errors import InputError

NETWORKS = {
    "vit_tiny_patch16_224": (16, 1),
    "vit_small_patch14_dinov2": (14, 1),
    "vit_small_patch14_reg4_dinov2": (14, 5),
    "vit_tiny_patch16_dinov3_qkvb": (16, 5),
    "vit_small_patch16_dinov3": (16, 5),
}
"""Network -> patch, and tokens before the patches."""


def _made(model: str, *stages: str | int) -> TokenMaps:
    torch.manual_seed(0)
    backbone = timm_backbone(model, stages=stages)
    assert isinstance(backbone, TokenMaps)
    with torch.no_grad():  # positions and scales at their initial values would hide much
        for name, parameter in backbone.net.named_parameters():
            if any(word in name for word in ("pos_embed", "token", "gamma", "norm", "bias")):
                parameter.add_(0.3 * torch.randn_like(parameter))
    return backbone.freeze()


def _images(height: int, width: int) -> Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(1))


def _tokens(backbone: TokenMaps, images: Tensor, block: int) -> Tensor:
    """What a block returns in timm's own forward, [N, P + L, C]."""
    net, seen = backbone.net, []
    blocks: nn.Module = net.get_submodule(f"blocks.{block}")
    hook = blocks.register_forward_hook(lambda _, i, out: seen.append(out))
    net.forward_features(backbone.renormalised(images))  # type: ignore[operator]
    hook.remove()
    return seen[0]


@pytest.mark.parametrize(("model", "known"), NETWORKS.items())
@pytest.mark.parametrize("cells", [(3, 5), (7, 4)], ids=str)
def test_maps_are_the_patches_of_timms_own_forward(model: str, known: tuple[int, int], cells: tuple[int, int]) -> None:
    (patch, prefix), (height, width) = known, cells
    backbone = _made(model, "blocks.4", "blocks.11", "norm")
    images = _images(height * patch, width * patch)
    with torch.inference_mode():
        got = backbone(images)
        between = _tokens(backbone, images, 4)
        final = backbone.net.forward_features(backbone.renormalised(images))  # type: ignore[operator]
        last = _tokens(backbone, images, 11)
    channels = final.shape[-1]
    assert backbone.stages == {name: Stage(channels, patch) for name in ("blocks.4", "blocks.11", "norm")}
    for name, tokens in (("blocks.4", between), ("blocks.11", last), ("norm", final)):
        assert tokens.shape[1] == prefix + height * width
        for row, column in ((0, 0), (height - 1, 1), (1, width - 1)):  # a shifted grid shows at once
            torch.testing.assert_close(got[name][:, :, row, column], tokens[:, prefix + row * width + column])
        assert got[name].shape == (2, channels, height, width)
    torch.testing.assert_close(got["norm"], F.layer_norm(
        got["blocks.11"].permute(0, 2, 3, 1), (channels,), *_affine(backbone), eps=_eps(backbone)
    ).permute(0, 3, 1, 2))  # fmt: skip


def _affine(backbone: TokenMaps) -> tuple[Tensor, Tensor]:
    return backbone.net.get_parameter("norm.weight"), backbone.net.get_parameter("norm.bias")


def _eps(backbone: TokenMaps) -> float:
    norm = backbone.net.get_submodule("norm")
    assert isinstance(norm, nn.LayerNorm)
    return norm.eps


def test_learned_positions_are_interpolated_to_the_pictures() -> None:
    """At the size of the training they are the learned ones; elsewhere a cell has those around it."""
    backbone = _made("vit_tiny_patch16_224", "norm")
    with torch.inference_mode():
        whole = backbone(_images(224, 224))["norm"]
        assert whole.shape == (2, 192, 14, 14)
        assert backbone(_images(112, 320))["norm"].shape == (2, 192, 7, 20)
        positions: Tensor = backbone.net.get_parameter("pos_embed")
        backbone.net.get_parameter("pos_embed").data = positions.roll(3, dims=1)
        assert not torch.allclose(backbone(_images(112, 320))["norm"], whole[:, :, :7, :7].mean())


def test_what_is_behind_the_last_stage_is_left_out_and_computes_nothing() -> None:
    short, whole = _made("vit_tiny_patch16_224", "blocks.3"), _made("vit_tiny_patch16_224")
    assert list(whole.stages) == [*(f"blocks.{number}" for number in range(12)), "norm"]
    assert not any(name.startswith(("net.blocks.4.", "net.norm.")) for name in short.state_dict())
    assert {"blocks.11.attn.qkv.weight", "norm.weight"} <= set(short.cut)
    short.load_state_dict({k: v for k, v in whole.state_dict().items() if k in short.state_dict()}, strict=True)
    with torch.inference_mode():
        first = short(_images(32, 48))
        torch.testing.assert_close(first["blocks.3"], whole(_images(32, 48), last="blocks.3")["blocks.3"])
    assert list(whole(_images(32, 48), last="blocks.1")) == ["blocks.0", "blocks.1"]
    assert list(_made("vit_tiny_patch16_224", -1).stages) == ["norm"]


def test_the_norm_continues_from_the_last_block_and_nothing_else_from_anywhere() -> None:
    backbone = _made("vit_tiny_patch16_dinov3_qkvb", "blocks.5", "blocks.11", "norm")
    with torch.inference_mode():
        maps = backbone(_images(48, 32))
        torch.testing.assert_close(backbone.continued("norm", maps["blocks.11"]), maps["norm"])
    assert backbone.stage_before("norm") == "blocks.11"
    for stage in ("blocks.11", "blocks.5"):
        with pytest.raises(InputError, match=f"cannot continue from a map to '{stage}', since maps hold no class"):
            backbone.stage_before(stage)
    with pytest.raises(InputError, match="let 'blocks.11' be a stage, and continue from it to 'norm'"):
        _made("vit_tiny_patch16_224", "blocks.5", "norm").stage_before("norm")


def test_folding_a_transformer_changes_nothing() -> None:
    backbone = _made("vit_tiny_patch16_224", "blocks.2")
    folded = fold_frozen_norms(backbone).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        torch.testing.assert_close(folded(_images(32, 48)), backbone(_images(32, 48)))


def test_a_transformer_that_learns_gets_a_gradient_everywhere() -> None:
    torch.manual_seed(0)
    backbone = timm_backbone("vit_tiny_patch16_224", stages=("blocks.1", "norm")).train()
    backbone(_images(32, 48))["norm"].square().sum().backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())


@pytest.mark.parametrize(
    ("model", "size", "message"),
    [
        ("vit_small_patch14_dinov2", (473, 473), "patches of 14 pixels, and 473x473 .*; the nearest size is 476x476"),
        (
            "vit_tiny_patch16_224",
            (64, 7),
            "patches of 16 pixels, and 64x7 is no multiple .*; the nearest size is 64x16",
        ),
        ("deit_tiny_distilled_patch16_224", (64, 64), "takes pictures of 224x224 only, but got 64x64"),
    ],
)
def test_a_side_that_cannot_be_taken_is_one_line(model: str, size: tuple[int, int], message: str) -> None:
    backbone = timm_backbone(model, stages=("blocks.0",))
    with pytest.raises(InputError, match=message) as caught:
        backbone(_images(*size))
    assert "\n" not in str(caught.value)


def test_the_nearest_multiple_is_at_least_one_patch() -> None:
    assert [nearest_multiple(side, 16) for side in (1, 16, 23, 24, 473)] == [16, 16, 16, 32, 480]


@pytest.mark.parametrize("stage", ["blocks.12", "layer3", 13, "Norm"])
def test_an_unknown_stage_is_one_line(stage: str | int) -> None:
    with pytest.raises(InputError, match=f"has no stage {stage!r}, but blocks.0 to blocks.11, and norm"):
        timm_backbone("vit_tiny_patch16_224", stages=(stage,))
