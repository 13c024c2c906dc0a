"""What `sccan label` does behind its page, once the page is there: loads the model and opens the folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from fastapi import FastAPI

from sccan.builders.released.trained import load_trained
from sccan.commands.entry import say
from sccan.page.fitting import Fitter
from sccan.page.server import build_app
from sccan.page.session import Session
from sccan.predict.segmenter import Segmenter


def label_folder(args: argparse.Namespace) -> FastAPI:
    """The routes of the folder's session.

    Raises InputError: the model is none that makes masks, a class name is unfit, or a pair of files is none.
    """
    segmenter = Segmenter(load_trained(args.model), device=args.device, engine=args.engine)
    names = [name for name in args.classes.split(",") if name.strip()]
    session = Session(args.folder, segmenter, names, fitter=_fitter(args.sam))
    say(f"model: {segmenter!r}", f"{len(session.gallery.photos)} pictures", *session.notes)
    return build_app(session)


def _fitter(files: list[Path] | None) -> Fitter | None:
    """The pair that was named, loaded. Raises InputError: it cannot be."""
    if files is None:
        return None
    from sccan.page.sam import Sam

    return Sam(*files)
