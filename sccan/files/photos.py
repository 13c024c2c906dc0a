"""Pictures of a user's own, from files or arrays, as RGB with 8 bits and upright."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from sccan.errors import InputError
from sccan.files.decoding import BROKEN, read_image
from sccan.files.kinds import PICTURE_SUFFIXES

TRANSPARENT = ("RGBA", "LA", "PA")
AHEAD = 2
"""Pictures decoded while others are computed."""

Pixels = np.ndarray | Image.Image
Source = str | Path | Pixels
"""A picture: a file, an array (grey, RGB or RGBA, uint8) or a picture of Pillow's."""


@dataclass(frozen=True)
class Photo:
    """A picture to work on.

    Attributes:
        name: unique among those that are worked on together; for files the path below the folder that was named.
        source: the file, or the picture itself.
    """

    name: str
    source: Path | Pixels

    @property
    def path(self) -> Path | None:
        """The file, if it is one."""
        return self.source if isinstance(self.source, Path) else None

    def read(self) -> np.ndarray:
        """RGB uint8 [h, w, 3]. Raises InputError: it cannot be read."""
        return read_photo(self.source) if isinstance(self.source, Path) else as_rgb(self.source, self.name)


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

    Grey, palette and CMYK pictures are converted, 16 bits keep their upper 8, and what is transparent becomes white.

    Raises InputError: it is missing, truncated, or no picture.
    """
    image = read_image(path)
    try:
        with Image.open(path) as picture:
            if picture.mode in TRANSPARENT or "transparency" in picture.info:
                return _on_white(ImageOps.exif_transpose(picture))
    except Image.DecompressionBombError:  # only asked about transparency: the picture has been read
        return image
    except BROKEN as error:
        raise InputError(f"image {path} cannot be decoded: {' '.join(str(error).split())}; replace the file") from error
    return image


def as_rgb(picture: Any, name: str = "the picture") -> np.ndarray:
    """An array or a picture of Pillow's as RGB uint8 [h, w, 3].

    Raises InputError: it is neither, or an array of another form.
    """
    if isinstance(picture, Image.Image):
        return _on_white(ImageOps.exif_transpose(picture))
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
    return _on_white(Image.fromarray(picture))


def _on_white(picture: Image.Image) -> np.ndarray:
    if picture.mode not in TRANSPARENT and "transparency" not in picture.info:
        return np.array(picture.convert("RGB"))
    opaque = picture.convert("RGBA")
    paper = Image.new("RGBA", opaque.size, (255, 255, 255, 255))
    return np.array(Image.alpha_composite(paper, opaque).convert("RGB"))


def find_photos(sources: Pictures, *, leave_out: Sequence[Path] = ()) -> list[Photo]:
    """The pictures that a user names: a file, a folder with its sub-folders, an array, or a list of these.

    Args:
        leave_out: folders below which nothing is taken (results that lie among the pictures).

    Raises InputError: something is not there, or a folder holds no picture.
    """
    if isinstance(sources, np.ndarray | Image.Image | str | Path):
        sources = [sources]
    skipped = {folder.resolve() for folder in leave_out}
    found: list[Photo] = []
    for source in sources:
        if isinstance(source, Photo):
            found.append(source)
        elif not isinstance(source, str | Path):
            found.append(Photo(f"picture {len(found)}", source))
        elif Path(source).is_dir():
            found += _in_folder(Path(source), skipped)
        elif Path(source).is_file():
            found.append(Photo(Path(source).name, Path(source)))
        else:
            raise InputError(f"there is no picture or folder {source}; check the path")
    twice = next((name for name, count in Counter(photo.name for photo in found).items() if count > 1), None)
    if twice is not None:
        raise InputError(f"two pictures are called {twice}; rename one, or work on one folder after the other")
    return found


def _in_folder(folder: Path, results: set[Path]) -> list[Photo]:
    if folder.resolve() in results:
        raise InputError(
            f"{folder} is named for the pictures and for the results; choose another folder for the results"
        )
    skipped = {one for one in results if folder.resolve() in one.parents}
    files = [file for file in sorted(folder.rglob("*")) if _counts(file, folder, skipped)]
    if not files:
        raise InputError(f"{folder} holds no picture; expected files ending in {', '.join(PICTURE_SUFFIXES)}")
    return [Photo(file.relative_to(folder).as_posix(), file) for file in files]


def _counts(file: Path, folder: Path, skipped: set[Path]) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    if hidden or file.suffix.lower() not in PICTURE_SUFFIXES or not file.is_file():
        return False
    return not skipped.intersection(file.resolve().parents)


def other_files(folder: Path) -> str:
    """What a folder holds besides pictures, such as ``12 .heic``; empty if nothing that looks like a picture."""
    kinds = (".heic", ".heif", ".avif", ".gif", ".raw", ".dng", ".cr2", ".nef", ".arw", ".jp2", ".psd", ".svg", ".pdf")
    found = Counter(file.suffix.lower() for file in folder.rglob("*") if file.suffix.lower() in kinds)
    return ", ".join(f"{count} {kind}" for kind, count in found.most_common())


def readable(photos: Iterable[Photo], on_error: Failure | None = None) -> Iterator[tuple[Photo, np.ndarray]]:
    """The pictures in their order, decoded a little ahead by threads.

    Args:
        on_error: gets pictures that cannot be read, which are then left out; None: the first ends the work.

    Raises InputError: see `on_error`.
    """
    for photo, image in _read_ahead(photos):
        if not isinstance(image, InputError):
            yield photo, image
        elif on_error is None:
            raise image
        else:
            on_error(photo, image)


def _read_ahead(photos: Iterable[Photo]) -> Iterator[tuple[Photo, np.ndarray | InputError]]:
    """What cannot be read comes as its error, in its turn."""
    waiting: deque[tuple[Photo, Future[np.ndarray | InputError]]] = deque()
    with ThreadPoolExecutor(AHEAD) as threads:
        for photo in photos:
            waiting.append((photo, threads.submit(_attempt, photo)))
            if len(waiting) > AHEAD:
                done, future = waiting.popleft()
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()


def _attempt(photo: Photo) -> np.ndarray | InputError:
    try:
        return photo.read()
    except InputError as error:
        return error
