"""The max-pooled, leaky ResNet-12 of MetaOptNet, with DropBlock as DMF trains it (CVPR 2021, published code)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.backbones.dropblock import dropblock, kept_share
from sccan.backbones.stage import Backbone, Stage

SLOPE = 0.1
"""Of the leaky rectifiers; the maps are signed."""


class PooledResNet12(Backbone):
    """Stages of one three-convolution block each, without a stem; pooling at the end of a block makes the stride.

    Pictures of 84x84 become maps of 11x11: the first three blocks halve, rounding up, and the last does not pool.
    The same network without dropping, and with pooling that rounds down to maps of 10x10, is DeepBDC's (CVPR 2022),
    which the SpatialFormer family trains. Parameter names are the published ones, the counter of every block included
    (DeepBDC's has none).
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (64, 160, 320, 640),
        strides: Sequence[int] = (2, 2, 2, 1),
        round_up: bool = True,
        drop_rate: float = 0.1,
        block_size: int = 5,
        ramp: int = 40_000,
        count_evaluation: bool = False,
    ) -> None:
        """
        Args:
            widths: channels of each stage.
            strides: size of each stage's pooling window; 1: none.
            round_up: pool what is left over at the border of an odd map as well.
            drop_rate: in training, share of the elements dropped in the first half of the stages, and of the area
                dropped as squares in the second half.
            block_size: side of those squares, in cells.
            ramp: calls of a block over which its share of dropped squares rises from 0 to `drop_rate`.
            count_evaluation: count calls in evaluation as well, as the published code does; then the ramp depends on
                how often, and in how large batches, the network is evaluated.

        Raises ValueError: the two sequences differ in length, or the rate is not in [0, 1).
        """
        super().__init__()
        if len(widths) != len(strides):
            raise ValueError(
                f"widths and strides describe the same stages, but there are {len(widths)}, {len(strides)}"
            )
        if not 0 <= drop_rate < 1:
            raise ValueError(f"the drop rate is {drop_rate}, but must be in [0, 1)")
        self.stages: dict[str, Stage] = {}
        channels, stride = 3, 1
        for number, (width, pool) in enumerate(zip(widths, strides, strict=True), start=1):
            block = PooledBlock(
                channels,
                width,
                pool,
                round_up=round_up,
                drop_rate=drop_rate,
                block_size=block_size if 2 * number > len(widths) else 0,
                ramp=ramp,
                count_evaluation=count_evaluation,
            )
            self.add_module(f"layer{number}", nn.Sequential(block))
            channels, stride = width, stride * pool
            self.stages[f"layer{number}"] = Stage(channels, stride)
        self.start_from_fan_out()


class PooledBlock(nn.Module):
    """Three 3x3 convolutions around a 1x1 projection, pooling, and dropping in training."""

    num_batches_tracked: Tensor

    def __init__(
        self,
        in_channels: int,
        channels: int,
        pool: int,
        *,
        round_up: bool,
        drop_rate: float,
        block_size: int,
        ramp: int,
        count_evaluation: bool,
    ) -> None:
        """`block_size` 0 drops single elements; the other arguments are those of `PooledResNet12`."""
        super().__init__()
        self.pool, self.round_up = pool, round_up
        self.drop_rate, self.block_size = drop_rate, block_size
        self.ramp, self.count_evaluation = ramp, count_evaluation
        self.conv1, self.bn1 = _conv3x3(in_channels, channels), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = _conv3x3(channels, channels), nn.BatchNorm2d(channels)
        self.conv3, self.bn3 = _conv3x3(channels, channels), nn.BatchNorm2d(channels)
        projection = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.downsample = nn.Sequential(projection, nn.BatchNorm2d(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        if self.training or self.count_evaluation:
            self.num_batches_tracked += 1
        out = F.leaky_relu(self.bn1(self.conv1(x)), SLOPE)
        out = F.leaky_relu(self.bn2(self.conv2(out)), SLOPE)
        out = F.leaky_relu(self.bn3(self.conv3(out)) + self.downsample(x), SLOPE)
        if self.pool > 1:
            out = F.max_pool2d(out, self.pool, ceil_mode=self.round_up)
        return self._dropped(out) if self.training and self.drop_rate else out

    def _dropped(self, maps: Tensor) -> Tensor:
        if not self.block_size:
            return F.dropout(maps, self.drop_rate)
        return dropblock(maps, kept_share(self.num_batches_tracked, self.drop_rate, self.ramp), self.block_size)


def _conv3x3(in_channels: int, channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
