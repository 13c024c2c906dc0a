"""Convert a data set of any known form once into the safe layout, and check it against the published facts."""

from __future__ import annotations

from pathlib import Path

from sccan.classification.data.datasets import Source, find_form, open_splits
from sccan.classification.data.formats.prepared import is_prepared, read_index, read_prepared, write_prepared
from sccan.classification.data.splits.class_lists import CLASS_LISTS, check_class_list
from sccan.classification.data.splits.pictures import ArrayPictures, Pictures
from sccan.classification.data.splits.repeated import repeated_pictures
from sccan.classification.data.transforms.fixed import FixedTransform
from sccan.errors import InputError
from sccan.files.inside import real
from sccan.files.tally import Tally


def prepare(
    source: Source, to: Path, *, name: str = "", resize: FixedTransform | None = None, partial: bool = False
) -> list[str]:
    """Write a data set in the safe layout.

    Args:
        source: the data set in its original form.
        to: folder to write; must not hold a prepared data set yet.
        name: what the index calls the data set; empty: the name of the class list or of the folder.
        resize: bring all pictures to one size, with its filter (the index says so).
        partial: accept numbers of pictures other than the listed ones.

    Returns:
        Lines that say what was written, what was passed over, which pictures have two classes and, with `partial`,
        what differs from the list. The same order again finds its
        work done: whoever was killed after the last file goes on.

    Raises InputError: unfit data, numbers of pictures that differ, or a folder already in use.
    """
    order = {
        "root": str(real(source.root)),
        "class_list": source.list_name,
        "imagenet": None if source.imagenet is None else str(real(source.imagenet)),
        "stored_channels": source.stored_channels,
        "name": name,
        "partial": partial,
        "resize": None if resize is None else [*resize.size, resize.filter, resize.square],
    }
    if is_prepared(to):
        if read_index(to).get("order") != order:
            raise InputError(f"{to} holds a prepared data set already; remove it or choose another folder")
        there = read_prepared(to)
        return ["it is there already:", *(_describe(split, pictures) for split, pictures in there.items())]
    form = find_form(source)
    splits = open_splits(source, direct=False)
    differences = check_class_list(splits, source.list_name) if source.list_name else []
    if differences and not partial:
        more = f" (and {len(differences) - 1} more differences)" if len(differences) > 1 else ""
        raise InputError(f"{differences[0]}{more}; the copy is incomplete or another one, --partial takes it as it is")
    facts = {
        "name": name or source.list_name or source.root.name,
        "class_list": source.list_name,
        "source": form.name,
        "differences": differences,
        "order": order,
    }
    write_prepared(to, splits, facts, resize=resize)
    passed = Tally(note for pictures in splits.values() for note in pictures.passed)
    passed.extend(repeated_pictures(splits))
    return [*(_describe(split, pictures) for split, pictures in splits.items()), *differences, *passed.lines()]


def recognise(splits: dict[str, Pictures]) -> list[str]:
    """Names of the class lists that splits follow, by their classes' names."""
    fitting = []
    for name in CLASS_LISTS:
        try:
            check_class_list(splits, name)
        except InputError:
            continue
        fitting.append(name)
    return fitting


def _describe(split: str, pictures: Pictures) -> str:
    counts = pictures.counts
    each = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    size = f", {pictures.images.shape[1]}x{pictures.images.shape[2]}" if isinstance(pictures, ArrayPictures) else ""
    return f"{split}: {len(pictures)} pictures of {len(counts)} classes, {each} each{size}"
