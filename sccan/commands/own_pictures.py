"""What `segment` and `classify` share: a model, examples and pictures of one's own, and a folder for what is found."""

from __future__ import annotations

import argparse
from pathlib import Path

from sccan.engine.engines import ENGINES
from sccan.engine.precisions import PRECISIONS
from sccan.errors import InputError
from sccan.files.inside import real


def add_picture_options(command: argparse.ArgumentParser, *, model: str, support: str, out: str) -> None:
    """--model, --support, --images and --out.

    Args:
        model: name of the one that is taken where none is named.
        support: what the folder of examples holds, for --help.
        out: what is written, for --help.
    """
    add_model_option(command, model)
    command.add_argument("--support", type=Path, required=True, metavar="DIR", help=support)
    command.add_argument(
        "--images",
        type=Path,
        required=True,
        nargs="+",
        metavar="PATH",
        help="pictures, folders of them, lists (.txt: a path per line), or shards (.tar, also name-{000..127}.tar)",
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help=out)


def add_model_option(command: argparse.ArgumentParser, model: str) -> None:
    """--model.

    Args:
        model: name of the one that is taken where none is named.
    """
    command.add_argument(
        "--model", default=model, metavar="M",
        help="run folder, .safetensors, published .pth file, hf://OWNER/NAME, or a name that `sccan models` lists "
        "(default: one that needs no training and is installed)",
    )  # fmt: skip


def add_compute_options(command: argparse.ArgumentParser) -> None:
    """--device, --precision, --engine, --batch and --opts."""
    command.add_argument("--device", default="auto", help="auto (CUDA where there is one) | cpu | cuda | cuda:N")
    command.add_argument("--precision", default="float32", choices=list(PRECISIONS), help="default: float32")
    add_engine_option(command)
    command.add_argument(
        "--batch", type=int, default=0, help="pictures computed together (default: 1 on a CPU, 4 elsewhere)"
    )
    add_opts_option(command)


def add_opts_option(command: argparse.ArgumentParser) -> None:
    """--opts."""
    command.add_argument(
        "--opts", nargs=argparse.REMAINDER, default=[], metavar="KEY VALUE",
        help="settings that replace those of the model, to the end of the line",
    )  # fmt: skip


def add_engine_option(command: argparse.ArgumentParser) -> None:
    """--engine."""
    command.add_argument(
        "--engine", default="auto", choices=list(ENGINES),
        help="what computes a frozen backbone: torch, or onnx (CPU, float32, sccan[onnx]); auto: the quicker one",
    )  # fmt: skip


def add_learn_option(command: argparse.ArgumentParser) -> None:
    """--learn."""
    command.add_argument(
        "--learn", type=_count, default=0, metavar="N",
        help="learn from the pictures too: those of each class that were found best, at most N, and find the examples "
        "again, become examples as they were found (default: 0, none)",
    )  # fmt: skip


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) > 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to 1000")
    return int(text)


def require_apart(out: Path, support: Path) -> None:
    """Raises InputError: results would be written into the examples, and be read as some the next time."""
    if real(out).is_relative_to(real(support)):
        raise InputError(
            f"--out {out} lies in the examples {support}, where results would become examples; name another folder"
        )
