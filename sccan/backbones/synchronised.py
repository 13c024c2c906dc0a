"""Batch norms that see the pictures of all processes together, as published base training on several GPUs has them.

Letters: N pictures of this process, C channels, H W map.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class SynchronisedBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` whose statistics, in training, are those of the pictures of all processes.

    For any backend of torch.distributed; `nn.SyncBatchNorm`, which computes the same, runs on CUDA alone. Without a
    process group, and in eval mode, it is the ordinary norm.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Normalised maps [N, C, H, W]; every process has to call."""
        if not (self.training and dist.is_initialized() and dist.get_world_size() > 1):
            return super().forward(maps)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        channels = maps.float()  # statistics in full precision under autocast
        own = channels.new_tensor([channels.numel() // channels.shape[1]])
        sums = _summed(torch.cat([channels.sum((0, 2, 3)), own]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = channels - mean[:, None, None]
        variance = _summed(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            assert self.momentum is not None
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            unbiased = variance * (count / (count - 1).clamp(min=1))
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
        normalised = centred * (variance + self.eps).rsqrt()[:, None, None]
        scaled = normalised * self.weight[:, None, None] + self.bias[:, None, None]
        return scaled.to(maps.dtype)


class SynchronisedNormAct2d(SynchronisedBatchNorm2d):
    """The same with what timm's ``BatchNormAct2d`` does afterwards: ``drop`` and ``act``."""

    drop: nn.Module
    act: nn.Module

    def forward(self, maps: Tensor) -> Tensor:
        return self.act(self.drop(super().forward(maps)))


class SyncNormAct2d(nn.SyncBatchNorm):
    """torch's own norm over all processes with the same."""

    drop: nn.Module
    act: nn.Module

    def forward(self, maps: Tensor) -> Tensor:
        return self.act(self.drop(super().forward(maps)))


def synchronise_norms(model: nn.Module, device: torch.device) -> nn.Module:
    """The model with every `nn.BatchNorm2d` replaced by one over all processes; names and parameters stay the same.

    Args:
        device: on CUDA torch's own `nn.SyncBatchNorm` is taken, elsewhere `SynchronisedBatchNorm2d`.
    """
    on_cuda = device.type == "cuda"
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.BatchNorm2d or (isinstance(child, nn.BatchNorm2d) and _holds_activation(child)):
                setattr(parent, name, _synchronised(child, on_cuda=on_cuda))
    return model


def _synchronised(norm: nn.BatchNorm2d, *, on_cuda: bool) -> nn.Module:
    if norm.momentum is None or not norm.affine or not norm.track_running_stats:
        raise ValueError("only norms with weights, running statistics and a momentum can be synchronised")
    plain, active = (nn.SyncBatchNorm, SyncNormAct2d) if on_cuda else (SynchronisedBatchNorm2d, SynchronisedNormAct2d)
    kind: type[nn.SyncBatchNorm] | type[nn.BatchNorm2d] = active if _holds_activation(norm) else plain
    copy = kind(norm.num_features, norm.eps, norm.momentum)
    if isinstance(copy, SyncNormAct2d | SynchronisedNormAct2d):
        copy.drop, copy.act = norm.get_submodule("drop"), norm.get_submodule("act")
    copy.weight, copy.bias = norm.weight, norm.bias
    copy.running_mean, copy.running_var = norm.running_mean, norm.running_var
    copy.num_batches_tracked = norm.num_batches_tracked
    return copy.train(norm.training)


def _holds_activation(norm: nn.BatchNorm2d) -> bool:
    """Whether it is one of timm's that drop and activate what they have normalised."""
    return hasattr(norm, "act") and hasattr(norm, "drop")


class _Sum(torch.autograd.Function):
    """The sum over all processes; whatever every process makes of it sends its gradient back to all of them."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total


def _summed(values: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(values)
    return total
