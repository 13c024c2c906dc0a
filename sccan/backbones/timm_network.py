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

    Attributes:
        net: timm's network.
        model: timm's name of it.
        cut: patterns of parameters that the network has with timm, but not here.
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
        classifier = own_data(net).get("classifier") or ()
        names = (classifier,) if isinstance(classifier, str) else classifier
        self.cut = tuple(f"{name}.*" for name in names)
        self.renormalised = Renormalised(pixels, own_pixels(net))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model}, {', '.join(self.stages)})"


def own_data(net: nn.Module) -> dict[str, Any]:
    """What timm knows of a network's weights: ``mean``, ``std``, ``classifier``, ``license``, where they lie ..."""
    known: dict[str, Any] = net.pretrained_cfg  # type: ignore[assignment]
    return known


def first_line(error: Exception) -> str:
    """What an error of timm's says, in one line."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def own_pixels(net: nn.Module) -> Pixels:
    """Mean and deviation that a network was trained with."""
    known = own_data(net)
    return Pixels(tuple(known["mean"]), tuple(known["std"]))
