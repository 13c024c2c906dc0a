"""COCO's instance annotations, read without holding the file in memory.

``instances_train2014.json`` has 0.3 GB of text, several GB once parsed. One pass over it in pieces notes for every
annotation which picture it belongs to and where its text stands; whoever paints a picture reads and parses just the
texts of that picture.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import numpy as np
from tqdm import tqdm

from sccan.errors import InputError
from sccan.files.limits import check_size
from sccan.files.plain import plain
from sccan.files.reading import regular_file
from sccan.files.structured import LARGEST, Name, as_kind, shown

LONGEST_NUMBER = 32
"""Characters of an id that is text."""
PIECE = 8 << 20
"""Characters read at once."""
BLANKS = " \t\r\n"
AFTER_VALUE = tuple(BLANKS + ",]}")


Number = int | float | str


class _Owner(msgspec.Struct):
    """What is read of an annotation at first."""

    image_id: Number
    category_id: Number
    iscrowd: Any = 0


class _Image(msgspec.Struct):
    id: Number
    file_name: Name
    height: Number | None = None
    width: Number | None = None


class _Category(msgspec.Struct):
    id: Number
    name: Number
    supercategory: Any = None


@dataclass(frozen=True)
class Picture:
    """A picture that has annotations, and where they stand in the file.

    Attributes:
        file_name: of the image.
        height: in pixels; 0: the file does not say it.
        width: likewise.
        n_instances: annotations that are not crowds.
        spans: first byte and byte after the last of every annotation, in the order of the file.
    """

    file_name: str
    height: int
    width: int
    n_instances: int
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Instances:
    """An instances file.

    Attributes:
        path: the file.
        categories: category id -> name, by ascending id.
        images: (image id, file name, height, width) by ascending id.
        groups: categories that group others, and that no annotation is of.
    """

    path: Path
    categories: dict[int, str]
    images: tuple[tuple[int, str, int, int], ...]
    groups: tuple[int, ...]
    _owners: np.ndarray  # position in `images` of every annotation, ascending; the order of the file where equal
    _spans: np.ndarray  # [annotations, 2]
    _crowds: np.ndarray  # bool [annotations]

    def pictures(self) -> Iterator[Picture]:
        """Pictures with at least one annotation, in the order of their ids."""
        starts = np.searchsorted(self._owners, np.arange(len(self.images) + 1))
        for position, (_, name, height, width) in enumerate(self.images):
            mine = slice(starts[position], starts[position + 1])
            spans = tuple((first, last) for first, last in self._spans[mine].tolist())
            if spans:
                yield Picture(name, height, width, int((~self._crowds[mine]).sum()), spans)


def read_instances(path: Path) -> Instances:
    """Reads an instances file once.

    Raises InputError: the file is missing, is cut off or no JSON, lacks a part, or an annotation names a picture or
        category that is not in the file.
    """
    categories: dict[int, str] = {}
    above: dict[int, str] = {}
    images: list[tuple[int, str, int, int]] = []
    owners: list[int] = []
    kinds: set[int] = set()
    spans: list[tuple[int, int, bool]] = []
    found = set()
    for part, start, end, item in elements(path, ("images", "annotations", "categories")):
        found.add(part)
        where = f"{path}: an entry of {part!r}"
        if part == "annotations":
            owner: _Owner = as_kind(item, _Owner, where)
            owners.append(_id(owner.image_id, "image_id", where))
            kinds.add(_id(owner.category_id, "category_id", where))
            spans.append((start, end, is_crowd(owner.iscrowd)))
        elif part == "images":
            image: _Image = as_kind(item, _Image, where)
            height, width = _side(image.height, "height", where), _side(image.width, "width", where)
            check_size(f"{where}: image {plain(image.file_name)}", height * width, "PICTURE_MP")
            images.append((_id(image.id, "id", where), _text(image.file_name, where), height, width))
        else:
            category: _Category = as_kind(item, _Category, where)
            number, name = _id(category.id, "id", where), _text(str(category.name).strip(), where)
            if not name:
                raise InputError(f"{path}: category {number} has no name; give it one")
            above[number] = str(category.supercategory)
            if categories.setdefault(number, name) != name:
                raise InputError(
                    f"{path}: category {number} is both {categories[number]!r} and {name!r}; give one another id"
                )
    absent = next((part for part in ("images", "annotations", "categories") if part not in found), None)
    if absent is not None:
        raise InputError(f"{path} has no {absent}; expected COCO's instance format (images, annotations, categories)")
    groups = {name for number, name in above.items() if name != categories[number]}
    grouping = [number for number, name in categories.items() if name in groups and number not in kinds]
    return _sorted(path, categories, tuple(sorted(grouping)), images, owners, kinds, spans)


def annotations_of(path: Path, picture: Picture) -> list[dict[str, Any]]:
    """The annotations of one picture, read from their places in the file.

    Raises InputError: the file has changed since it was read.
    """
    try:
        with path.open("rb") as stream:
            texts = [os.pread(stream.fileno(), end - start, start) for start, end in picture.spans]
        return [json.loads(text) for text in texts]
    except (OSError, ValueError) as error:
        raise InputError(f"{path} has changed while it was read; run the same command again") from error


def as_number(value: Any) -> int:
    """An id as a number, however a tool wrote it. Raises ValueError: it is none."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST:
        return value
    if isinstance(value, str | float) and len(str(value)) < LONGEST_NUMBER:
        try:
            number = float(value)
            if number.is_integer() and abs(number) <= LARGEST:
                return int(number)
        except (ValueError, OverflowError):
            pass
    raise ValueError("expected a whole number")


def is_crowd(value: Any) -> bool:
    """What "iscrowd" says, as which tools write 1, true or text."""
    return str(value or 0).lower() not in ("0", "0.0", "false", "none", "null", "")


