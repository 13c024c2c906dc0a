"""What `sccan embed` does, once its command line is read."""

from __future__ import annotations

import argparse

from sccan.commands.entry import say
from sccan.engine.progress import Progress
from sccan.errors import InputError
from sccan.files.photos import Photo, find_photos
from sccan.files.tally import Tally
from sccan.predict.loading import load


def embed_pictures(args: argparse.Namespace) -> int:
    """Exit code 0: the file holds a vector of every picture; 1: some could not be read."""
    model = load(
        args.model, device=args.device, precision=args.precision, batch=args.batch, engine=args.engine, opts=args.opts
    )
    passed, told, problems = Tally(), Tally(), dict[str, str]()
    photos = find_photos(args.images, passed=passed)
    say(f"model: {model.trained.note}", *passed.lines())
    with Progress(len(photos), "encoding", unit="picture") as bar:

        def failed(photo: Photo, error: InputError) -> None:
            problems[photo.name] = str(error)
            bar.advance()

        found = model.embed(photos, on_error=failed, told=told, advance=bar.advance)
    say(f"wrote {found.save(args.out)}: {found!r}", *told.lines())
    say(*(f"left out: {name}: {why}" for name, why in problems.items()))
    return 1 if problems else 0
