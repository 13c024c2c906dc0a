"""What `sccan embed` does, once its command line is read."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence

from sccan.commands.entry import say
from sccan.engine.progress import Progress
from sccan.errors import InputError
from sccan.files.made import made_beside
from sccan.files.tally import Tally
from sccan.pictures.photos import Photo, find_photos
from sccan.predict.classifier import Classifier
from sccan.predict.loading import load
from sccan.predict.segmenter import Segmenter


def embed_pictures(args: argparse.Namespace) -> int:
    """Exit code 0: there are features of every picture; 1: some could not be read."""
    made = made_beside(args.out, "--out")
    model = load(
        args.model, device=args.device, precision=args.precision, batch=args.batch, engine=args.engine, opts=args.opts
    )
    passed, told, problems = Tally(), Tally(), dict[str, str]()
    photos = find_photos(args.images, passed=passed)
    say(f"model: {model.trained.note}", *passed.lines())
    if args.maps is not None:
        _keep_maps(args, model, photos, problems)
    with Progress(len(photos), "encoding", unit="picture") as bar:
        failed = functools.partial(_left_out, problems, bar)
        found = model.embed(photos, on_error=failed, told=told, advance=bar.advance)
    say(f"wrote {found.save(made.claim(args.out.name))}: {found!r}", *told.lines())
    say(*(f"left out: {name}: {why}" for name, why in problems.items()))
    return 1 if problems else 0


def _keep_maps(
    args: argparse.Namespace, model: Segmenter | Classifier, photos: Sequence[Photo], problems: dict[str, str]
) -> None:
    """Of the model, or where that makes no masks, of the one that `sccan segment` takes."""
    if not isinstance(model, Segmenter):
        model = load("segment", device=args.device, precision=args.precision, batch=args.batch, engine=args.engine)
        assert isinstance(model, Segmenter)
        say(f"maps: {model.trained.note}")
    with Progress(len(photos), "encoding maps", unit="picture") as bar:
        failed = functools.partial(_left_out, problems, bar)
        kept = model.keep_maps(photos, args.maps, on_error=failed, advance=bar.advance)
    say(f"wrote {kept.folder}: {kept!r}")


def _left_out(problems: dict[str, str], bar: Progress, photo: Photo, error: InputError) -> None:
    problems[photo.name] = str(error)
    bar.advance()
