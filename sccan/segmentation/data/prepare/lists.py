"""Published list files of every kind, read as literals, and our own fold lists written in the published form.

Kinds: source lists and ``data_list_k.txt`` ("image label" per line, with or without somebody's path before the data
root), ``sub_class_file_list_k.txt`` (one Python dictionary literal, which the published code evaluates as code), and
HSNet's per-fold text files (``NAME__CLASS`` per line).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from sccan.episodes.index import ClassIndex, FoldLists
from sccan.errors import InputError
from sccan.files.reading import list_text
from sccan.files.writing import write_text_atomically
from sccan.segmentation.data.sets.lists import Pairs, below_root, read_repeated_list

HSNET_LINE = re.compile(r"(?P<name>.+)__(?P<number>\d+)")
ClassLists = dict[int, Pairs]
"""Class number -> its pictures, in the order of the file."""


def kind_of(path: Path) -> str:
    """``class lists``, ``hsnet`` or ``pairs``, judged by the first characters of the file.

    Raises InputError: the file is missing, empty or not text.
    """
    text = _read(path)
    if text.lstrip().startswith("{"):
        return "class lists"
    words = next((line.split() for line in text.splitlines() if line.strip()), [])
    if not words:
        raise InputError(f"list {path} is empty; expected a published list file")
    return "hsnet" if len(words) == 1 and HSNET_LINE.fullmatch(words[0]) else "pairs"


def read_class_lists(path: Path, root: Path) -> ClassLists:
    """A ``sub_class_file_list_k.txt``: a literal ``{class: [(image, label), ...], ...}``; no code is ever run.

    Paths before the data root are cut off and Windows separators accepted, as in `read_list`.

    Raises InputError: the file is missing, is no such literal, or a path leads out of the root.
    """
    text = _read(path)
    expected = "expected one dictionary literal {class: [(image, label), ...], ...}"
    try:
        content = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        reason = str(error).split("\n")[0][:120] or type(error).__name__
        raise InputError(f"class lists {path} are no plain literal ({reason}); {expected}") from error
    if not isinstance(content, dict):
        raise InputError(f"class lists {path} hold a {type(content).__name__}; {expected}")
    result: ClassLists = {}
    for number, items in content.items():
        if not isinstance(number, int) or not isinstance(items, list | tuple):
            raise InputError(f"class lists {path} have the entry {number!r:.40}: {items!r:.40}; {expected}")
        result[number] = [_pair_of(item, path, root) for item in items]
    return result


def read_names(path: Path) -> list[str]:
    """Picture names of a split file (one bare name per line) or of a list of "image label" pairs.

    Raises InputError: the file is missing or empty, or a line is neither.
    """
    return [Path(image).stem for image, _ in read_repeated_list(path, path.parent)]


def read_hsnet_list(path: Path) -> list[tuple[str, int]]:
    """HSNet's per-fold list: picture name and class number (from 1) of every line ``NAME__CLASS``.

    Raises InputError: the file is missing or a line has another form.
    """
    result = []
    for number, line in enumerate(_read(path).splitlines(), 1):
        if not line.strip():
            continue
        match = HSNET_LINE.fullmatch(line.strip())
        if match is None:
            raise InputError(f"list {path}, line {number}: expected NAME__CLASS, but found {line.strip()!r}")
        result.append((match["name"], int(match["number"])))
    if not result:
        raise InputError(f"list {path} is empty; expected lines NAME__CLASS")
    return result


def hsnet_items(path: Path, index: ClassIndex) -> list[tuple[int, int]]:
    """The (picture number, class number) pairs that an HSNet list names.

    Raises InputError: see `read_hsnet_list`; a picture or class is not in the data set.
    """
    items = []
    for name, number in read_hsnet_list(path):
        if not 1 <= number <= index.n_classes:
            raise InputError(f"list {path} names class {number}, but the data set has classes 1..{index.n_classes}")
        items.append((index.number_of(name), number))
    return items


def pair_lines(pairs: Iterable[tuple[str, str]]) -> str:
    """The text of a list file.

    Raises InputError: a path holds a blank, which the form of these files cannot express.
    """
    lines = []
    for image, label in pairs:
        if re.search(r"\s", image + label):
            raise InputError(f"the path {image!r} or {label!r} holds a blank, which separates the columns; rename it")
        lines.append(f"{image} {label}\n")
    return "".join(lines)


def fold_list_names(number: int) -> tuple[str, str]:
    """The files of the lists of a fold: its pictures, and its pictures by class."""
    return f"data_list_{number}.txt", f"sub_class_file_list_{number}.txt"


def write_fold_lists(folder: Path, number: int, index: ClassIndex, lists: FoldLists, prefix: str = "") -> None:
    """``data_list_k.txt`` and ``sub_class_file_list_k.txt`` of one fold, in the published form.

    Args:
        folder: where the two files go.
        number: the fold.
        index: pictures and their paths.
        lists: what the fold lists hold.
        prefix: data root to write before every path, as published lists have it.

    Raises InputError: the files cannot be written, or a path holds a blank.
    """
    start = f"{prefix.rstrip('/')}/" if prefix else ""

    def paths(pictures: Sequence[int]) -> Pairs:
        return [(start + index.images[picture], start + index.labels[picture]) for picture in pictures]

    per_class = {class_number: paths(pictures.tolist()) for class_number, pictures in lists.per_class.items()}
    pictures, by_class = fold_list_names(number)
    write_text_atomically(folder / pictures, pair_lines(paths(lists.items.tolist())))
    write_text_atomically(folder / by_class, repr(per_class))


def compare_with_fold(path: Path, index: ClassIndex, lists: FoldLists) -> list[str]:
    """Where a published ``data_list_k.txt`` or ``sub_class_file_list_k.txt`` differs from our own lists of that fold.

    Returns:
        One sentence per difference; empty: same pictures, same order.
    """
    root = index.root
    if kind_of(path) == "class lists":
        theirs = {f"class {number}": pairs for number, pairs in read_class_lists(path, root).items()}
        ours = {f"class {number}": _pairs(index, listed.tolist()) for number, listed in lists.per_class.items()}
    else:
        theirs = {"the list": read_repeated_list(path, root)}
        ours = {"the list": _pairs(index, lists.items.tolist())}
    sentences = [f"{name} is only in {path.name}" for name in theirs if name not in ours]
    for name, pairs in ours.items():
        sentences += _differences(name, pairs, theirs.get(name, []), path.name)
    return sentences


def _differences(name: str, ours: Pairs, theirs: Pairs, file: str) -> list[str]:
    if ours == theirs:
        return []
    surplus, lacking = sorted(set(theirs) - set(ours)), sorted(set(ours) - set(theirs))
    if not surplus and not lacking:
        return [f"{name}: the same {len(ours)} pictures in another order"]
    parts = [f"{name}: {len(theirs)} pictures in {file}, {len(ours)} by our rule"]
    parts += [f"{len(surplus)} only there (first {surplus[0][0]})"] if surplus else []
    parts += [f"{len(lacking)} only here (first {lacking[0][0]})"] if lacking else []
    return [", ".join(parts)]


def _pairs(index: ClassIndex, pictures: Sequence[int]) -> Pairs:
    return [(index.images[picture], index.labels[picture]) for picture in pictures]


def _pair_of(item: object, path: Path, root: Path) -> tuple[str, str]:
    if not (isinstance(item, list | tuple) and len(item) == 2 and all(isinstance(part, str) for part in item)):
        raise InputError(f"class lists {path} have the item {item!r:.80}; expected (image path, label path)")
    image, label = (below_root(part.replace("\\", "/"), root) for part in item)
    return image, label


def _read(path: Path) -> str:
    try:
        return list_text(path, "list")
    except (OSError, UnicodeDecodeError) as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
        raise InputError(f"list {path} {reason}; expected a published list file") from error
