"""Features of one's own pictures, once: a vector each in one file, and whole maps in a folder."""

from __future__ import annotations

from pathlib import Path

from sccan.commands.entry import importing, parser
from sccan.commands.own_pictures import add_compute_options, add_model_option
from sccan.errors import InputError

EXAMPLE = """  sccan embed photos/ --out features.safetensors
  sccan classify --support kinds/ --images photos/ --features features.safetensors --out classified/

  sccan embed photos/ --out features.safetensors --maps maps/
  sccan segment --support examples/ --images photos/ --maps maps/ --out masks/

Exit code 1: some pictures could not be read; they are named at the end, and all others are done."""
SUFFIX = ".safetensors"


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: the file holds a vector of every picture; 1: some could not be read."""
    command = parser("Features of pictures in one file: for classify, for clustering and search.", EXAMPLE)
    command.add_argument("images", type=Path, nargs="+", metavar="PATH", help="pictures, or folders of them")
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help=f"the file to write, {SUFFIX}")
    command.add_argument(
        "--maps", type=Path, default=None, metavar="DIR",
        help="also keep the whole maps, for segment: those of the model if it segments, else of segment's default; "
        "2 MB per picture with that one, and an interrupted command goes on",
    )  # fmt: skip
    add_model_option(command, "classify")
    add_compute_options(command)
    args = command.parse_args(argv)
    if args.out.suffix != SUFFIX:
        raise InputError(f"--out is {args.out}, but features are written as safetensors; let it end in {SUFFIX}")
    with importing():
        from sccan.commands.embed_pictures import embed_pictures  # torch takes seconds

    return embed_pictures(args)
