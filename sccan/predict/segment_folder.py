"""A whole folder segmented into files: label maps, overlays, COCO annotations, a table; interrupted, it goes on.

OUT/NAME.png             label map: 0 background, 1, 2, ... as in classes.txt
OUT/overlays/NAME.jpg    the picture with the classes drawn in
OUT/annotations.json     COCO's instances, run-length coded
OUT/summary.csv          a line per picture and class
OUT/FORMAT/              the label maps once more in other formats, where they are asked for
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sccan.errors import InputError
from sccan.files.decoding import read_label
from sccan.files.journal import Journal, Record
from sccan.files.photos import Photo
from sccan.files.tally import Tally
from sccan.files.writing import write_bytes_atomically, write_json, write_text_atomically
from sccan.predict.segmenter import SegmentedPicture, Segmenter
from sccan.predict.supports import Supports
from sccan.report.coco import CodedPicture, CodedRegion, coco_instances, region_of_lengths, run_lengths
from sccan.report.pictures import encode
from sccan.report.tables import csv_text
from sccan.segmentation.data.exports.formats import Options
from sccan.segmentation.data.exports.labelled import Labelled, parts_of
from sccan.segmentation.data.exports.whole import write_export

JOURNAL = ".segment.jsonl"
OVERLAYS = "overlays"
LARGEST_OVERLAY = 1600
"""Longer side of a stored overlay, in pixels; larger pictures are made smaller."""
HEADER = ("picture", "class", "pixels", "share", "probability", "confidence", "probably_absent")


class SegmentedFolder:
    """The results of one command in one folder.

    Attributes:
        out: the folder.
        class_names: what was looked for.
        problems: name of every picture that could not be read -> why.
        told: what was done to pictures while they were read.
    """

    def __init__(self, out: Path, segmenter: Segmenter, supports: Supports, *, overwrite: bool = False) -> None:
        """
        Args:
            out: is made; may hold earlier results of the same model, supports and settings, which are kept.
            overwrite: replace results that were made otherwise.

        Raises InputError: it holds such results, another process works on it, or it cannot be written.
        """
        self.out, self.class_names = out, supports.class_names
        self.segmenter, self.supports, self.overwrite = segmenter, supports, overwrite
        self.problems: dict[str, str] = {}
        self.told = Tally()
        facts: dict[str, Any] = {name: value for name, value in segmenter.facts.items() if name != "model"}
        facts |= {"supports": supports.fingerprint, "classes": list(self.class_names)}
        self.journal = Journal(out / JOURNAL, facts, overwrite=overwrite)

    def run(
        self, photos: Sequence[Photo], *, overlays: bool = True, advance: Callable[[], None] = lambda: None
    ) -> None:
        """Segments the pictures that are not finished yet.

        Args:
            photos: files.
            overlays: write them too.
            advance: called after every picture.

        Raises InputError: a result would replace a picture or a file that is not a result, or cannot be written.
        """
        targets = self._targets(photos)

        def failed(photo: Photo, error: InputError) -> None:
            self.problems[photo.name] = str(error)
            advance()

        left = self.left(photos, overlays=overlays)
        for result in self.segmenter.each(self.supports, left, on_error=failed, told=self.told):
            target = targets[result.picture]
            # Claimed first: a file that a killed process leaves is known to be ours.
            self.journal.add(result.picture, {"mask": self._inside(target), "stamp": None})
            result.save(target)
            if overlays:
                write_bytes_atomically(self.overlay_path(target), encode(result.overlay(LARGEST_OVERLAY), "jpeg"))
            self.journal.add(result.picture, {"mask": self._inside(target), **_record(result)})
            advance()

    def left(self, photos: Sequence[Photo], *, overlays: bool = True) -> list[Photo]:
        """The pictures that have no result yet, or have changed since."""
        return [photo for photo in photos if not self._is_finished(photo, overlays)]

    def finish(self, photos: Sequence[Photo], *, instances: bool = False) -> list[Path]:
        """Writes what sums up all finished pictures, in their order: annotations.json, summary.csv, classes.txt.

        Args:
            instances: annotations are connected parts instead of whole classes.
        """
        records = self.records(photos)
        coded = [
            CodedPicture(name, (size := (one["height"], one["width"])), _regions(one["regions"], size, instances))
            for name, one in records.items()
        ]
        info = {"description": f"made by sccan {self.segmenter.facts['method']}", **self.segmenter.facts}
        rows = [
            (name, label, *(region[key] for key in ("pixels", "share", "probability", "confidence")), region["absent"])
            for name, one in records.items()
            for label, region in one["regions"].items()
        ]
        return [
            write_json(self.out / "annotations.json", coco_instances(coded, self.class_names, info)),
            write_text_atomically(self.out / "summary.csv", csv_text(HEADER, rows)),
            write_text_atomically(self.out / "classes.txt", "".join(f"{name}\n" for name in self.class_names)),
        ]

    def export(self, photos: Sequence[Photo], name: str, options: Options) -> Path:
        """Writes the label maps in another format, into a folder of its own.

        Raises InputError: something else lies there, or it cannot be written.
        """
        records, sources = self.records(photos), {photo.name: photo.path for photo in photos}

        def labelled() -> Iterator[Labelled]:
            for picture, record in records.items():
                scores = [record["regions"][name]["probability"] or 0.0 for name in self.class_names]
                yield Labelled(picture, sources[picture], read_label(self.out / record["mask"]), scores)

        target = self.out / name
        write_export(
            target, name, labelled(), self.class_names, names=list(records), options=options, overwrite=self.overwrite
        )
        return target

    def records(self, photos: Sequence[Photo]) -> dict[str, Record]:
        """What is known of every finished picture, in the order of the pictures."""
        found = {photo.name: self.journal.records.get(photo.name, {}) for photo in photos}
        return {name: record for name, record in found.items() if "regions" in record}

    def overlay_path(self, target: Path) -> Path:
        """Where the overlay of a label map is."""
        return self.out / OVERLAYS / target.relative_to(self.out).with_suffix(".jpg")

    def _is_finished(self, photo: Photo, overlays: bool) -> bool:
        record = self.journal.records.get(photo.name)
        if record is None or record["stamp"] != _stamp(photo):
            return False
        target = self.out / record["mask"]
        return target.is_file() and (not overlays or self.overlay_path(target).is_file())

    def _targets(self, photos: Sequence[Photo]) -> dict[str, Path]:
        """Where every label map goes: never onto a picture, nor onto a file that is no result."""
        plain = [Path(photo.name).with_suffix(".png") for photo in photos]
        counts = Counter(plain)
        names = [
            Path(photo.name + ".png") if counts[short] > 1 else short
            for photo, short in zip(photos, plain, strict=True)
        ]
        targets = {photo.name: self.out / name for photo, name in zip(photos, names, strict=True)}
        sources = {photo.path.resolve() for photo in photos if photo.path is not None}
        sources |= {one.source.resolve() for one in self.supports.examples if isinstance(one.source, Path)}
        known = {record["mask"] for record in self.journal.records.values()}
        for target in targets.values():
            if target.resolve() in sources:
                raise InputError(f"the result {target} would replace a picture; choose another --out")
            if target.exists() and self._inside(target) not in known and not self.overwrite:
                raise InputError(
                    f"{target} is there and no result of this command; choose another --out, or --overwrite"
                )
        return targets

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
    stamp = _stamp(Photo(result.picture, result.path)) if result.path else []
    facts = {"confidence": result.confidence, "absent": result.absent}
    return {"stamp": stamp, "height": height, "width": width, **facts, "regions": regions}


def _regions(regions: Mapping[str, Mapping[str, Any]], size: tuple[int, int], instances: bool) -> list[CodedRegion]:
    found = [CodedRegion(name, one["counts"], one["probability"]) for name, one in regions.items() if one["pixels"]]
    if not instances:
        return found
    return [
        replace(one, counts=run_lengths(part))
        for one in found
        for part in parts_of(region_of_lengths(one.counts, size))
    ]


def _stamp(photo: Photo) -> list[int]:
    """Changes when the file does."""
    if photo.path is None:
        return []
    status = photo.path.stat()
    return [status.st_size, status.st_mtime_ns]
