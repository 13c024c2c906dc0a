"""A whole folder segmented into files: label maps, overlays, COCO annotations, a table; interrupted, it goes on.

OUT/NAME.png             label map: 0 background, 1, 2, ... as in classes.txt
OUT/overlays/NAME.jpg    the picture with the classes drawn in
OUT/annotations.json     COCO's instances, run-length coded
OUT/summary.csv          a line per picture and class
OUT/FORMAT/              the label maps once more in other formats, where they are asked for
"""

from __future__ import annotations

import functools
import itertools
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sccan.errors import InputError
from sccan.files.behind import done_behind
from sccan.files.inside import real
from sccan.files.journal import Journal, Record
from sccan.files.kinds import JOURNAL
from sccan.files.made import RECORD, Made
from sccan.files.plain import as_utf8
from sccan.files.plain import plain as plain_text
from sccan.files.safe_names import folded, shortened, unlike
from sccan.files.tally import Tally
from sccan.files.writing import write_bytes_atomically, write_text_atomically
from sccan.pictures.decoding import read_label
from sccan.pictures.photos import File, Photo
from sccan.pictures.shards import Packed
from sccan.predict.segmented_records import require_sound
from sccan.predict.segmenter import SegmentedPicture, Segmenter
from sccan.predict.supports import Supports
from sccan.report.coco import CodedPicture, CodedRegion, region_of_lengths, run_lengths, write_instances
from sccan.report.pictures import encode
from sccan.report.tables import csv_lines
from sccan.segmentation.data.exports.formats import Options
from sccan.segmentation.data.exports.labelled import Labelled, parts_of, stem_of
from sccan.segmentation.data.exports.whole import require_place, write_export

HELPERS = ".processes"
"""Folder of the journals of all processes but the first, while they work."""
OVERLAYS = "overlays"
SUMMARIES = ("annotations.json", "summary.csv", "classes.txt", "report.html")
LARGEST_OVERLAY = 1600
"""Longer side of a stored overlay, in pixels; larger pictures are made smaller."""
ADVICE = "choose another --out, or --overwrite"
LATE = 2
"""Pictures that may wait to be written while the next one is computed."""
HEADER = ("picture", "class", "pixels", "share", "probability", "confidence", "probably_absent")


