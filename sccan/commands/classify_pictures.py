"""What `sccan classify` does, once its command line is read."""

from __future__ import annotations

import argparse
import contextlib
import csv
import functools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from sccan.builders.released.trained import load_trained
from sccan.classification.classifying import NONE
from sccan.commands.entry import say
from sccan.engine.distributed import Runtime, start
from sccan.engine.progress import Progress
from sccan.errors import InputError, nearest
from sccan.files.alone import alone_in
from sccan.files.made import Made
from sccan.files.photos import Photo, find_photos
from sccan.files.plain import plain
from sccan.files.reading import list_text
from sccan.files.safe_names import safe_names
from sccan.files.tally import Tally
from sccan.files.writing import written_beside
from sccan.predict.classifier import Classifier, DoubtfulExample
from sccan.predict.embedding import Embedding
from sccan.predict.supports import Supports
from sccan.report.classified import FILES, ContactSheet, DoubtfulCard, Entry, write_classified
from sccan.report.tables import without_apostrophe

SORTED = "sorted"
"""Folder of the copies."""


def classify_pictures(args: argparse.Namespace) -> int:
    """Exit code 0: every picture has got a class, or none; 1: some could not be read.

    Processes that torchrun started share the pictures, unless the method looks at all of them together; the first
    keeps the folder and says what there is to say.
    """
    with start(args.device) as runtime:
        return _classify(args, runtime)


def _classify(args: argparse.Namespace, runtime: Runtime) -> int:
    classifier = Classifier(
        load_trained(args.model, args.opts),
        device=str(runtime.device),
        precision=args.precision,
        batch=args.batch,
        engine=args.engine,
    )
    supports = Supports.from_folder(args.support)
    passed, told = Tally(), Tally()
    photos = find_photos(args.images, leave_out=[args.out], passed=passed)
    truth = _truth(photos, supports.class_names, args.labels, shown=runtime.is_main)
    kept = Embedding.load(args.features).of([photo.name for photo in photos]) if args.features else None
    tell = functools.partial(say, shown=runtime.is_main)
    tell(f"model: {classifier.trained.note}", f"examples: {supports!r}", *supports.notes, *passed.lines())
    tell(*supports.told_twice())
    doubtful = classifier.doubtful(supports)  # bad examples are told before any file is written
    limit = str(classifier.rejection(supports, args.reject)) if args.reject else ""
    tell(*(str(one) for one in doubtful), *([limit] if limit else []))
    problems: dict[str, str] = {}
    alone = classifier.is_transductive or kept is not None
    own = (photos if runtime.is_main else []) if alone else _own_share(photos, classifier.batch, runtime)
    with contextlib.ExitStack() as stack:
        with runtime.main_first():
            if runtime.is_main:
                stack.enter_context(alone_in(args.out))
                made = Made(args.out)
                made.require(FILES)
                made.require_folder(SORTED)
        with Progress(len(own), "classifying", unit="picture", shown=runtime.is_main) as bar:

            def failed(photo: Photo, error: InputError) -> None:
                problems[photo.name] = str(error)
                bar.advance()

            found: dict[str, tuple[str, list[float], float]] = {}
            for one in classifier.each(
                supports,
                kept if kept is not None and runtime.is_main else own,
                none_below=args.none_below,
                reject=args.reject,
                on_error=failed,
                told=told,
            ):
                found[one.picture] = one.name, list(one.probabilities.values()), one.likeness
                bar.advance()
        outcomes = runtime.gather(json.dumps([found, problems, list(told)]))
        if not runtime.is_main:
            return 0
        for others_found, others_problems, others_told in map(json.loads, outcomes[1:]):
            found |= others_found
            problems |= others_problems
            told.extend((what, name) for what, name in others_told)
        entries = []
        for photo in photos:
            if photo.name in found:
                name, probabilities, likeness = found[photo.name]
                entries.append(Entry(photo.name, name, tuple(probabilities), likeness, truth.get(photo.name)))
        by_name = {photo.name: photo for photo in photos}
        sheet = ContactSheet(supports.class_names, lambda name: by_name[name].read(), limit, _cards(supports, doubtful))
        say(*(f"wrote {path}" for path in write_classified(made, entries, sheet)))
        if args.sort:
            _sort(made, entries, by_name, supports.class_names)
    unread = [f"not classified: {photo.name}: {problems[photo.name]}" for photo in photos if photo.name in problems]
    say(*_summary(entries), *told.lines(), *unread)
    return 1 if problems else 0


