"""timm's vision transformers as backbones: token maps of their blocks.

Letters: N pictures, L patches, P class and register tokens, C channels, H W picture size, h w map.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from sccan.backbones.pixels import IMAGENET, Pixels
from sccan.backbones.stage import Stage
from sccan.backbones.timm_network import TimmBackbone
from sccan.errors import InputError, nearest

NORM = "norm"
"""The stage of the last block's map after the network's norm."""


def is_token_model(net: nn.Module) -> bool:
    """Whether a network is a vision transformer of patches that timm reads token maps of."""
    return all(hasattr(net, name) for name in ("num_prefix_tokens", "patch_embed", "blocks", "forward_intermediates"))


class TokenMaps(TimmBackbone):
    """A vision transformer; stages are ``blocks.I``, a block's map as it is, and ``norm``, the last one normalised.

    Class and register tokens (P of them, before the patches) are in no map. Positions are interpolated to the size of
    the pictures by timm, where the network learned positions; a picture's sides are multiples of the patch.
    """

    def __init__(
        self, net: nn.Module, model: str, *, stages: Sequence[str | int] = (), pixels: Pixels = IMAGENET
    ) -> None:
        """
        Args:
            net, model, pixels: see `TimmBackbone`.
            stages: see `timm_backbone`.

        Raises InputError: no such stage.
        """
        super().__init__(net, model, pixels)
        depth = len(net.blocks)  # type: ignore[arg-type]
        known = [*(f"blocks.{number}" for number in range(depth)), NORM]
        names = set(_named(model, stages, known))
        height, width = net.patch_embed.patch_size  # type: ignore[union-attr, misc]
        if height != width:
            raise InputError(f"{model} has patches of {height}x{width} pixels, but only square ones are read here")
        self.stages = {name: Stage(net.embed_dim, height) for name in known if name in names}  # type: ignore[arg-type]

    @property
    def patch(self) -> int:
        """Side of a patch in pixels."""
        return next(iter(self.stages.values())).stride

    def forward(self, images: Tensor, last: str | None = None) -> dict[str, Tensor]:
        """Token maps [N, C, h, w], from the first block inwards; see `Backbone.forward`.

        Raises InputError: a side is no multiple of the patch.
        """
        self.check_size(images.shape[-2], images.shape[-1])
        names = list(self.stages)
        names = names[: names.index(last) + 1] if last else names
        blocks = [int(name.removeprefix("blocks.")) for name in names if name != NORM]
        depth = len(self.net.blocks)  # type: ignore[arg-type]
        final, maps = self.net.forward_intermediates(  # type: ignore[operator]
            self.renormalised(images), indices=blocks or [depth - 1], stop_early=NORM not in names
        )
        if NORM not in names:
            return dict(zip(names, maps, strict=True))
        tokens = final[:, self.net.num_prefix_tokens :]  # [N, L, C]
        height, width = (side // self.patch for side in images.shape[-2:])
        normalised = tokens.transpose(1, 2).unflatten(2, (height, width)).contiguous()  # [N, C, h, w]
        return dict(zip([*names[:-1], NORM], [*maps[: len(blocks)], normalised], strict=True))

    def check_size(self, height: int, width: int) -> None:
        """Raises InputError: pictures of that size cannot be cut into patches."""
        if height % self.patch or width % self.patch:
            raise InputError(f"{self.model} takes pictures whose sides are multiples of {self.patch}")


def _named(model: str, stages: Sequence[str | int], known: list[str]) -> list[str]:
    """Names of the stages that are asked for.

    Raises InputError: there is no such stage.
    """
    for stage in stages:
        if isinstance(stage, str) and stage not in known:
            raise InputError(
                f"{model} has no stage {stage!r}, but {known[0]} to {known[-2]} and {NORM}{nearest(stage, known)}"
            )
    return [known[stage] if isinstance(stage, int) else stage for stage in stages] or known
