"""The body of wide residual networks (Zagoruyko and Komodakis, BMVC 2016) in few-shot classification: WRN-28-10.

Two published variants differ in their blocks, in names and in how they end; the rest stands here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor, nn

from sccan.backbones.stage import Backbone, Stage


class WideBody(Backbone, ABC):
    """A 3x3 stem and stages of pre-activation blocks, whose first block has the stride.

    Attributes:
        stage_name: what stages are called, before their number.
    """

    stage_name: str

    def __init__(
        self,
        *,
        stem: int = 16,
        widths: Sequence[int] = (160, 320, 640),
        strides: Sequence[int] = (1, 2, 2),
        blocks: int = 4,
        dropout: float = 0.5,
    ) -> None:
        """
        Args:
            stem: channels of the first convolution.
            widths: channels of each stage.
            strides: stride of each stage's first block.
            blocks: per stage.
            dropout: share of values dropped between the convolutions of a block, in training.

        Raises ValueError: widths and strides differ in length.
        """
        super().__init__()
        if len(widths) != len(strides):
            raise ValueError(
                f"widths and strides describe the same stages, but there are {len(widths)}, {len(strides)}"
            )
        self.conv1 = self.first(stem)
        self.stages: dict[str, Stage] = {}
        channels, stride = stem, 1
        for number, (width, step) in enumerate(zip(widths, strides, strict=True), start=1):
            rest = (self.block(width, width, 1, dropout) for _ in range(blocks - 1))
            layers = nn.Sequential(self.block(channels, width, step, dropout), *rest)
            self.add_module(f"{self.stage_name}{number}", self.stage_of(layers))
            channels, stride = width, stride * step
            self.stages[f"{self.stage_name}{number}"] = Stage(channels, stride)
        self.end(channels, stride)

    @abstractmethod
    def first(self, channels: int) -> nn.Module:
        """The stem's convolution."""

    @abstractmethod
    def block(self, in_channels: int, channels: int, stride: int, dropout: float) -> nn.Module:
        """One block."""

    def stage_of(self, layers: nn.Sequential) -> nn.Module:
        """What a stage's blocks are kept in, which decides on the names of parameters."""
        return layers

    @abstractmethod
    def end(self, channels: int, stride: int) -> None:
        """Add what comes behind the last stage, of so many channels and of that stride."""

    def stem(self, images: Tensor) -> Tensor:
        return self.conv1(images)