def elements(path: Path, parts: tuple[str, ...]) -> Iterator[tuple[str, int, int, Any]]:
    """The items of the named arrays of a JSON object, one after the other.

    The text is decoded one byte per character, so that positions are bytes; items with other than ASCII characters
    are decoded again as UTF-8.

    Yields:
        Name of the array, first byte, byte after the last, value.

    Raises InputError: the file is missing, cut off or no JSON object.
    """
    try:
        if path.exists():
            regular_file(path, "annotation file")
        with path.open("rb") as stream, _bar(path) as bar:
            yield from _Scanner(path, stream, bar).run(parts)
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error.strerror}"
        raise InputError(f"annotation file {path} {reason}; expected COCO's instances json") from error


class _Scanner:
    """A window that moves over the text; `at` is the position within it, `offset` that of the window in the file."""

    def __init__(self, path: Path, stream: Any, bar: tqdm[NoReturn]) -> None:
        self.path, self.stream, self.bar = path, stream, bar
        self.text, self.at, self.offset = "", 0, 0
        self.decoder = json.JSONDecoder()

    def run(self, parts: tuple[str, ...]) -> Iterator[tuple[str, int, int, Any]]:
        if self.peek() == "\xef":  # a byte order mark
            self.at += 3
        self.expect("{")
        while self.peek() != "}":
            name = self.value()[2]
            self.expect(":")
            if name in parts and self.peek() == "[":
                yield from self.array(name)
            else:
                self.value()
            if self.peek() == ",":
                self.at += 1
        self.at += 1

    def array(self, name: str) -> Iterator[tuple[str, int, int, Any]]:
        self.expect("[")
        while self.peek() != "]":
            yield name, *self.value()
            if self.peek() == ",":
                self.at += 1
        self.at += 1

    def value(self) -> tuple[int, int, Any]:
        """First byte, byte after the last, and value of what comes next."""
        self.peek()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.at)
                # A number may go on beyond the window; everything else ends with a sign of its own.
                if self.text[end - 1] in '}]"' or self.text[end : end + 1] in AFTER_VALUE:
                    break
            except json.JSONDecodeError:
                pass
            except (ValueError, RecursionError) as error:
                deep = isinstance(error, RecursionError)
                why = (
                    "lists and objects lie too deeply within each other" if deep else "a number of thousands of digits"
                )
                raise InputError(f"{self.path}: {why} near byte {self.offset + self.at}; write it anew") from error
            check_size(f"{self.path}: an entry near byte {self.offset + self.at}", len(self.text) - self.at, "ENTRY_MB")
            self.more()
        start, self.at = self.at, end
        if not self.text.isascii() and not (piece := self.text[start:end]).isascii():
            try:
                value = json.loads(piece.encode("latin-1"))
            except ValueError as error:
                raise InputError(f"{self.path} is no UTF-8 text near byte {self.offset + start}") from error
        return self.offset + start, self.offset + end, value

    def peek(self) -> str:
        """The next character that is not blank."""
        while True:
            while self.at < len(self.text):
                if self.text[self.at] not in BLANKS:
                    return self.text[self.at]
                self.at += 1
            self.more()

    def expect(self, character: str) -> None:
        if self.peek() != character:
            raise InputError(
                f"{self.path} is no JSON object of COCO's instance format: byte {self.offset + self.at} is "
                f"{self.peek()!r} where {character!r} is expected"
            )
        self.at += 1

    def more(self) -> None:
        """Moves the window on, keeping what is not read yet."""
        piece = self.stream.read(max(PIECE, len(self.text) - self.at))
        if not piece:
            raise InputError(
                f"{self.path} ends early or is damaged near byte {self.offset + self.at} of "
                f"{self.offset + len(self.text)}; fetch it again"
            )
        self.bar.update(len(piece))
        self.offset += self.at
        self.text, self.at = self.text[self.at :] + piece.decode("latin-1"), 0


def _id(value: Number, field: str, where: str) -> int:
    try:
        return as_number(value)
    except ValueError as error:
        raise InputError(f"{where}: {field}: {error}, found {shown(value)}") from error


def _side(value: Number | None, field: str, where: str) -> int:
    side = 0 if value is None else _id(value, field, where)
    if side < 0:
        raise InputError(f"{where}: {field} is {side}; expected pixels")
    return side


def _text(name: str, where: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{where}: a name holds half a character (a lone surrogate); write it anew") from error
    return name


def _sorted(
    path: Path,
    categories: dict[int, str],
    groups: tuple[int, ...],
    images: list[tuple[int, str, int, int]],
    owners: list[int],
    kinds: set[int],
    spans: list[tuple[int, int, bool]],
) -> Instances:
    unknown = sorted(kinds - set(categories))
    if unknown:
        raise InputError(f"{path}: annotations name category {unknown[0]}, which is not among its categories")
    images.sort()
    position = {image[0]: number for number, image in enumerate(images)}
    if len(position) < len(images):
        raise InputError(f"{path} describes one image id twice; every image needs an id of its own")
    try:
        places = np.array([position[owner] for owner in owners], dtype=np.int64)
    except KeyError as error:
        raise InputError(f"{path}: annotations name image {error}, which is not among its images") from error
    order = np.argsort(places, kind="stable")
    table = np.array(spans, dtype=np.int64).reshape(-1, 3)[order]
    return Instances(
        path,
        dict(sorted(categories.items())),
        tuple(images),
        groups,
        places[order],
        table[:, :2],
        table[:, 2].astype(bool),
    )


def _bar(path: Path) -> tqdm[NoReturn]:
    size = path.stat().st_size
    return tqdm(
        total=size, desc=f"reading {plain(path.name)}", unit="B", unit_scale=True, unit_divisor=1000, disable=None
    )
