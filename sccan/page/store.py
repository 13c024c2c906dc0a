"""What a person drew, kept in the folder itself as plain files: whole at every moment, never replaced by a prediction.

    FOLDER/.sccan/masks/NAME.png   label map by the class numbers of classes.json, 255 ignored
    FOLDER/.sccan/states.jsonl     a line for every change: what was said of which picture, and its version
    FOLDER/.sccan/classes.json     classes and threshold

A mask is written beside its place, brought to the disk and renamed; only then its line follows. A process that is
killed in between leaves a mask that is newer than its line, and it is the mask that counts.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from sccan.errors import InputError
from sccan.files.journal import Journal
from sccan.files.plain import plain
from sccan.files.reading import is_there
from sccan.files.structured import Count, Finite, Share, as_kind, read_json
from sccan.files.writing import write_bytes_atomically, write_json
from sccan.page.classes import ClassEntry, ClassList
from sccan.page.places import OURS, Gallery, require_inside
from sccan.pictures.decoding import read_label
from sccan.segmentation.data.labels.palette import indexed_png
from sccan.segmentation.data.labels.raw_png import LARGEST_CLASS
from sccan.segmentation.finding.segmenting import WINS

Status = Literal["drawn", "accepted", "absent"]
STATUSES: tuple[Status, ...] = ("drawn", "accepted", "absent")
STATES = "states.jsonl"
CLASSES = "classes.json"
MASKS = "masks"
TAKEN_BACK = "taken_back"


@dataclass(frozen=True)
class Mark:
    """What a person said about a picture.

    Attributes:
        status: drawn, accepted as finished, or absent: none of the classes is there. Empty: taken back.
        version: counts the changes; of two windows only the one that knows the latest may write.
        source: ``page``, or ``annotations`` that lay in the folder.
        agreement: IoU of this mask with the prediction that it replaced; None where there was none.
        newest: number of the newest class at that time: of later ones it says nothing.
        time: of the change, in seconds since 1970.
    """

    status: Literal["drawn", "accepted", "absent", ""]
    version: Count
    source: str = "page"
    agreement: Share | None = None
    newest: Count = LARGEST_CLASS
    time: Finite = 0.0


class _Stored(msgspec.Struct):
    """``classes.json``."""

    classes: list[ClassEntry]
    threshold: Share
    imported: str


class Outdated(Exception):
    """Somebody else has changed a picture since; `mark` is what it is now."""

    def __init__(self, mark: Mark) -> None:
        super().__init__("the picture was changed in another window")
        self.mark = mark


class Store:
    """Masks and states of the pictures of a folder; safe to use from several threads."""

    def __init__(self, gallery: Gallery) -> None:
        """Opens the folder's store, or begins one.

        Raises InputError: it cannot be written, or leads out of the folder.
        """
        self.gallery, self.root = gallery, gallery.root / OURS
        self.notes: list[str] = []
        self._lock = threading.RLock()
        self.classes, self._settings = self._read_classes()
        self._journal = self._open_journal()
        self._marks = self._read_marks()

    # Classes and settings

    @property
    def threshold(self) -> float:
        """Probability above which a class is shown."""
        return float(self._settings["threshold"])

    def set_threshold(self, value: float) -> None:
        self._settings["threshold"] = value
        self.save_classes()

    @property
    def imported(self) -> str:
        """What annotations had been read when the folder was last opened."""
        return str(self._settings["imported"])

    def set_imported(self, fingerprint: str) -> None:
        self._settings["imported"] = fingerprint
        self.save_classes()

    def save_classes(self) -> None:
        """Writes classes and settings. Raises InputError: the folder cannot be written."""
        with self._lock:
            write_json(self._inside(CLASSES), {"classes": self.classes.plain(), **self._settings})

    # Marks

    def mark(self, key: str) -> Mark:
        """What is known of a picture."""
        return self._marks.get(key, Mark("", 0))

    def marked(self) -> dict[str, Mark]:
        """Every picture that a person has said something about, in the gallery's order."""
        with self._lock:
            return {key: self._marks[key] for key in self.gallery.photos if self.mark(key).status}

    def label(self, key: str) -> np.ndarray | None:
        """What a person drew, classes that were taken away left out, uint8 [h, w]; None: nothing.

        Raises InputError: the file cannot be read.
        """
        return self.classes.shown(read_label(self._mask_path(key))) if self.mark(key).status else None

    def put(
        self,
        key: str,
        label: np.ndarray,
        status: Status,
        *,
        base: int,
        agreement: float | None = None,
        source: str = "page",
    ) -> Mark:
        """Keeps a person's mask.

        Args:
            label: class numbers, uint8 [h, w].
            status: what it is.
            base: the version that it was drawn on.
            agreement: see `Mark`.
            source: see `Mark`.

        Raises:
            Outdated: the picture has another version.
            InputError: the folder cannot be written.
        """
        with self._lock:
            self._require_latest(key, base)
            write_bytes_atomically(self._mask_path(key), indexed_png(self._with_removed(key, label)))
            newest = max((entry.number for entry in self.classes.entries), default=0)
            return self._note(key, Mark(status, base + 1, source, agreement, newest, time.time()))

    def accept(self, key: str, *, base: int) -> Mark:
        """Says of a mask that is there that it is finished.

        Raises Outdated: the picture has another version.
        """
        with self._lock:
            self._require_latest(key, base)
            return self._note(key, replace(self.mark(key), status="accepted", version=base + 1, time=time.time()))

    def take_back(self, key: str, *, base: int) -> Mark:
        """Lets a mask count no longer; its file is kept in ``taken_back/``.

        Raises Outdated: the picture has another version.
        """
        with self._lock:
            self._require_latest(key, base)
            mark = self._note(key, Mark("", base + 1, time=time.time()))
            path, aside = self._mask_path(key), self._inside(f"{TAKEN_BACK}/{self.gallery.photo(key).name}.png")
            if path.is_file():
                aside.parent.mkdir(parents=True, exist_ok=True)
                path.replace(aside)
            return mark

    def close(self) -> None:
        self._journal.close()

    # Files

    def _require_latest(self, key: str, base: int) -> None:
        self.gallery.photo(key)
        if self.mark(key).version != base:
            raise Outdated(self.mark(key))

    def _note(self, key: str, mark: Mark) -> Mark:
        self._journal.add(self.gallery.photos[key].name, asdict(mark))
        self._marks[key] = mark
        return mark

    def _with_removed(self, key: str, label: np.ndarray) -> np.ndarray:
        """The label, with pixels of removed classes kept where it shows background: they may come back."""
        path = self._mask_path(key)
        gone = [entry.number for entry in self.classes.entries if entry.removed]
        if not gone or not path.is_file():
            return label
        before = read_label(path)
        if before.shape != label.shape:
            return label
        return np.where((label == 0) & np.isin(before, gone), before, label)

    def _mask_path(self, key: str) -> Path:
        return self._inside(f"{MASKS}/{self.gallery.photo(key).name}.png")

    def _inside(self, name: str) -> Path:
        return require_inside(self.gallery.root, self.root / name)

    def _open_journal(self) -> Journal:
        path, facts = self._inside(STATES), {"made_by": "sccan label", "format": 1}
        try:
            return Journal(path, facts)
        except InputError:
            if not path.is_file() or not _is_damaged(path):
                raise
            aside = path.with_name(f"{STATES}.damaged-{int(time.time())}")
            path.rename(aside)
            self.notes.append(f"{STATES} was damaged and is kept as {aside.name}; all masks are there, as drawn")
            return Journal(path, facts)

    def _read_marks(self) -> dict[str, Mark]:
        """By key; a mask whose line says nothing of it (a kill came between them) counts as drawn."""
        found: dict[str, Mark] = {}
        for key, photo in self.gallery.photos.items():
            record = self._journal.records.get(photo.name, {"status": "", "version": 0})
            place = f"{self.root / STATES}, {plain(photo.name)}"
            mark: Mark = as_kind({"status": "drawn", "version": 1, **record}, Mark, place)
            has_mask = self.root.joinpath(MASKS, f"{photo.name}.png").is_file()
            if has_mask and not mark.status:
                mark = Mark("drawn", mark.version + 1)
            elif mark.status and not has_mask:
                mark = Mark("", mark.version + 1)
                self.notes.append(f"the mask of {photo.name} is gone from {OURS}/{MASKS}")
            if mark.version:
                found[key] = mark
        return found

    def _read_classes(self) -> tuple[ClassList, dict[str, Any]]:
        path = self._inside(CLASSES)
        if not is_there(path, "classes"):
            return ClassList(), {"threshold": WINS, "imported": ""}
        try:
            stored: _Stored = read_json(path, _Stored, "classes")
            numbers = [entry.number for entry in stored.classes]
            if len(set(numbers)) < len(numbers):
                raise InputError(f"classes {path}: two classes have the same number")
        except InputError as error:
            raise InputError(f"{error}; mend it, or remove it and name the classes again") from error
        return ClassList(stored.classes), {"threshold": stored.threshold, "imported": stored.imported}


def _is_damaged(path: Path) -> bool:
    """Whether a line of the journal is no record, other than an unfinished last one."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return not all(isinstance(json.loads(line), dict) for line in lines)
    except ValueError:
        return True
