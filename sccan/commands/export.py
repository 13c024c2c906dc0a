"""A model as ONNX graphs, for programs without torch."""

from __future__ import annotations

from pathlib import Path

from sccan.commands.entry import importing, parser
from sccan.commands.own_pictures import add_model_option, add_opts_option, require_apart

EXAMPLE = """  sccan export --support examples/ --out graphs/
  sccan export --model runs/coco_mini_split0 --support examples/ --out graphs/ --size 320
  sccan export --model classify --support kinds/ --out graphs/

The examples are learned, and the graphs are compared with torch on them; where they deviate nothing is written."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: graphs, states and export.json are written."""
    command = parser("Write a model as ONNX graphs, proved on examples of your own.", EXAMPLE)
    add_model_option(command, "segment")
    command.add_argument(
        "--support", type=Path, required=True, metavar="DIR", help="examples, as sccan segment or classify takes them"
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="graphs go here")
    command.add_argument("--size", type=int, default=0, metavar="PIXELS", help="side of the network's input")
    command.add_argument("--overwrite", action="store_true", help="replace files that are there")
    add_opts_option(command)
    args = command.parse_args(argv)
    require_apart(args.out, args.support)
    with importing():
        from sccan.commands.export_model import export_model  # torch takes seconds

    return export_model(args)
