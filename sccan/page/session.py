"""One folder that is worked on: its pictures, what was drawn, what was found, and what may be done with them."""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sccan.errors import InputError
from sccan.page.events import Hub
from sccan.page.finder import Finder
from sccan.page.fitting import Fitter, GrabCut
from sccan.page.own_annotations import take_annotations
from sccan.page.places import find_gallery
from sccan.page.store import Mark, Store
from sccan.page.thumbnails import SIDE, coloured
from sccan.pictures.photos import read_photo
from sccan.predict.segmenter import Segmenter
from sccan.report.pictures import resize_mask
from sccan.report.quality_page import WEAK_SUPPORT
from sccan.report.sheets import fitted_size

DECODED = 4
"""Pictures that are held decoded."""


@dataclass(frozen=True, eq=False)
class Shown:
    """The label map of a picture as it is shown.

    Attributes:
        label: by class numbers, uint8 [h, w].
        version: of the person's mask; 0: nobody drew.
        by: ``person``, ``prediction`` or ``nobody``.
    """

    label: np.ndarray
    version: int
    by: str


class Session:
    """What the routes of the server call; every method may run in any thread."""

    def __init__(
        self, folder: Path, segmenter: Segmenter, class_names: list[str], *, fitter: Fitter | None = None
    ) -> None:
        """
        Args:
            folder: of the pictures.
            class_names: classes to begin with.
            fitter: of boxes; None: GrabCut.

        Raises InputError: the folder holds no picture, cannot be written, or a name is unfit.
        """
        self.gallery = find_gallery(folder)
        self.store = Store(self.gallery)
        for name in class_names:
            self.store.classes.number_of(name)
        self.notes = [*self.gallery.notes, *self.store.notes, *take_annotations(self.store)]
        self.store.save_classes()
        self.hub = Hub()
        self.finder = Finder(self.store, segmenter, self._told)
        self.fitter: Fitter = fitter or GrabCut()
        self._images: OrderedDict[tuple[str, int, int], np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def start(self) -> None:
        self.hub.attach()
        self.finder.start()

    def close(self) -> None:
        self.finder.stop()
        self.store.close()

    # What is there

    def folder(self) -> dict[str, Any]:
        """Everything that a window needs to begin."""
        return {
            "folder": self.gallery.root.name,
            "model": repr(self.finder.segmenter),
            "notes": self.notes,
            "pictures": [self.row(key) for key in self.gallery.photos],
            "progress": self.finder.progress(),
            **self.classes(),
        }

    def classes(self) -> dict[str, Any]:
        """The classes that are there, and the threshold."""
        entries = self.store.classes.active
        plain = [{"number": one.number, "name": one.name, "colour": one.colour} for one in entries]
        return {"classes": plain, "threshold": self.store.threshold}

    def row(self, key: str) -> dict[str, Any]:
        """A picture in a line."""
        mark, facts = self.store.mark(key), self.finder.facts(key)
        return {
            "key": key,
            "name": self.gallery.photos[key].name,
            "status": mark.status,
            "version": mark.version,
            "source": mark.source,
            "problem": self.finder.problems.get(key, ""),
            "round": facts.round if facts else 0,
            "confidence": facts.confidence if facts else None,
            "nothing": facts.nothing if facts else False,
        }

    def image(self, key: str) -> np.ndarray:
        """RGB uint8 [h, w, 3]. Raises InputError: it cannot be read."""
        try:
            path = self.gallery.read_path(key)
            status = path.stat()
            stamp = (key, status.st_size, status.st_mtime_ns)
            with self._lock:
                known = self._images.get(stamp)
            image = read_photo(path) if known is None else known
        except (InputError, OSError) as error:
            told = error if isinstance(error, InputError) else InputError(f"it cannot be read: {error.strerror}")
            if key in self.gallery.photos and self.finder.problems.get(key) != str(told):
                self.finder.problems[key] = str(told)
                self._changed(key)
            raise told from error
        if self.finder.problems.pop(key, ""):
            self._changed(key)
        with self._lock:
            self._images[stamp] = image
            self._images.move_to_end(stamp)
            while len(self._images) > DECODED:
                self._images.popitem(last=False)
        return image

    def shown(self, key: str) -> Shown:
        """What a person drew, else what was found, else nothing.

        Raises InputError: the picture cannot be read, or has another size than when it was drawn on.
        """
        image, mark = self.image(key), self.store.mark(key)
        size = image.shape[0], image.shape[1]
        label = self.store.label(key)
        if label is not None:
            if label.shape != size:
                raise InputError(
                    f"{self.gallery.photos[key].name} is {size[1]}x{size[0]} now, but was {label.shape[1]}x"
                    f"{label.shape[0]} when it was marked; put the old picture back, or start over on it"
                )
            return Shown(label, mark.version, "person")
        found = self.finder.labels(key, size)
        if found is None:
            return Shown(np.zeros(size, np.uint8), mark.version, "nobody")
        return Shown(found, mark.version, "prediction")

    def layer(self, key: str) -> bytes:
        """The classes as a layer over a picture's thumbnail, PNG."""
        label = self.store.label(key)
        if label is None:
            rows, columns = (
                self.image(key).shape[:2] if key not in self.finder.features.sizes else self.finder.features.sizes[key]
            )
            size = fitted_size((rows, columns), (SIDE, SIDE)) if max(rows, columns) > SIDE else (rows, columns)
            label = self.finder.small_labels(key, size)
        elif max(label.shape) > SIDE:
            label = resize_mask(label, fitted_size(label.shape, (SIDE, SIDE)))
        return coloured(np.zeros((1, 1), np.uint8) if label is None else label)

    def quality(self) -> dict[str, Any]:
        """How good the examples are, and how far the folder is."""
        marked = self.store.marked()
        marks = list(marked.values())
        agreements = sorted((mark.time, mark.agreement) for mark in marks if mark.agreement is not None)
        left = [key for key in self.gallery.photos if key not in marked]
        rows = [row for row in map(self.row, left) if row["round"]]
        checks = [
            {"name": one.name, "class": one.class_name, "iou": one.iou, "how": one.how, "weak": one.iou < WEAK_SUPPORT}
            for one in self.finder.checks
        ]
        return {
            "pictures": len(self.gallery.photos),
            "marked": len(marks),
            "accepted": sum(mark.status == "accepted" for mark in marks),
            "absent": sum(mark.status == "absent" for mark in marks),
            "found": len(rows),
            "nothing": [row["key"] for row in rows if row["nothing"]],
            "checks": checks,
            "agreements": [value for _, value in agreements],
        }

    # What may be done

    def save(self, key: str, body: bytes, base: int) -> Mark:
        """Keeps what was drawn.

        Args:
            body: compressed label map by class numbers, as many bytes as the picture has pixels.
            base: the version that it was drawn on.

        Raises:
            Outdated: the picture has another version.
            InputError: the body is no label map of this picture.
        """
        image = self.image(key)
        label = _unpacked(body, (image.shape[0], image.shape[1]))
        unknown = set(np.unique(label).tolist()) - {0, 255} - {entry.number for entry in self.store.classes.active}
        if unknown:
            raise InputError("a class of this mask was taken away in another window; load the page again")
        mark = self.store.put(key, label, "drawn", base=base, agreement=self._agreement(key, label))
        self._changed(key)
        return mark

    def accept(self, key: str, base: int) -> Mark:
        """Says that a picture is finished as it is shown.

        Raises InputError: there is nothing to accept.
        """
        shown = self.shown(key)
        if shown.by == "person":
            mark = self.store.accept(key, base=base)
        elif shown.by == "prediction" and shown.label.any():
            mark = self.store.put(key, shown.label, "accepted", base=base, agreement=1.0)
        else:
            raise InputError("there is no mask to accept; mark the object, or say that it is not here")
        self._changed(key)
        return mark

    def empty(self, key: str, base: int) -> Mark:
        """Says that none of the classes is in a picture."""
        image = self.image(key)
        label = np.zeros(image.shape[:2], np.uint8)
        mark = self.store.put(key, label, "absent", base=base, agreement=self._agreement(key, label))
        self._changed(key)
        return mark

    def take_back(self, key: str, base: int) -> Mark:
        """Lets what was drawn count no longer; what was found shows again."""
        mark = self.store.take_back(key, base=base)
        self._changed(key)
        return mark

    def fit(self, key: str, box: tuple[int, int, int, int]) -> np.ndarray:
        """The object in a box, bool [h, w].

        Raises InputError: the box is empty or outside.
        """
        image = self.image(key)
        left, top = max(box[0], 0), max(box[1], 0)
        right, bottom = min(box[2], image.shape[1]), min(box[3], image.shape[0])
        if right <= left or bottom <= top:
            raise InputError("the box lies outside the picture; draw it around the object")
        return self.fitter.fit(image, (left, top, right, bottom))

    def add_class(self, name: str) -> int:
        number = self.store.classes.add(name).number
        self._classes_changed()
        return number

    def rename_class(self, number: int, name: str) -> None:
        self.store.classes.rename(number, name)
        self._classes_changed()

    def remove_class(self, number: int) -> None:
        self.store.classes.remove(number)
        self._classes_changed()

    def set_threshold(self, value: float) -> None:
        self.store.set_threshold(value)
        self.hub.tell("classes", self.classes())

    def _agreement(self, key: str, label: np.ndarray) -> float | None:
        """IoU of a mask with what was found there, classes told apart; None: nothing was looked for."""
        found = self.finder.labels(key, (label.shape[0], label.shape[1]))
        if found is None:
            return None
        union = int(np.count_nonzero((found > 0) | (label > 0)))
        return int(np.count_nonzero((found == label) & (label > 0))) / union if union else 1.0

    def _told(self, kind: str, content: dict[str, Any]) -> None:
        """What the finder says; of a picture all that is known."""
        if kind == "found":
            kind, content = "picture", self.row(content["key"])
        self.hub.tell(kind, content)

    def _classes_changed(self) -> None:
        self.store.save_classes()
        self.hub.tell("classes", self.classes())
        self.hub.tell("progress", self.finder.progress())

    def _changed(self, key: str) -> None:
        self.hub.tell("picture", self.row(key))
        self.hub.tell("progress", self.finder.progress())


def _unpacked(body: bytes, size: tuple[int, int]) -> np.ndarray:
    """A compressed label map. Raises InputError: it is none, or of another size."""
    pixels = size[0] * size[1]
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(body, pixels + 1)
    except zlib.error as error:
        raise InputError("the mask that the page sent is damaged; draw the last stroke again") from error
    if len(content) != pixels or not unpacker.eof:
        raise InputError(f"the mask that the page sent has not the {pixels} pixels of the picture; load the page again")
    return np.frombuffer(content, np.uint8).reshape(size)
