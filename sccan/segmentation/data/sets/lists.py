"""List files: which pictures a data set consists of, one "image label" pair per line."""

from __future__ import annotations

import re
from pathlib import Path

from sccan.errors import InputError
from sccan.files.kinds import BACKGROUND_NAMES, PICTURE_SUFFIXES
from sccan.files.reading import list_text
from sccan.files.walking import walk

IMAGE_FOLDER = "JPEGImages"
LABEL_FOLDER = "SegmentationClassAug"
DATA_FOLDERS = ("JPEGImages", "train2014", "val2014", "train2017", "val2017", "annotations")
LABEL_FOLDERS = re.compile(r"Segmentation[A-Za-z]*")

Pairs = list[tuple[str, str]]
"""Image and label, relative to the data root, with forward slashes."""


def read_list(path: Path, root: Path) -> Pairs:
    """The pairs of a list file.

    Lines are "image label", separated by blanks; a line with a single bare name (VOC's own lists) stands for
    ``JPEGImages/NAME.*`` and ``SegmentationClassAug/NAME.png``. What published fold lists carry before the data root
    (``../data/VOCdevkit2012/VOC2012/JPEGImages/...``) is cut off, and Windows separators are accepted.

    Raises InputError: the file is missing, empty, not text, or a line is no pair; a picture is named twice.
    """
    pairs = read_repeated_list(path, root)
    seen: dict[str, int] = {}
    for number, (image, _) in enumerate(pairs, 1):
        if image in seen:
            raise InputError(f"list {path} names {image} twice (pairs {seen[image]} and {number}); remove one")
        seen[image] = number
    return pairs


def read_repeated_list(path: Path, root: Path) -> Pairs:
    """As `read_list`, but a picture may occur again (the published ``voc_sbd_merge.txt`` has 1134 such lines).

    Raises InputError: the file is missing, empty, not text, or a line is no pair.
    """
    try:
        lines = list_text(path, "list").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
        raise InputError(f'list {path} {reason}; expected a text file with one "image label" pair per line') from error
    pairs = [_pair(line, path, number, root) for number, line in enumerate(lines, 1) if line.strip()]
    if not pairs:
        raise InputError(f'list {path} is empty; expected one "image label" pair per line')
    return pairs


def pairs_of_folder(root: Path, image_folder: str = IMAGE_FOLDER, label_folder: str = LABEL_FOLDER) -> Pairs:
    """The pairs of a folder in the layout of PASCAL VOC without a list: every image that has a label, by name.

    Raises InputError: one of the two folders is missing, or no image has a label.
    """
    for folder in (image_folder, label_folder):
        if not (root / folder).is_dir():
            raise InputError(
                f"{root} has no folder {folder}; expected {image_folder}/NAME.jpg and {label_folder}/NAME.png"
            )
    images = walk(root / image_folder, deep=False).pictures
    labels = {p.stem: p.name for p in walk(root / label_folder, deep=False).files if p.suffix.lower() == ".png"}
    pairs = [(f"{image_folder}/{p.name}", f"{label_folder}/{labels[p.stem]}") for p in images if p.stem in labels]
    if not pairs:
        raise InputError(f"no image of {root / image_folder} has a label of the same name in {root / label_folder}")
    return pairs


def read_class_names(path: Path) -> tuple[str, ...]:
    """Class names, one per line in the order of their numbers; a leading number is checked and cut off.

    Lines that begin with ``# `` are comments.

    Raises InputError: the file is missing, empty, names a class twice or the background, or its numbers are not 1, 2,
        3 ...
    """
    try:
        lines = [line.strip() for line in list_text(path, "class names").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"class names {path} cannot be read: {error}") from error
    lines = [line for line in lines if line and not line.startswith("# ")]
    if lines and lines[0].lower() in BACKGROUND_NAMES:
        raise InputError(
            f"class names {path} begin with {lines[0]!r}, but the first name is that of class 1 and the background is "
            "0 without being named; remove that line"
        )
    names = []
    for expected, line in enumerate(lines, 1):
        numbered = re.match(r"(\d+)\s+(.+)", line)
        if numbered and int(numbered[1]) != expected:
            raise InputError(
                f"class names {path}: line {expected} has number {numbered[1]}, but {expected} is expected"
            )
        name = numbered[2] if numbered else line
        names.append(re.sub(r"\s+\S+=\S+$", "", name))  # a note such as coco_id=17
    if not names:
        raise InputError(f"class names {path} is empty; expected one name per line")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"class names {path} names {twice!r} twice; every class needs a name of its own")
    return tuple(names)


def _pair(line: str, path: Path, number: int, root: Path) -> tuple[str, str]:
    words = line.replace("\\", "/").split()
    if len(words) == 1 and "/" not in words[0]:
        return _from_name(words[0], root), f"{LABEL_FOLDER}/{words[0]}.png"
    if len(words) != 2:
        raise InputError(f'list {path}, line {number}: expected "image label", but found {line.strip()!r}')
    return below_root(words[0], root), below_root(words[1], root)


def _from_name(name: str, root: Path) -> str:
    for suffix in PICTURE_SUFFIXES:
        if (root / IMAGE_FOLDER / f"{name}{suffix}").is_file():
            return f"{IMAGE_FOLDER}/{name}{suffix}"
    return f"{IMAGE_FOLDER}/{name}.jpg"


def below_root(text: str, root: Path) -> str:
    """A path as it stands below the data root; somebody else's prefix is cut off at the first known folder.

    Raises InputError: the path leads out of the root.
    """
    prefix = f"{root.as_posix().rstrip('/')}/"
    if text.startswith(prefix):
        return text.removeprefix(prefix)
    parts = [part for part in text.split("/") if part not in ("", ".")]
    known = (n for n, part in enumerate(parts[:-1]) if part in DATA_FOLDERS or LABEL_FOLDERS.fullmatch(part))
    start = next(known, None)
    below = parts[start or 0 :]
    if ".." in below or (start is None and text.startswith("/")):
        raise InputError(f"path {text} leads out of the data root {root}; expected a path relative to it")
    return "/".join(below)
