"""Mark pictures in the browser, find what was marked in the rest of the folder, correct, take the masks along."""

from __future__ import annotations

import argparse
import functools
import os
import sys
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from sccan.commands.entry import importing, parser, say
from sccan.commands.own_pictures import add_engine_option, add_model_option
from sccan.errors import InputError, needs

if TYPE_CHECKING:
    from fastapi import FastAPI

EXAMPLE = """  sccan label photos/
  sccan label photos/ --classes dog,cat --model runs/coco_mini_split0
  sccan label photos/ --port 8000 --no-browser      # and open the address that is printed

Everything that you draw is kept in photos/.sccan/ at once; the same command goes on where you left off."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 when the server was stopped with Ctrl-C."""
    args = _parser().parse_args(argv)
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise InputError(
            "sccan label is a page for one person, which one process serves: start it without torchrun; many processes "
            "find in many pictures by torchrun -m sccan segment, whose masks the page then takes (docs/multi_node.md)"
        )
    with needs("the page", "page"):
        from sccan.page.opening import PageServer
    from sccan.page.places import find_gallery
    from sccan.page.serving import claimed

    if not 0 <= args.port <= 65535:
        raise InputError(f"there is no port {args.port}; give one of 1 to 65535, or leave out --port")
    find_gallery(args.folder)  # an unfit folder is told before anything is written into it
    with claimed(args.folder) as claim, claim.bind(args.port) as bound:
        say(f"{args.folder} at", "", f"    {claim.address}", "", "Ctrl-C ends it. The model loads meanwhile.")
        sys.stdout.flush()
        if not args.no_browser:
            threading.Timer(0.5, webbrowser.open, [claim.address]).start()
        PageServer(functools.partial(_routes, args), claim).run([bound])
    return 0


def _routes(args: argparse.Namespace) -> FastAPI:
    """The session's routes, after torch and the model."""
    with needs("the page", "page"), importing():
        from sccan.commands.label_folder import label_folder

    return label_folder(args)


def _parser() -> argparse.ArgumentParser:
    command = parser("Mark one picture in the browser, find it in the folder, correct, learn again, export.", EXAMPLE)
    command.add_argument("folder", type=Path, metavar="FOLDER", help="your pictures; masks are kept in FOLDER/.sccan")
    add_model_option(command, "segment")
    command.add_argument("--classes", default="", metavar="A,B", help="names of the classes, to begin with")
    command.add_argument("--port", type=int, default=0, metavar="P", help="of the address (default: a free one)")
    command.add_argument("--no-browser", action="store_true", help="only print the address")
    command.add_argument(
        "--sam", nargs=2, type=Path, metavar=("ENCODER", "DECODER"),
        help="two .onnx files of SAM's kind, which then fit the boxes (needs sccan[sam])",
    )  # fmt: skip
    command.add_argument("--device", default="auto", help="auto (CUDA where there is one) | cpu | cuda | cuda:N")
    add_engine_option(command)
    return command