class SegmentedFolder:
    """The results of one command in one folder.

    Attributes:
        out: the folder.
        class_names: what was looked for.
        problems: name of every picture that could not be read -> why.
        told: what was done to pictures while they were read.
    """

    def __init__(
        self, out: Path, segmenter: Segmenter, supports: Supports, *, overwrite: bool = False, rank: int = 0
    ) -> None:
        """
        Args:
            out: is made; may hold earlier results of the same model, supports and settings, which are kept.
            overwrite: replace results that were made otherwise.
            rank: number of this process among those that share the work; those behind the first note what they have
                finished in a journal of their own, which the first takes over (see `take_over`).

        Raises InputError: it holds such results, another process works on it, or it cannot be written.
        """
        self.out, self.class_names = out, supports.class_names
        self.segmenter, self.supports, self.overwrite = segmenter, supports, overwrite
        self.problems: dict[str, str] = {}
        self.told = Tally()
        facts: dict[str, Any] = {name: value for name, value in segmenter.facts.items() if name != "model"}
        facts |= {"supports": supports.fingerprint, "classes": list(self.class_names)}
        path = out / HELPERS / str(rank) / JOURNAL if rank else out / JOURNAL
        for one in (out / HELPERS, *((path.parent, path) if rank else (path,))):
            if one.is_symlink():
                raise InputError(f"{one} is a link, and results are not written through links; choose another --out")
        formerly = facts | {"model_digest": segmenter.former_digest}
        self._facts = facts
        self.journal = Journal(path, facts, formerly=formerly, overwrite=overwrite)
        try:
            require_sound(self.journal, self.class_names)
            if not rank:
                self.take_over()  # of processes that were killed
            self.made = Made(out, known=self._known(), overwrite=overwrite, advice=ADVICE)
            self.made.require(SUMMARIES)
        except InputError:
            self.journal.close()
            raise

    def plan(self, photos: Sequence[Photo], *, overlays: bool = True, formats: Sequence[str] = ()) -> dict[str, str]:
        """The pictures that are not finished yet, and where in the folder the label map of each goes.

        Args:
            photos: files.
            overlays: are wanted too.
            formats: that will be exported, each into a sub-folder of its own.

        Raises InputError: a result would replace a picture or a file that is not a result.
        """
        targets = self._targets(photos)
        tops = {folded(inside[0]) for one in targets.values() if len(inside := one.relative_to(self.out).parts) > 1}
        for name in formats:
            if folded(name) in tops:
                raise InputError(
                    f"the results of pictures in {name}/ and the format {name} would share {self.out / name}; segment "
                    "that folder into another --out"
                )
            require_place(self.out / name, overwrite=self.overwrite)
        self.made.require(self._inside(path) for one in targets.values() for path in (one, self.overlay_path(one)))
        return {photo.name: self._inside(targets[photo.name]) for photo in self.left(photos, overlays=overlays)}

    def claim(self, plan: Mapping[str, str], *, overlays: bool = True) -> None:
        """Notes the files of a plan as ours before several processes write them: only one may note.

        Raises InputError: it cannot be written.
        """
        for mask in plan.values():
            self.made.claim(mask)
            if overlays:
                self.made.claim(self._inside(self.overlay_path(self.out / mask)))

    def take_over(self) -> None:
        """Takes what other processes have noted, also those that were killed; none of them may still be working.

        Raises InputError: one is, or a journal is damaged.
        """
        for path in sorted((self.out / HELPERS).glob(f"*/{JOURNAL}")):
            with Journal(path, self._facts, overwrite=True) as journal:
                for name, record in journal.records.items():
                    self.journal.add(name, record)
        shutil.rmtree(self.out / HELPERS, ignore_errors=True)

    def run(
        self,
        photos: Sequence[Photo],
        plan: Mapping[str, str],
        *,
        overlays: bool = True,
        deal: slice = slice(None),
        advance: Callable[[], None] = lambda: None,
    ) -> None:
        """Segments the pictures of a plan.

        Args:
            photos: all files, also those that are finished: which are computed together depends on their places alone.
            plan: of `plan`.
            overlays: write them too.
            deal: which of the groups that are computed together are those of this process.
            advance: called after every picture.

        Raises InputError: a result cannot be written.
        """

        def failed(photo: Photo, error: InputError) -> None:
            self.problems[photo.name] = str(error)
            advance()

        groups = [
            photos[start : start + self.segmenter.together] for start in range(0, len(photos), self.segmenter.together)
        ]
        again = [group for group in groups if any(photo.name in plan for photo in group)][deal]
        own = [photo for group in again for photo in group]
        results = self.segmenter.each(self.supports, own, on_error=failed, told=self.told)
        written = (
            functools.partial(self._write, one, self.out / plan[one.picture], overlays)
            for one in results
            if one.picture in plan
        )
        for _ in done_behind(written, LATE):
            advance()

    def _write(self, result: SegmentedPicture, target: Path, overlays: bool) -> None:
        claim = {"mask": self._inside(target), "source": _source(result.path)}
        # Claimed first: a file that a killed process leaves is known to be ours.
        self.journal.add(result.picture, {**claim, "stamp": None})
        result.save(self.made.claim(self._inside(target)))
        if overlays:
            overlay = self.made.claim(self._inside(self.overlay_path(target)))
            write_bytes_atomically(overlay, encode(result.overlay(LARGEST_OVERLAY), "jpeg"))
        self.journal.add(result.picture, {**claim, **_record(result)})

    def left(self, photos: Sequence[Photo], *, overlays: bool = True) -> list[Photo]:
        """The pictures that have no result yet, or have changed since."""
        return [photo for photo in photos if not self._is_finished(photo, overlays)]

    def finish(self, photos: Sequence[Photo], *, instances: bool = False) -> list[Path]:
        """Writes what sums up all finished pictures, in their order: annotations.json, summary.csv, classes.txt.

        Args:
            instances: annotations are connected parts instead of whole classes.
        """
        info = {"description": f"made by sccan {self.segmenter.facts['method']}", **self.segmenter.facts}
        rows = (
            (name, label, *(region[key] for key in ("pixels", "share", "probability", "confidence")), region["absent"])
            for name, one in self.records(photos)
            for label, region in one["regions"].items()
        )
        coded = (
            CodedPicture(name, size, _regions(one["regions"], size, instances))
            for name, one in self.records(photos)
            for size in [(one["height"], one["width"])]
        )
        return [
            write_instances(self.made.claim("annotations.json"), coded, self.class_names, info),
            write_text_atomically(self.made.claim("summary.csv"), csv_lines(HEADER, rows)),
            write_text_atomically(self.made.claim("classes.txt"), "".join(f"{name}\n" for name in self.class_names)),
        ]

    def export(self, photos: Sequence[Photo], name: str, options: Options) -> Path:
        """Writes the label maps in another format, into a folder of its own.

        Raises InputError: something else lies there, or it cannot be written.
        """
        sources = {photo.name: photo.path for photo in photos}
        names = [picture for picture, _ in self.records(photos)]

        def labelled() -> Iterator[Labelled]:
            for picture, record in self.records(photos):
                scores = [record["regions"][name]["probability"] or 0.0 for name in self.class_names]
                yield Labelled(picture, sources[picture], read_label(self.out / record["mask"]), scores)

        target = self.out / name
        write_export(target, name, labelled(), self.class_names, names=names, options=options, overwrite=self.overwrite)
        return target

    def records(self, photos: Sequence[Photo]) -> Iterator[tuple[str, Record]]:
        """Name of every finished picture and what is known of it, in the order of the pictures."""
        for photo in photos:
            record = self.journal.records.get(photo.name, {})
            if "regions" in record:
                yield photo.name, record

    def overlay_path(self, target: Path) -> Path:
        """Where the overlay of a label map is."""
        return self.out / OVERLAYS / target.relative_to(self.out).with_suffix(".jpg")

    def _is_finished(self, photo: Photo, overlays: bool) -> bool:
        record = self.journal.records.get(photo.name)
        if record is None or record["stamp"] != _stamp(photo.file):
            return False
        target = self.out / record["mask"]
        return target.is_file() and (not overlays or self.overlay_path(target).is_file())

    def _targets(self, photos: Sequence[Photo]) -> dict[str, Path]:
        """Where every label map goes: never onto a picture, nor onto the result of another one.

        A picture keeps the name that its result has got; new ones are called after their picture, with its suffix where
        two would be called the same.
        """
        out = real(self.out)
        given = itertools.chain((photo.path for photo in photos), (one.source for one in self.supports.examples))
        paths = (real(one) for one in given if isinstance(one, Path))
        sources = {path for path in paths if path.is_relative_to(out)}
        taken = {folded(stem_of(record["mask"])) for record in self.journal.records.values()}
        counts = Counter(folded(stem_of(photo.name)) for photo in photos)
        targets: dict[str, Path] = {}
        for photo in photos:
            record = self.journal.records.get(photo.name)
            if record is not None:
                self._require_same(photo, record)
                targets[photo.name] = self.out / record["mask"]
                continue
            names = [stem_of(photo.name), photo.name] if counts[folded(stem_of(photo.name))] == 1 else [photo.name]
            name = next((one for one in names if folded(one) not in taken), photo.name)
            parent, _, last = name.rpartition("/")
            free = unlike(f"{parent}/{shortened(last)}" if parent else shortened(last), taken)
            taken.add(folded(free))
            targets[photo.name] = self.out / f"{free}.png"
        for target in targets.values():
            if real(target) in sources:
                raise InputError(f"the result {target} would replace a picture; choose another --out")
        return targets

    def _require_same(self, photo: Photo, record: Record) -> None:
        """Raises InputError: the result of this name was made from another picture."""
        before, now = record.get("source"), _source(photo.file)
        if before is None or before == now or record["stamp"] == _stamp(photo.file) or self.overwrite:
            return
        raise InputError(
            f"{self.out / record['mask']} shows {plain_text(before)}; the result of {plain_text(str(now))} would "
            f"replace it: "
            "choose another --out, or replace it with --overwrite"
        )

    def _known(self) -> list[str]:
        """Files that are ours by the journal alone: results of versions that kept no other record."""
        masks = [record["mask"] for record in self.journal.records.values()]
        if not masks or (self.out / RECORD).exists():
            return masks
        return [*masks, *(self._inside(self.overlay_path(self.out / mask)) for mask in masks), *SUMMARIES]

    def _inside(self, target: Path) -> str:
        return target.relative_to(self.out).as_posix()


