"""Pictures of a user's own, from files or arrays, as RGB with 8 bits and upright."""

from __future__ import annotations

import io
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from sccan.errors import InputError
from sccan.files.inside import real
from sccan.files.plain import as_utf8, plain
from sccan.files.reading import read_text, regular_file
from sccan.files.tally import Tally
from sccan.files.walking import no_pictures, walk
from sccan.pictures.decoding import Decoded, decode, on_white, read_whole
from sccan.pictures.depth import eight_bits
from sccan.pictures.heads import head_of, opened
from sccan.pictures.shards import RANGE, SHARD, Packed, in_shard, named_shards

LIST = ".txt"
"""Suffix of a list of pictures."""
AHEAD = 2
"""Pictures decoded while others are computed."""

Pixels = np.ndarray | Image.Image
File = Path | Packed
Source = str | Path | Pixels
"""A picture: a file, an array (grey, RGB or RGBA, uint8) or a picture of Pillow's."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture to work on.

    Attributes:
        name: unique among those that are worked on together; for files the path below the folder that was named.
        source: the file, its place in a shard, or the picture itself.
    """

    name: str
    source: File | Pixels

    @property
    def path(self) -> Path | None:
        """The file, if it is one of its own."""
        return self.source if isinstance(self.source, Path) else None

    @property
    def file(self) -> File | None:
        """The file, or its place in a shard."""
        return self.source if isinstance(self.source, Path | Packed) else None

    def size(self) -> tuple[int, int]:
        """Height and width, from the head of the file; 0, 0 of what is no file. Raises InputError: it is no picture."""
        if isinstance(self.source, Packed):
            return opened(io.BytesIO(self.source.content()), f"image {self.source}")[1].size
        return head_of(self.source, "image").size if isinstance(self.source, Path) else (0, 0)

    def copy_to(self, target: Path) -> None:
        """Writes what the file holds to another place. Raises InputError: its shard is gone or shorter."""
        if isinstance(self.source, Packed):
            target.write_bytes(self.source.content())
        elif isinstance(self.source, Path):
            shutil.copyfile(self.source, target)

    def read(self) -> np.ndarray:
        """RGB uint8 [h, w, 3]. Raises InputError: it cannot be read."""
        return self.decoded().pixels

    def decoded(self) -> Decoded:
        """The picture, and what was done to it. Raises InputError: it cannot be read."""
        if isinstance(self.source, Path):
            return read_whole(self.source)
        if isinstance(self.source, Packed):
            return decode(self.source.content(), f"image {self.source}", whole=True, background="white")
        return Decoded(as_rgb(self.source, self.name))


Pictures = Source | Iterable[Source | Photo]
"""A file, a folder with its sub-folders, an array, or a list of these."""
Failure = Callable[[Photo, InputError], None]
"""Gets a picture that cannot be read, and why."""


def is_single(pictures: Pictures) -> bool:
    """Whether they are one picture, not a folder or a list."""
    if isinstance(pictures, str | Path):
        return Path(pictures).is_file()
    return isinstance(pictures, np.ndarray | Image.Image)


def read_photo(path: Path) -> np.ndarray:
    """A file as RGB uint8 [h, w, 3], turned upright.

    Grey, palette and CMYK pictures are converted, deeper samples are stretched to 8 bits (`sccan.pictures.depth`), and
    what is transparent becomes white.

    Raises InputError: it is missing, damaged, or no picture.
    """
    return read_whole(path).pixels


def as_rgb(picture: Any, name: str = "the picture") -> np.ndarray:
    """An array or a picture of Pillow's as RGB uint8 [h, w, 3].

    Raises InputError: it is neither, or an array of another form.
    """
    if isinstance(picture, Image.Image):
        turned = ImageOps.exif_transpose(picture)
        if turned.mode in ("F", "I") or turned.mode.startswith("I;16"):
            return np.repeat(eight_bits(np.asarray(turned), name)[0][..., None], 3, axis=2)
        return on_white(turned)
    if not isinstance(picture, np.ndarray):
        raise InputError(f"{name} is a {type(picture).__name__}; give a path, an array or a picture of Pillow's")
    shape = picture.shape
    fits = picture.ndim == 2 or (picture.ndim == 3 and shape[2] in (3, 4))
    if picture.dtype != np.uint8 or not fits or picture.size == 0:
        raise InputError(
            f"{name} is {picture.dtype} {list(shape)}; expected uint8 [height, width], [height, width, 3] or "
            "[height, width, 4]"
        )
    if picture.ndim == 3 and shape[2] == 3:
        return picture
    return on_white(Image.fromarray(picture))


