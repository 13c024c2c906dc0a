"""What a backbone promises: named maps, and what each of them looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from torch import Tensor, nn

from sccan.errors import InputError


@dataclass(frozen=True)
class Stage:
    """One named output of a backbone.

    Attributes:
        channels: number of channels.
        stride: pixels of the picture per cell of the map, along either side.
    """

    channels: int
    stride: int


class Backbone(nn.Module):
    """Pictures in, named maps out; methods ask `stages` for channels and strides and never write them down."""

    stages: dict[str, Stage]
    positions = False
    """Whether maps tell where a cell is, as a vision transformer's do; convolutions know no place."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = False

    def stem(self, images: Tensor) -> Tensor:
        """What the first stage is computed from: the pictures themselves, where there is no stem."""
        return images

    def forward(self, images: Tensor, last: str | None = None) -> dict[str, Tensor]:
        """The map of every stage, from the picture inwards.

        Args:
            images: normalised RGB, [N, 3, H, W].
            last: stage after which to stop; None: the last one of all.

        Returns:
            Stage name -> [N, C, h, w].
        """
        x, maps = self.stem(images), {}
        for name in self.stages:
            x = self.continued(name, x)
            maps[name] = x
            if name == last:
                break
        return maps

    def stage(self, name: str) -> Stage:
        """What the stage of that name looks like.

        Raises InputError: there is none.
        """
        if name not in self.stages:
            raise InputError(f"{type(self).__name__} has no stage {name!r}; its stages are {', '.join(self.stages)}")
        return self.stages[name]

    def stage_before(self, name: str) -> str:
        """The stage whose map the stage of that name is computed from.

        Raises InputError: there is no such stage, or it is the first.
        """
        self.stage(name)
        names = list(self.stages)
        if name == names[0]:
            raise InputError(
                f"{name} is the first stage of {type(self).__name__}; choose one of {', '.join(names[1:])}"
            )
        return names[names.index(name) - 1]

    def continued(self, name: str, maps: Tensor) -> Tensor:
        """The map of a stage, [N, C, h, w], from the map of the stage before, for instance a masked one."""
        return self.get_submodule(name)(maps)

    def start_from_fan_out(self) -> None:
        """Draw convolutions anew, normally distributed by their fan-out (He et al., ICCV 2015); biases are 0."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def freeze(self) -> Self:
        """Take the backbone out of training for good: no parameter asks for a gradient, norms keep their statistics.

        It stays in eval mode when the module around it is set to train mode.
        """
        self.requires_grad_(False)
        self.frozen = True
        return self.eval()

    def train(self, mode: bool = True) -> Self:
        return super().train(mode and not self.frozen)