def _record(result: SegmentedPicture) -> Record:
    """What is kept of a result beside its files."""
    regions = {}
    for name, region in result.regions.items():
        counts = run_lengths(result.mask(name)) if region.pixels else ""
        regions[name] = {
            "pixels": region.pixels,
            "share": region.share,
            "probability": region.probability,
            "confidence": region.confidence,
            "absent": name in result.unlike,
            "counts": counts,
        }
    height, width = result.labels.shape
    facts = {"confidence": result.confidence, "absent": result.absent}
    return {"stamp": _stamp(result.path), "height": height, "width": width, **facts, "regions": regions}


def _regions(regions: Mapping[str, Mapping[str, Any]], size: tuple[int, int], instances: bool) -> list[CodedRegion]:
    found = [CodedRegion(name, one["counts"], one["probability"]) for name, one in regions.items() if one["pixels"]]
    if not instances:
        return found
    return [
        replace(one, counts=run_lengths(part))
        for one in found
        for part in parts_of(region_of_lengths(one.counts, size))
    ]


def _source(file: File | None) -> str | None:
    """Which picture it is, wherever the command is run."""
    if isinstance(file, Packed):
        return as_utf8(f"{real(file.shard.path)}:{file.name}")
    return None if file is None else as_utf8(str(real(file)))


def _stamp(file: File | None) -> list[int]:
    """Changes when the file does."""
    if isinstance(file, Packed):
        return [file.size, file.shard.changed, file.start]
    if file is None:
        return []
    status = file.stat()
    return [status.st_size, status.st_mtime_ns]