def find_photos(sources: Pictures, *, leave_out: Sequence[Path] = (), passed: Tally | None = None) -> list[Photo]:
    """The pictures that a user names: a file, a folder with its sub-folders, an array, or a list of these.

    A text file (.txt) is a list: a path per line, seen from the list's folder, which is the picture's name too. A tar
    file, also ``name-{000..127}.tar``, a list of them or a folder that holds nothing else to take, stands for the
    pictures in it, which are called as its members are.

    Args:
        leave_out: folders below which nothing is taken (results that lie among the pictures).
        passed: gets what folders hold besides.

    Raises InputError: something is not there, or a folder holds no picture.
    """
    if isinstance(sources, np.ndarray | Image.Image | str | Path):
        sources = [sources]
    found: list[Photo] = []
    passed = Tally() if passed is None else passed
    for source in sources:
        if isinstance(source, Photo):
            found.append(source)
        elif not isinstance(source, str | Path):
            found.append(Photo(f"picture {len(found)}", source))
        elif Path(source).is_dir():
            found += _in_folder(Path(source), leave_out, passed)
        elif Path(source).suffix.lower() == LIST and Path(source).is_file():
            found += _in_list(Path(source), passed)
        elif Path(source).suffix.lower() == SHARD and (RANGE.search(str(source)) or Path(source).is_file()):
            found += _in_shards([Path(source)] if Path(source).is_file() else named_shards(str(source)), passed)
        elif Path(source).exists() and regular_file(source, "picture") >= 0:
            found.append(Photo(as_utf8(Path(source).name), Path(source)))
        else:
            raise InputError(f"there is no picture or folder {source}; check the path")
    if len({photo.name for photo in found}) < len(found):
        twice, _ = Counter(photo.name for photo in found).most_common(1)[0]
        raise InputError(f"two pictures are called {twice}; rename one, or work on one folder after the other")
    return found


def _in_shards(paths: Iterable[Path], passed: Tally) -> list[Photo]:
    """Raises InputError: see `in_shard`, or none of them holds a picture."""
    held = Tally()
    paths = list(paths)
    found = [Photo(name, packed) for path in paths for name, packed in in_shard(path, held)]
    if not found:
        raise no_pictures(paths[0], held)
    passed.extend(held)
    return found


def _in_list(path: Path, passed: Tally) -> list[Photo]:
    """Raises InputError: it is no text, holds no line, or names something that is not there."""
    found = []
    for number, line in enumerate(read_text(path, "list").splitlines(), 1):
        if not (name := line.strip()):
            continue
        file = path.parent / name
        if not file.is_file():
            raise InputError(f"{path}, line {number}: there is no picture {plain(str(file))}; check the path")
        if file.suffix.lower() == SHARD:
            found += _in_shards([file], passed)
            continue
        inside = not PurePath(name).is_absolute() and ".." not in PurePath(name).parts
        found.append(Photo(as_utf8(PurePath(name).as_posix() if inside else file.name), file))
    if not found:
        raise InputError(f"the list {path} names no picture; expected a path per line")
    return found


def _in_folder(folder: Path, results: Sequence[Path], passed: Tally) -> list[Photo]:
    if real(folder) in {real(one) for one in results}:
        raise InputError(
            f"{folder} is named for the pictures and for the results; choose another folder for the results"
        )
    walked = walk(folder, leave_out=results)
    shards = [file for file in walked.files if file.suffix.lower() == SHARD]
    if shards and not walked.pictures:
        passed.extend(walked.others(shards))
        return _in_shards(shards, passed)
    others = walked.others()
    if not walked.pictures:
        raise no_pictures(folder, others)
    passed.extend(others)
    return [Photo(walked.name_of(file), file) for file in walked.pictures]


def readable(
    photos: Iterable[Photo], on_error: Failure | None = None, told: Tally | None = None
) -> Iterator[tuple[Photo, np.ndarray]]:
    """The pictures in their order, decoded a little ahead by threads.

    Args:
        on_error: gets pictures that cannot be read, which are then left out; None: the first ends the work.
        told: gets what was done to pictures while they were read.

    Raises InputError: see `on_error`.
    """
    for photo, found in _read_ahead(photos):
        if isinstance(found, Decoded):
            if told is not None:
                told.extend((note, photo.name) for note in found.notes)
            yield photo, found.pixels
        elif on_error is None:
            raise found
        else:
            on_error(photo, found)


def _read_ahead(photos: Iterable[Photo]) -> Iterator[tuple[Photo, Decoded | InputError]]:
    """What cannot be read comes as its error, in its turn."""
    waiting: deque[tuple[Photo, Future[Decoded | InputError]]] = deque()
    with ThreadPoolExecutor(AHEAD) as threads:
        for photo in photos:
            waiting.append((photo, threads.submit(_attempt, photo)))
            if len(waiting) > AHEAD:
                done, future = waiting.popleft()
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()


def _attempt(photo: Photo) -> Decoded | InputError:
    try:
        return photo.decoded()
    except InputError as error:
        return error