def _own_share(photos: list[Photo], together: int, runtime: Runtime) -> list[Photo]:
    """The pictures of this process: every so many-th group of those that are computed together."""
    groups = [photos[start : start + together] for start in range(0, len(photos), together)]
    return [photo for group in groups[runtime.rank :: runtime.world_size] for photo in group]


def _cards(supports: Supports, doubtful: Sequence[DoubtfulExample]) -> list[DoubtfulCard]:
    return [
        DoubtfulCard(one.name, supports.examples[one.number].image, one.class_name, one.own, one.nearest, one.other)
        for one in doubtful
    ]


def _sort(made: Made, entries: list[Entry], photos: Mapping[str, Photo], class_names: Sequence[str]) -> None:
    """Copies of the pictures, in a folder per class."""
    if old := made.clear(SORTED):
        say(f"removed {old} copies of an earlier run from {made.folder / SORTED}")
    folders = safe_names((*class_names, NONE))
    say(*(f"the copies of {name!r} are in {SORTED}/{folder}" for name, folder in folders.items() if folder != name))
    for one in entries:
        with written_beside(made.claim(f"{SORTED}/{folders[one.label]}/{one.picture}"), durable=False) as copy:
            photos[one.picture].copy_to(copy)


def _truth(
    photos: list[Photo], class_names: tuple[str, ...], table: Path | None, *, shown: bool = True
) -> Mapping[str, str]:
    """The class of every picture whose class is known: from a table, or its sub-folder.

    Args:
        shown: say which rows of the table are passed over.
    """
    if table is None:
        folders = {photo.name: Path(photo.name).parts[0] for photo in photos}
        return {name: folder for name, folder in folders.items() if folder in class_names}
    try:
        rows = [
            [without_apostrophe(cell.strip()) for cell in row]
            for row in csv.reader(list_text(table, "labels").splitlines())
            if row
        ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"labels {table} cannot be read: {error}; expected lines 'picture,class'") from error
    names = {photo.name for photo in photos}
    found: dict[str, str] = {}
    for row in rows:
        if len(row) > 1 and row[0] in names and found.setdefault(row[0], row[1]) != row[1]:
            raise InputError(
                f"labels {table} give {plain(row[0])} two classes, {plain(found[row[0]])} and {plain(row[1])}; every "
                "picture has one"
            )
    others = Tally(
        ("rows of the labels that name no picture, passed over", row[0]) for row in rows if row[0] not in names
    )
    say(*others.lines(), shown=shown)
    if not found:
        raise InputError(f"labels {table} name none of the {len(photos)} pictures; expected lines 'picture,class'")
    unknown = next((label for label in found.values() if label not in class_names), None)
    if unknown is not None:
        raise InputError(
            f"labels {table} name the class {unknown!r}, which has no example{nearest(unknown, class_names)}"
        )
    return found


def _summary(entries: list[Entry]) -> list[str]:
    """How many of each class, and the share that is right where that is known."""
    lines = [f"{count:6}  {name}" for name, count in Counter(one.label for one in entries).most_common()]
    known = [one for one in entries if one.truth is not None]
    if known:
        right = sum(one.label == one.truth for one in known)
        unsure = sum(one.label == NONE for one in known)
        told = f", {unsure} of them none of these" if unsure else ""
        lines.append(f"accuracy: {100 * right / len(known):.1f} % ({right} of {len(known)} pictures{told})")
    return lines
