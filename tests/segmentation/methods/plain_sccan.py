"""A program that measures SCCAN's training step in the plain order of its published description, and ours, in turn.

``python -m tests.segmentation.methods.plain_sccan --size 257``
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from sccan.backbones.deep_stem import DeepStemResNet
from sccan.benchmark.plain_sccan import plain_loss, plain_step
from sccan.engine.distributed import Runtime
from sccan.engine.optimizers import OptimizerSettings
from sccan.engine.update import Updater
from sccan.episodes.episode import Episode
from sccan.segmentation.methods.sccan import SCCAN

RECIPE = {
    "head": OptimizerSettings("sgd", lr=0.05, schedule="poly"),
    "transformer": OptimizerSettings("adamw", lr=6e-5, weight_decay=0.01),
}


def made_up_episode(size: int, batch: int, shots: int) -> Episode:
    """Noise with boxes for masks."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.zeros(batch, shots + 1, size, size, dtype=torch.int64)
    labels[:, :, size // 4 : size // 2, size // 5 : size // 2] = 1
    images = torch.randn(batch, shots + 1, 3, size, size, generator=generator)
    numbers = torch.arange(batch)
    return Episode(images[:, 1:], labels[:, 1:], images[:, :1], labels[:, :1], numbers[:, None], numbers)


def operations(loss_of: Callable[[SCCAN, Episode], Tensor], size: int, batch: int, shots: int, depth: int) -> list[int]:
    """Operations of one step forward and backward, two per multiply-add, counted without computing anything."""
    with FakeTensorMode():
        model, episode = SCCAN(DeepStemResNet(depth)).train(), made_up_episode(size, batch, shots)
        counts = []
        with FlopCounterMode(display=False) as counter:
            loss = loss_of(model, episode)
        counts.append(counter.get_total_flops())
        with FlopCounterMode(display=False) as counter:
            loss.backward()
        return [*counts, counter.get_total_flops()]


def main() -> None:
    """Measures a training step in the plain order and as this project does it, in turn, in processor seconds."""
    command = argparse.ArgumentParser(description=main.__doc__)
    command.add_argument("--size", type=int, default=257, help="side of the pictures")
    command.add_argument("--batch", type=int, default=2, help="episodes per step")
    command.add_argument("--shots", type=int, default=1)
    command.add_argument("--depth", type=int, default=50, help="of the ResNet")
    command.add_argument("--repeats", type=int, default=5, help="measured steps of either, after one for warming up")
    command.add_argument("--precision", default="float32", help="of this project's steps: float32 | bf16")
    command.add_argument("--count", action="store_true", help="count operations instead")
    args = command.parse_args()
    if args.count:
        for name, loss_of in (("plain", plain_loss), ("ours", lambda model, e: model.loss(model(e), e)["total"])):
            forward, backward = operations(loss_of, args.size, args.batch, args.shots, args.depth)
            print(f"{name}: {forward / 1e12:.2f} T forward, {backward / 1e12:.2f} T backward")
        return
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = SCCAN(DeepStemResNet(args.depth)).train()
    episode = made_up_episode(args.size, args.batch, args.shots)
    plain = plain_step(model)
    updater = Updater(
        model.to(memory_format=torch.channels_last),
        RECIPE,
        args.repeats + 2,
        Runtime(torch.device("cpu")),
        precision=args.precision,
    )
    seconds: list[tuple[float, float]] = []
    for number in range(1, args.repeats + 2):
        began = time.process_time()
        plain(episode)
        between = time.process_time()
        updater.step(number, [episode], 1)
        seconds.append((between - began, time.process_time() - between))
        print(f"plain {seconds[-1][0]:.2f} s, ours {seconds[-1][1]:.2f} s", flush=True)
    ratios = [one / other for one, other in seconds[1:]]
    first, second = (statistics.median(column) for column in zip(*seconds[1:], strict=True))
    print(
        f"medians of {args.repeats}: plain {first:.2f} s, ours {second:.2f} s, ratio {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
