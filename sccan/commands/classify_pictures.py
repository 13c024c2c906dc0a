"""What `sccan classify` does, once its command line is read."""

from __future__ import annotations

import argparse
import contextlib
import csv
import functools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sccan.builders.released.trained import load_trained
from sccan.classification.classifying import NONE
from sccan.commands.entry import say
from sccan.engine.distributed import Runtime, start
from sccan.engine.progress import Progress
from sccan.errors import InputError, nearest
from sccan.files.alone import alone_in
from sccan.files.made import Made
from sccan.files.plain import plain
from sccan.files.reading import list_text
from sccan.files.safe_names import safe_names
from sccan.files.spool import Spool
from sccan.files.tally import Tally
from sccan.files.writing import written_beside
from sccan.pictures.photos import Photo, find_photos
from sccan.predict.classifier import Classifier, DoubtfulExample
from sccan.predict.embedding import Embedding
from sccan.predict.supports import Supports
from sccan.report.classified import FILES, ContactSheet, DoubtfulCard, Entry, write_classified
from sccan.report.tables import without_apostrophe

SORTED = "sorted"
"""Folder of the copies."""
AT_A_TIME = 4096
"""Pictures after which processes tell the first what they have found."""
Found = tuple[str, str, list[float], float]
"""Picture, class, probabilities and likeness."""


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
    places = {photo.name: place for place, photo in enumerate(photos)}
    dealt = runtime.world_size > 1 and not classifier.is_transductive and kept is None
    with contextlib.ExitStack() as stack:
        with runtime.main_first():
            if runtime.is_main:
                stack.enter_context(alone_in(args.out))
                made = Made(args.out)
                made.require(FILES)
                made.require_folder(SORTED)
                spool = stack.enter_context(Spool(args.out))
        shares = list(_shares(photos, classifier.batch, runtime)) if dealt else [photos if runtime.is_main else []]
        with Progress(sum(map(len, shares)), "classifying", unit="picture", shown=runtime.is_main) as bar:

            def failed(photo: Photo, error: InputError) -> None:
                problems[photo.name] = str(error)
                bar.advance()

            def found(share: list[Photo]) -> Iterator[Found]:
                for one in classifier.each(
                    supports,
                    kept if kept is not None and runtime.is_main else share,
                    none_below=args.none_below,
                    reject=args.reject,
                    on_error=failed,
                    told=told,
                ):
                    yield one.picture, one.name, list(one.probabilities.values()), one.likeness
                    bar.advance()

            for share in shares:
                for record in _of_all(found(share), places, runtime) if dealt else found(share):
                    spool.add(record)
        outcomes = runtime.gather(json.dumps([problems, list(told)]))
        if not runtime.is_main:
            return 0
        for others_problems, others_told in map(json.loads, outcomes[1:]):
            problems |= others_problems
            told.extend((what, name) for what, name in others_told)
        entries = _Entries(spool, truth)

        def read(name: str) -> np.ndarray:
            return photos[places[name]].read()

        sheet = ContactSheet(supports.class_names, read, limit, _cards(supports, doubtful))
        say(*(f"wrote {path}" for path in write_classified(made, entries, sheet)))
        if args.sort:
            _sort(made, ((one.label, photos[places[one.picture]]) for one in entries), supports.class_names)
        unread = [f"not classified: {photo.name}: {problems[photo.name]}" for photo in photos if photo.name in problems]
        say(*_summary(entries), *told.lines(), *unread)
    return 1 if problems else 0


@dataclass(frozen=True)
class _Entries(Iterable[Entry]):
    """What was found, read from the disk whenever it is walked through.

    Attributes:
        found: a `Found` of every picture, in their order.
        truth: the class of those whose class is known.
    """

    found: Spool
    truth: Mapping[str, str]

    def __iter__(self) -> Iterator[Entry]:
        for picture, label, probabilities, likeness in self.found:
            yield Entry(picture, label, probabilities, likeness, self.truth.get(picture))


def _shares(photos: list[Photo], together: int, runtime: Runtime) -> Iterator[list[Photo]]:
    """The pictures of this process, in as many shares as every process has, of about `AT_A_TIME` of all together.

    A share is every so many-th group of those that are computed together.
    """
    stride = together * runtime.world_size
    length = -(-AT_A_TIME // stride) * stride
    for first in range(0, len(photos), length):
        groups = range(first + runtime.rank * together, min(first + length, len(photos)), stride)
        yield [photo for start in groups for photo in photos[start : start + together]]


def _of_all(found: Iterable[Found], places: Mapping[str, int], runtime: Runtime) -> list[Found]:
    """What all processes have found of their shares, in the order of the pictures; on the first process alone."""
    parts = runtime.gather(json.dumps(list(found)))
    if not runtime.is_main:
        return []
    return sorted((one for part in parts for one in json.loads(part)), key=lambda one: places[one[0]])


def _cards(supports: Supports, doubtful: Sequence[DoubtfulExample]) -> list[DoubtfulCard]:
    return [
        DoubtfulCard(one.name, supports.examples[one.number].image, one.class_name, one.own, one.nearest, one.other)
        for one in doubtful
    ]


def _sort(made: Made, labelled: Iterable[tuple[str, Photo]], class_names: Sequence[str]) -> None:
    """Copies of the pictures, in a folder per class."""
    if old := made.clear(SORTED):
        say(f"removed {old} copies of an earlier run from {made.folder / SORTED}")
    folders = safe_names((*class_names, NONE))
    say(*(f"the copies of {name!r} are in {SORTED}/{folder}" for name, folder in folders.items() if folder != name))
    for label, photo in labelled:
        with written_beside(made.claim(f"{SORTED}/{folders[label]}/{photo.name}"), durable=False) as copy:
            photo.copy_to(copy)


def _truth(
    photos: list[Photo], class_names: tuple[str, ...], table: Path | None, *, shown: bool = True
) -> Mapping[str, str]:
    """The class of every picture whose class is known: from a table, or its sub-folder.

    Args:
        shown: say which rows of the table are passed over.
    """
    if table is None:
        known = {name: name for name in class_names}
        folders = ((photo.name, known.get(Path(photo.name).parts[0])) for photo in photos)
        return {name: folder for name, folder in folders if folder is not None}
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


def _summary(entries: Iterable[Entry]) -> list[str]:
    """How many of each class, and the share that is right where that is known."""
    counts = Counter[str]()
    known = right = unsure = 0
    for one in entries:
        counts[one.label] += 1
        known += one.truth is not None
        right += one.label == one.truth
        unsure += one.truth is not None and one.label == NONE
    lines = [f"{count:6}  {name}" for name, count in counts.most_common()]
    if known:
        told = f", {unsure} of them none of these" if unsure else ""
        lines.append(f"accuracy: {100 * right / known:.1f} % ({right} of {known} pictures{told})")
    return lines
