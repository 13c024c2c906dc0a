"""What backbones made of timm's networks share: the network, and pictures as it was trained on them."""

from __future__ import annotations

from typing import Any

from torch import nn

from sccan.backbones.pixels import Pixels, Renormalised
from sccan.backbones.stage import Backbone


class TimmBackbone(Backbone):
    """A network of timm up to the last stage that is asked for; its parameters have timm's names under ``net.``.

    Pictures arrive normalised as everywhere here and are brought to the mean and deviation that the network was
    trained with; those are timm's to know.
    """

    def __init__(self, net: nn.Module, model: str, pixels: Pixels) -> None:
        """
        Args:
            net: timm's network.
            model: timm's name of it.
            pixels: how the pictures that arrive are normalised.
        """
        super().__init__()
        self.net, self.model = net, model
        self.cut: tuple[str, ...] = (own_data(net)["classifier"],)
        self.renormalised = Renormalised(pixels, own_pixels(net))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model}, {', '.join(self.stages)})"


def own_data(net: nn.Module) -> dict[str, Any]:
    """What timm knows of a network's weights: ``mean``, ``std``, ``classifier``, ``license``, where they lie ..."""
    known: dict[str, Any] = net.pretrained_cfg  # type: ignore[assignment]
    return known


def own_pixels(net: nn.Module) -> Pixels:
    """Mean and deviation that a network was trained with."""
    known = own_data(net)
    return Pixels(tuple(known["mean"]), tuple(known["std"]))
