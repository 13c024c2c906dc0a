"""A published checkpoint becomes a safetensors file that says what it is, and can prove that it computes the same."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from sccan.builders.backbones import backbone_name
from sccan.builders.checkpoints import sha256
from sccan.builders.released.checkpoint import Released, model_settings, read_released
from sccan.commands.entry import add_config_options, parser, say
from sccan.commands.fixed_input_check import FixedInputCheck, fixed_input_check
from sccan.engine.checkpoint import write_weights
from sccan.engine.environment import source_revision
from sccan.errors import InputError
from sccan.files.inside import real

EXAMPLE = """  python tools/convert_checkpoint.py train_epoch_43_0.6753.pth --prove
  python tools/convert_checkpoint.py exp/pascal/SCCAN/split*/resnet50/snapshot/train_epoch_*.pth --out converted
  python tools/convert_checkpoint.py best_model.pth.tar --out can.safetensors --opts PICTURE.CHANNELS bgr"""
ENDINGS = (".tar", ".pth", ".pt", ".safetensors")
SELECTION = {
    "sccan": "mIoU on episodes of the test fold, best epoch of the training (as published)",
    "bam": "mIoU on episodes of the test fold, best epoch of the training (as published)",
    "pspnet": "pixel mIoU over base classes on the whole test list, best epoch of the training (as published)",
}
"""How the published scripts choose the epoch whose score they put into the file's name."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: all are converted (and proved, if asked for); 1: a proof failed."""
    command = parser(
        "Convert published checkpoints of every system to safetensors with a header: system, settings, checksum of the "
        "source, published score. The system is recognised by its parameter names; a missing or surplus name is an "
        "error.",
        EXAMPLE,
    )
    command.add_argument("source", type=Path, nargs="+", metavar="FILE", help="published checkpoint (.pth, .pth.tar)")
    command.add_argument(
        "--out", type=Path, default=None, metavar="PATH",
        help="file (for one source) or folder to write to; default: beside the source",
    )  # fmt: skip
    command.add_argument("--overwrite", action="store_true", help="replace files that are there")
    command.add_argument(
        "--prove", action="store_true",
        help="run both files on fixed inputs, print numbers to compare, and check that all bits are the same",
    )  # fmt: skip
    add_config_options(command, required=False)
    args = command.parse_args(argv)
    targets = _targets(args)
    proved = True
    for source, target in zip(args.source, targets, strict=True):
        released = read_released(source, config=args.config or "", opts=args.opts)
        before = _convert(released, source, target, prove=args.prove)
        say(f"{source}: {released.note}", f"  -> {target} ({len(released.state)} tensors)")
        if before is not None:
            proved &= _proved(before, target)
    return 0 if proved else 1


def _targets(args: argparse.Namespace) -> list[Path]:
    """Where every source goes. Raises InputError: two go to one file, or a file is there already."""
    out: Path | None = args.out
    if out is not None and (out.suffix == ".safetensors" or out.is_file()):
        if len(args.source) > 1:
            raise InputError(f"--out {out} is one file, but there are {len(args.source)} sources; give a folder")
        targets = [out]
    else:
        targets = [(out or source.parent) / f"{_stem(source)}.safetensors" for source in args.source]
    for number, target in enumerate(targets):
        if target in targets[:number]:
            raise InputError(f"two sources would both become {target}; convert them one by one, with --out FILE")
        if target.exists() and not args.overwrite:
            raise InputError(f"{target} is already there; give --overwrite to replace it, or another --out")
        if real(target) == real(args.source[number]):
            raise InputError(f"{target} is the source itself; give another --out")
    return targets


def _stem(source: Path) -> str:
    stem = source.name
    while stem.endswith(ENDINGS):
        stem = stem.rpartition(".")[0]
    return stem


def _convert(released: Released, source: Path, target: Path, *, prove: bool) -> FixedInputCheck | None:
    """Write the weights under our names, after a strict load; the check of the published file, if it is wanted."""
    model = released.build()
    own = model.state_dict()
    check = fixed_input_check(released, model) if prove else None
    weights = {name: value for name, value in released.state.items() if name in own}
    write_weights(target, weights, header_of(released, source))
    return check


def header_of(released: Released, source: Path) -> dict[str, Any]:
    """What the converted file says about itself."""
    names = ("data", "fold", "shots", "epoch", "score")
    facts: dict[str, Any] = {"method": released.system, "backbone": backbone_name(released.cfg)}
    facts |= {name: released.header[name] for name in names if name in released.header}
    if "score" in facts and released.system in SELECTION:
        facts["selection"] = SELECTION[released.system]
    return {
        **facts,
        "settings": model_settings(released.cfg),
        "note": released.note,
        "source": {"file": source.name, "sha256": sha256(source), "bytes": source.stat().st_size},
        "converted": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": source_revision(),
    }


def _proved(before: FixedInputCheck, target: Path) -> bool:
    """Run the converted file on the same inputs and say whether all bits agree."""
    converted = read_released(target)
    after = fixed_input_check(converted, converted.build())
    print("\n".join(f"  {line}" for line in before.lines()))
    if "score" in converted.header:
        say(f"  published score {converted.header['score']}")
    verdict = "the same in every bit" if before.same(after) else "NOT THE SAME"
    print(f"  published file and converted file: {verdict} (torch {torch.__version__})")
    return before.same(after)
