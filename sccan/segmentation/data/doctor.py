"""A read-only pass over a data set: every listed file is opened, and every finding says what to do.

The checks are the ones whose failure costs most in this field: files that are not there, palettes taken for grey
levels, labels of another size, classes too small for the shots, and lists that are not the published ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from sccan.episodes.index import IGNORE, ClassIndex, FoldLists
from sccan.errors import InputError
from sccan.files.parallel import in_parallel
from sccan.files.tally import Note, Tally
from sccan.pictures.decoding import image_size, read_image, read_label, read_whole
from sccan.report.findings import Finding, Level, repeated
from sccan.segmentation.data.labels.palette import voc_luminances
from sccan.segmentation.data.prepare.counts import compare_counts, count_table, published_counts, verdict
from sccan.segmentation.data.sets.datasets import Dataset
from sccan.segmentation.data.sets.folds import MIN_PIXELS, Fold, base_lists, novel_lists
from sccan.segmentation.data.sets.lists import Pairs
from sccan.segmentation.data.sets.record import UNKNOWN, label_variant

PALETTE_TYPE = 3
"""Colour type in the header of a PNG with a palette."""
PARTS = ("train", "val")

PROBLEMS = {
    "missing image": ("{n} listed images are not there", "unpack the whole archive, or check DATA.ROOT and the list"),
    "missing label": ("{n} listed labels are not there", "prepare the data set (tools/prepare.py), or check the list"),
    "unreadable image": ("{n} images cannot be decoded", "unpack or copy these files again"),
    "unreadable label": ("{n} labels cannot be decoded as class numbers", "make these labels again (tools/prepare.py)"),
    "size mismatch": ("{n} labels are of another size than their image", "use image and label of one release"),
    "label values": (
        "{n} labels hold values that are no class",
        "check DATA.NAME and the class names; allowed are 0, the classes and 255",
    ),
    "palette as grey": (
        "{n} labels hold grey levels of VOC's palette instead of class numbers",
        "somebody read palette PNGs as grey pictures; make the labels again from the originals (tools/prepare.py)",
    ),
}
"""Kind of problem -> message and advice; each keeps training from starting."""


@dataclass(frozen=True)
class Question:
    """What the data set is to be used for.

    Attributes:
        fold: number of the fold; None: all of them.
        n_shot: supports per episode.
        min_pixels: what makes a class count in a picture.
        novel_pixels: training pictures with novel pixels: drop | background.
        skip_small: classes with too few pictures may be left out.
        decode: decode every image; else only its header is read.
        workers: processes.
    """

    fold: int | None = None
    n_shot: int = 1
    min_pixels: int = MIN_PIXELS
    novel_pixels: str = "drop"
    skip_small: bool = False
    decode: bool = True
    workers: int = 1


@dataclass(frozen=True, eq=False)
class PairReport:
    """What was found in an image and its label.

    Attributes:
        problem: key of `PROBLEMS` and a sentence; None: none.
        palette: whether the label is a palette PNG.
        row: height, width, pixels of 255, pixels of 0..n; None where there is a problem.
        notes: what was done to the picture while it was read.
    """

    problem: tuple[str, str] | None
    palette: bool = False
    row: np.ndarray | None = None
    notes: tuple[Note, ...] = ()


def examine(dataset: Dataset, root: Path, question: Question) -> list[Finding]:
    """Everything there is to say about a data set; nothing is written."""
    findings = [Finding("note", "folder", line) for line in dataset.notes]
    parts: dict[str, Pairs] = {}
    for part in PARTS:
        try:
            parts[part] = dataset.pairs(root, train=part == "train")
        except InputError as error:
            advice = "prepare the data set (tools/prepare.py), or see docs/your_own_data.md"
            findings.append(Finding("error", f"{part} list", str(error), advice))
    if not parts:
        return findings
    findings += _lists(parts)
    every = list(dict.fromkeys(pair for pairs in parts.values() for pair in pairs))
    work = partial(inspect_pair, root, dataset.n_classes, question.decode, strict=dataset.strict)
    title = f"examining {root.name}"
    found = list(in_parallel(work, every, total=len(every), workers=question.workers, title=title))
    reports = dict(zip(every, found, strict=True))
    findings += _files(reports)
    told = Tally(note for report in found for note in report.notes)
    findings += [Finding("note", "images", line) for line in told.lines()]
    findings += _labels(root, every, reports)
    for part, pairs in parts.items():
        index = _index(dataset, root, pairs, reports)
        if part == "train" or pairs != parts.get("train"):
            findings += _usable(part, index, question)
        findings += _classes(dataset, part, index, question)
        findings += _published(dataset, part, index)
    return findings


def inspect_pair(
    root: Path, n_classes: int, decode: bool, pair: tuple[str, str], *, strict: bool = False
) -> PairReport:
    """Opens an image and its label; a problem is reported, never raised."""
    image, label = root / pair[0], root / pair[1]
    for path, kind in ((image, "image"), (label, "label")):
        if not path.is_file():
            return PairReport((f"missing {kind}", pair[kind == "label"]))
    notes: tuple[Note, ...] = ()
    try:
        if decode and strict:
            whole = read_whole(image, background="none")
            size, notes = whole.pixels.shape[:2], tuple((note, pair[0]) for note in whole.notes)
        else:
            size = read_image(image).shape[:2] if decode else image_size(image)
    except InputError as error:
        return PairReport(("unreadable image", str(error)))
    try:
        values = read_label(label)
    except InputError as error:
        return PairReport(("unreadable label", str(error)))
    palette = _is_palette(label)
    if values.shape != size:
        sizes = f"{values.shape[0]}x{values.shape[1]}, image {size[0]}x{size[1]} (height x width)"
        return PairReport(("size mismatch", f"{pair[1]}: label {sizes}"), palette)
    histogram = np.bincount(values.reshape(-1), minlength=256)
    wrong = n_classes + 1 + np.flatnonzero(histogram[n_classes + 1 : IGNORE])
    if wrong.size:
        held = set(np.flatnonzero(histogram).tolist()) - {0, IGNORE}
        kind = "palette as grey" if held <= voc_luminances() else "label values"
        shown = " ".join(map(str, wrong[:5].tolist()))
        return PairReport((kind, f"{pair[1]}: {shown} (classes are 1..{n_classes})"), palette)
    row = np.concatenate([[*size, histogram[IGNORE]], histogram[: n_classes + 1]])
    return PairReport(None, palette, row, notes)


def _lists(parts: dict[str, Pairs]) -> list[Finding]:
    findings = [Finding("ok", f"{part} list", f"{len(pairs)} pictures") for part, pairs in parts.items()]
    if len(parts) == 2 and set(parts["train"]) != set(parts["val"]):
        shared = sorted({image for image, _ in parts["train"]} & {image for image, _ in parts["val"]})
        if shared:
            advice = "nothing to do where pictures with novel pixels are dropped from training; else part the lists"
            findings.append(repeated("warning", "lists", "{n} pictures are in both lists", advice, shared))
    return findings


def _files(reports: dict[tuple[str, str], PairReport]) -> list[Finding]:
    by_kind: dict[str, list[str]] = {}
    for report in reports.values():
        if report.problem is not None:
            by_kind.setdefault(report.problem[0], []).append(report.problem[1])
    findings = [repeated("error", kind, *PROBLEMS[kind], by_kind[kind]) for kind in PROBLEMS if kind in by_kind]
    return findings or [Finding("ok", "files", f"all {len(reports)} images and labels are readable and fit together")]


def _labels(root: Path, every: Pairs, reports: dict[tuple[str, str], PairReport]) -> list[Finding]:
    findings = []
    palette = [pair for pair in every if reports[pair].palette]
    if palette:
        kind = "all" if len(palette) == len(every) else f"{len(palette)} of {len(every)}"
        advice = "we read their indices; code that reads them as grey pictures would see luminances"
        findings.append(Finding("note", "labels", f"{kind} labels are palette PNGs", advice, len(palette)))
    try:
        variants = sorted({label_variant(root, label) for _, label in every})
    except InputError as error:
        return [*findings, Finding("warning", "label variant", str(error))]
    known = [variant for variant in variants if variant != UNKNOWN]
    if known:
        findings.append(Finding("ok", "label variant", ", ".join(variants)))
    return findings


def _index(dataset: Dataset, root: Path, pairs: Pairs, reports: dict[tuple[str, str], PairReport]) -> ClassIndex:
    """The index of the pictures without a problem."""
    sound = [pair for pair in pairs if reports[pair].row is not None]
    rows = [row for pair in sound if (row := reports[pair].row) is not None]
    table = np.stack(rows) if rows else np.zeros((0, 4 + dataset.n_classes), np.int64)
    images, labels = tuple(image for image, _ in sound), tuple(label for _, label in sound)
    return ClassIndex(root, images, labels, table[:, 3:], table[:, 2], table[:, :2], dataset.class_names)


def _usable(part: str, index: ClassIndex, question: Question) -> list[Finding]:
    """Pictures that no fold can use."""
    usable = (index.counts[:, 1:] >= question.min_pixels).any(axis=1)
    if usable.all():
        return []
    unusable = [index.images[number] for number in np.flatnonzero(~usable)]
    advice = "such pictures are never used; nothing to do unless there are many: then lower DATA.MIN_PIXELS"
    message = f"{{n}} pictures of the {part} list hold no class with {question.min_pixels} pixels"
    return [repeated("note", "usable classes", message, advice, unusable)]


def _classes(dataset: Dataset, part: str, index: ClassIndex, question: Question) -> list[Finding]:
    """Whether the lists of each fold can serve its classes."""
    findings = []
    try:
        folds: Sequence[Fold] = dataset.folds if question.fold is None else [dataset.fold(question.fold)]
        for fold in folds:
            findings.append(_fold(part, fold, _lists_of(part, index, fold, question), question))
    except InputError as error:
        findings.append(Finding("error", "folds", str(error), "correct the setting it names"))
    return findings


def _lists_of(part: str, index: ClassIndex, fold: Fold, question: Question) -> FoldLists:
    if part == "val":
        return novel_lists(index, fold, min_pixels=question.min_pixels)
    return base_lists(index, fold, min_pixels=question.min_pixels, novel_pixels=question.novel_pixels)


def _fold(part: str, fold: Fold, lists: FoldLists, question: Question) -> Finding:
    check = f"fold {fold.number} {part}"
    if not len(lists.items):
        advice = "check the labels, the list and the classes, or lower DATA.MIN_PIXELS"
        return Finding("error", check, f"no picture holds enough of its {len(lists.classes)} classes", advice)
    needed = question.n_shot + 1
    small = {number: len(listed) for number, listed in lists.per_class.items() if len(listed) < needed}
    if not small:
        return Finding("ok", check, f"{len(lists.items)} pictures of {len(lists.classes)} classes")
    level: Level = "warning" if question.skip_small and len(small) < len(lists.classes) else "error"
    shots = "1 shot" if question.n_shot == 1 else f"{question.n_shot} shots"
    message = f"{{n}} of {len(lists.classes)} classes have fewer than the {needed} pictures of {shots} and a query"
    advice = (
        "they are left out (DATA.SKIP_SMALL_CLASSES)"
        if level == "warning"
        else "lower EPISODE.SHOTS, use more pictures, or set DATA.SKIP_SMALL_CLASSES True"
    )
    return repeated(level, check, message, advice, [f"{lists.describe(n)}: {count}" for n, count in small.items()])


def _published(dataset: Dataset, part: str, index: ClassIndex) -> list[Finding]:
    """Counts beside the published ones, for the data sets that have any."""
    if dataset.name not in published_counts():
        return []
    counts = compare_counts(dataset.name, part, index, dataset.folds)
    if all(count.agrees or count.published is None for count in counts):
        return [Finding("ok", f"published {part} counts", verdict(counts))]
    table = count_table([count for count in counts if count.published is not None]).text().splitlines()
    advice = "numbers on these lists do not compare with published ones; see tools/prepare.py and docs/coco_labels.md"
    return [repeated("warning", f"published {part} counts", verdict(counts), advice, table)]


def _is_palette(path: Path) -> bool:
    with path.open("rb") as stream:
        header = stream.read(26)
    return header[:8] == b"\x89PNG\r\n\x1a\n" and header[25:26] == bytes([PALETTE_TYPE])
