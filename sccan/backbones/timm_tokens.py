"""timm's vision transformers as backbones: token maps of their blocks.

Letters: N pictures, L patches, P class and register tokens, C channels, H W picture size, h w map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sccan.backbones.pixels import IMAGENET, Pixels
from sccan.backbones.stage import Stage
from sccan.backbones.timm_network import TimmBackbone
from sccan.errors import InputError, nearest

NORM = "norm"
"""The stage of the last block's map after the network's norm."""
BLOCK = "blocks."
NEEDED = ("num_prefix_tokens", "patch_embed", "blocks", "norm", "forward_intermediates", "prune_intermediate_layers")


def is_token_model(net: nn.Module) -> bool:
    """Whether a network is a vision transformer of patches that timm reads token maps of."""
    return all(hasattr(net, name) for name in NEEDED) and hasattr(net.patch_embed, "patch_size")


class TokenMaps(TimmBackbone):
    """A vision transformer; stages are ``blocks.I``, a block's map as it is, and ``norm``, the last one normalised.

    Class and register tokens (P of them, before the patches) are in no map. Positions are interpolated to the size of
    the pictures by timm, where the network learned positions; a picture's sides are multiples of the patch.
    """

    positions = True

    def __init__(
        self, net: nn.Module, model: str, *, stages: Sequence[str | int] = (), pixels: Pixels = IMAGENET
    ) -> None:
        """
        Args:
            net, model, pixels: see `TimmBackbone`.
            stages: see `timm_backbone`.

        Raises InputError: no such stage, or patches that are not square.
        """
        super().__init__(net, model, pixels)
        embedding: Any = net.patch_embed
        height, width = embedding.patch_size
        if height != width:
            raise InputError(f"{model} has patches of {height}x{width} pixels, but only square ones are read here")
        self.patch = int(height)
        self.only = tuple(embedding.img_size) if embedding.strict_img_size else ()
        depth = len(net.blocks)  # type: ignore[arg-type]
        known = [*(f"{BLOCK}{number}" for number in range(depth)), NORM]
        wanted = set(_named(model, stages, known))
        self.stages = {name: Stage(int(net.embed_dim), self.patch) for name in known if name in wanted}  # type: ignore[arg-type]
        before = set(net.state_dict())
        deepest = depth if NORM in wanted else 1 + max(map(_number, self.stages))
        net.prune_intermediate_layers([deepest - 1], prune_norm=NORM not in wanted)  # type: ignore[operator]
        self.depth, self.cut = deepest, (*self.cut, *sorted(before - set(net.state_dict())))

    def forward(self, images: Tensor, last: str | None = None) -> dict[str, Tensor]:
        """Token maps [N, C, h, w], from the first block inwards; see `Backbone.forward`.

        Raises InputError: a side is no multiple of the patch.
        """
        self.require_size(images.shape[-2], images.shape[-1])
        names = list(self.stages)
        names = names[: names.index(last) + 1] if last else names
        blocks = [_number(name) for name in names if name != NORM]
        final, between = self.net.forward_intermediates(  # type: ignore[operator]
            self.renormalised(images),
            indices=blocks or [self.depth - 1],
            stop_early=NORM not in names,
            output_fmt="NLC",
        )
        maps = dict(zip([name for name in names if name != NORM], between, strict=False))
        if NORM in names:
            maps[NORM] = final[:, self.net.num_prefix_tokens :]
        size = images.shape[-2] // self.patch, images.shape[-1] // self.patch
        return {name: _map(tokens, size) for name, tokens in maps.items()}

    def stage_before(self, name: str) -> str:
        """The last block, before ``norm``; no other stage can be continued, since maps hold no class token.

        Raises InputError: it is another stage, or the last block is none of the stages.
        """
        self.stage(name)
        before = f"{BLOCK}{self.depth - 1}"
        if name != NORM or before not in self.stages:
            raise InputError(
                f"{self.model} cannot continue from a map to {name!r}, since maps hold no class and register tokens; "
                f"let {before!r} be a stage, and continue from it to {NORM!r}"
            )
        return before

    def continued(self, name: str, maps: Tensor) -> Tensor:
        self.stage_before(name)
        tokens = self.net.norm(maps.flatten(2).transpose(1, 2))  # type: ignore[operator]  # [N, L, C]
        return _map(tokens, (maps.shape[-2], maps.shape[-1]))

    def require_size(self, height: int, width: int) -> None:
        """Raises InputError: the network cannot take pictures of that size; the line names the nearest it can."""
        if self.only and (height, width) != self.only:
            raise InputError(f"{self.model} takes pictures of {_size(*self.only)} only, but got {_size(height, width)}")
        if height % self.patch or width % self.patch:
            fitting = _size(nearest_multiple(height, self.patch), nearest_multiple(width, self.patch))
            raise InputError(
                f"{self.model} cuts pictures into patches of {self.patch} pixels, and {_size(height, width)} is no "
                f"multiple of them; the nearest size is {fitting}"
            )


def nearest_multiple(side: int, patch: int) -> int:
    """The multiple of a patch's side that is nearest to a side, at least one patch; the larger of two."""
    return max(1, (side + patch // 2) // patch) * patch


def _number(name: str) -> int:
    return int(name.removeprefix(BLOCK))


def _map(tokens: Tensor, size: tuple[int, int]) -> Tensor:
    """Tokens [N, L, C] as a map [N, C, h, w], channels last in memory, as tokens are."""
    return tokens.unflatten(1, size).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def _size(height: int, width: int) -> str:
    return f"{height}x{width}"


def _named(model: str, stages: Sequence[str | int], known: list[str]) -> list[str]:
    """Names of the stages that are asked for; of none, all.

    Raises InputError: there is no such stage.
    """
    for stage in stages:
        if stage not in known and not (isinstance(stage, int) and -len(known) <= stage < len(known)):
            hint = nearest(stage, known) if isinstance(stage, str) else ""
            raise InputError(f"{model} has no stage {stage!r}, but {known[0]} to {known[-2]}, and {NORM}{hint}")
    return [known[stage] if isinstance(stage, int) else stage for stage in stages] or known
