"""Segment one's own pictures from a few annotated examples."""

from __future__ import annotations

import argparse
from pathlib import Path

from sccan.commands.entry import importing, parser
from sccan.commands.own_pictures import add_compute_options, add_learn_option, add_picture_options, require_apart
from sccan.errors import InputError
from sccan.segmentation.data.exports.names import FORMAT_NAMES

EXAMPLE = """  sccan segment --support examples/ --images photos/ --out masks/
  where examples/ holds pictures and, beside each or in examples/masks/, a mask PNG of the same name (white on black);
  or LabelMe json files; or one COCO json; several classes: one such sub-folder each, or classes.txt

  sccan segment --model runs/coco_mini_split0 --support examples/ --images photos/ --out masks/
  sccan segment --model sccan.safetensors --support examples/ --images huge.tif --out masks/ --tile 1024
  sccan segment --model train_epoch_43_0.6753.pth --support examples/ --images photos/ --out masks/ --device cuda \\
      --precision bf16 --batch 16 --report

The same command goes on where it was interrupted. Exit code 1: some pictures could not be read; they are named at the
end, and all others are done."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: every picture is segmented; 1: some could not be read."""
    args = _parser().parse_args(argv)
    if args.report and args.no_overlays:
        raise InputError("--report shows overlays; leave out --no-overlays")
    require_apart(args.out, args.support)
    with importing():
        from sccan.commands.segment_pictures import segment_pictures  # torch takes seconds

    return segment_pictures(args)


def _parser() -> argparse.ArgumentParser:
    command = parser("Segment pictures from a few annotated examples.", EXAMPLE)
    add_picture_options(
        command,
        model="segment",
        support="annotated examples (see below)",
        out="label maps and tables go here",
    )
    command.add_argument(
        "--size", type=int, default=0, metavar="PIXELS",
        help="longer side of the network's input (default: the model's)",
    )  # fmt: skip
    command.add_argument(
        "--tile", type=int, default=0, metavar="PIXELS",
        help="cut pictures larger than this into overlapping tiles and blend them (default: 0, never)",
    )  # fmt: skip
    command.add_argument(
        "--maps", type=Path, default=None, metavar="DIR",
        help="maps of the pictures that sccan embed --maps has made with this model: they are not computed again",
    )  # fmt: skip
    command.add_argument("--no-overlays", action="store_true", help="write no pictures with the masks drawn in")
    command.add_argument(
        "--format",
        default="",
        metavar="A,B",
        help=f"also write the masks as {', '.join(FORMAT_NAMES)}, each into OUT/FORMAT/",
    )
    command.add_argument(
        "--instances",
        action="store_true",
        help="one region per connected part instead of one per class, where it matters",
    )
    command.add_argument("--report", action="store_true", help="also write report.html: doubtful examples and pictures")
    command.add_argument("--overwrite", action="store_true", help="replace results made with other settings")
    add_learn_option(command)
    add_compute_options(command)
    return command
