"""A program that counts the bytes which a training step of SCCAN keeps for its backward pass on a GPU, without one.

``python -m tests.segmentation.methods.kept_memory --size 473 --batch 8``
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from sccan.attention import scaled_cosine
from sccan.backbones.deep_stem import DeepStemResNet
from sccan.backbones.stage import Backbone
from sccan.benchmark.plain_sccan import plain_loss
from sccan.segmentation.methods.sccan import SCCAN
from tests.fake_device import DEVICE, bf16_autocast, fake_tensors, on_device
from tests.segmentation.methods.plain_sccan import made_up_episode


class FusedAttention(torch.autograd.Function):
    """What a fused kernel keeps: its inputs, its output and a number per query. Tensors without contents only."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        out = query.new_empty(*query.shape[:-1], value.shape[-1])
        ctx.save_for_backward(query, key, value, out, query.new_empty(query.shape[:-1], dtype=torch.float32))
        return out


@contextmanager
def fused_kernels() -> Iterator[None]:
    """torch plans its unfused attention for tensors without contents; here, the fused one of a GPU stands in."""
    functional: Any = scaled_cosine.F
    real = functional.scaled_dot_product_attention

    def fused(query: Tensor, key: Tensor, value: Tensor, *, scale: float) -> Tensor:
        parts = (query, key, value)
        if torch.is_autocast_enabled("cuda"):
            parts = (query.bfloat16(), key.bfloat16(), value.bfloat16())
        return FusedAttention.apply(*(part.contiguous() for part in parts))

    functional.scaled_dot_product_attention = fused
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = real


def kept_bytes(make: Callable[[], Backbone], size: int, batch: int, shots: int, **shape: Any) -> dict[str, int]:
    """Bytes kept by the plain order in float32, and by ours in float32 and bf16; weights left out."""
    with fake_tensors(), fused_kernels():
        model = on_device(SCCAN(make(), **shape).train())
        episode = made_up_episode(size, batch, shots).to(DEVICE)
        return {
            "plain, float32": _kept(model, lambda: plain_loss(model, episode)),
            "ours, float32": _kept(model, lambda: model.loss(model(episode), episode)["total"]),
            "ours, bf16": _kept(model, lambda: model.loss(model(episode), episode)["total"], lower=True),
        }


def _kept(model: SCCAN, loss: Callable[[], Tensor], *, lower: bool = False) -> int:
    weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
    seen: dict[int, Tensor] = {}  # held, so that no storage is counted under another's number

    def pack(tensor: Tensor) -> Tensor:
        seen[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with bf16_autocast(lower), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss()
    return sum(tensor.untyped_storage().nbytes() for number, tensor in seen.items() if number not in weights)


def main() -> None:
    """Prints what the three keep, and their ratios."""
    command = argparse.ArgumentParser(description=main.__doc__)
    command.add_argument("--size", type=int, default=473, help="side of the pictures")
    command.add_argument("--batch", type=int, default=8, help="episodes per step")
    command.add_argument("--shots", type=int, default=1)
    command.add_argument("--depth", type=int, default=50, help="of the ResNet")
    args = command.parse_args()
    found = kept_bytes(lambda: DeepStemResNet(args.depth), args.size, args.batch, args.shots)
    for name, value in found.items():
        print(f"{name}: {value / 2**30:.2f} GiB, {value / found['plain, float32']:.2f} of the plain order's")


if __name__ == "__main__":
    main()
