"""The command line of what measures how long a person waits on pictures of one's own."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping

import torch


def parser(description: str | None, *, pictures: int, model: str) -> argparse.ArgumentParser:
    """A parser with --pictures, --side, --threads, --processor and --model.

    Args:
        description: for --help.
        pictures: how many, where none are named.
        model: that is taken where none is named; also the command that takes the same.
    """
    command = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("--pictures", type=int, default=pictures)
    command.add_argument("--side", type=int, default=640, help="width of a picture in pixels (default: 640)")
    command.add_argument("--threads", type=int, default=0, help="of torch (default: its own choice)")
    command.add_argument("--processor", action="store_true", help="seconds of the processor instead of the wall")
    command.add_argument("--model", default=model, metavar="M", help=f"a model, or a name (default: {model})")
    return command


def clock_of(args: argparse.Namespace) -> Callable[[], float]:
    """Seconds as they are asked for; torch takes the threads that were named."""
    if args.threads:
        torch.set_num_threads(args.threads)
    return time.process_time if args.processor else time.perf_counter


def printed(found: Mapping[str, float]) -> None:
    """Prints a line per number."""
    width = max(map(len, found))
    for what, value in found.items():
        print(f"{what:<{width}}{value:9.2f}")
