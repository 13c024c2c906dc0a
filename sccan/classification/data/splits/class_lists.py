"""Which classes are train, val and test: published facts shipped with the package, and checks of what is on disk.

``splits.json`` holds the lists with their sources. Numbers on CUB can only be compared within one split, of which
three are in use: each has its name here.
"""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from sccan.classification.data.splits.pictures import SPLITS, Pictures
from sccan.errors import InputError, nearest

SHOWN = 3


@dataclass(frozen=True)
class ListedClass:
    """A class of a list.

    Attributes:
        name: what the class is usually called on disk: WordNet id, CIFAR class name or CUB folder.
        aliases: other names in use (words of WordNet, number of CIFAR's fine label).
        images: how many pictures it has; None where nobody counted.
    """

    name: str
    aliases: tuple[str, ...] = ()
    images: int | None = None


ClassList = Mapping[str, tuple[ListedClass, ...]]
"""Split -> its classes."""


def _miniimagenet() -> ClassList:
    facts = _facts("miniImageNet")
    count = facts["images_per_class"]
    return _per_split(facts["splits"], lambda one: [ListedClass(one["wnid"], (one["name"],), count)])


def _tieredimagenet() -> ClassList:
    return _per_split(
        _facts("tieredImageNet")["splits"],
        lambda group: [ListedClass(one["wnid"], (one["name"], one["synset"])) for one in group["classes"]],
    )


def _cifar_fs() -> ClassList:
    facts = _facts("CIFAR-FS")
    count = facts["images_per_class"]
    return _per_split(facts["splits"], lambda one: [ListedClass(one["name"], (str(one["cifar100_id"]),), count)])


def _fc100() -> ClassList:
    facts, numbers = _facts("FC100"), {name: str(number) for number, name in enumerate(cifar100_names())}
    count = facts["images_per_class"]
    return _per_split(
        facts["splits"], lambda group: [ListedClass(name, (numbers[name],), count) for name in group["classes"]]
    )


def _cub(key: str) -> ClassList:
    facts = _facts("CUB-200-2011")
    counts = {one["folder"]: one["images"] for split in facts["splits"].values() for one in split}
    return _per_split(facts[key], lambda one: [_bird(one if isinstance(one, str) else one["folder"], counts)])


def _bird(folder: str, counts: Mapping[str, int]) -> ListedClass:
    return ListedClass(folder, (folder.split(".", 1)[-1],), counts.get(folder))


CLASS_LISTS: Mapping[str, Any] = {
    "miniimagenet": _miniimagenet,
    "tieredimagenet": _tieredimagenet,
    "cifar-fs": _cifar_fs,
    "fc100": _fc100,
    "cub-closerlook": functools.partial(_cub, "splits"),
    "cub-feat": functools.partial(_cub, "feat_split"),
    "cub-easyfsl": functools.partial(_cub, "easyfsl_split"),
}
"""Name -> reader of the shipped facts. miniImageNet is Ravi & Larochelle's split, tieredImageNet the three-way one,
``cub-closerlook`` the position rule of CloserLookFewShot."""


def class_list(name: str) -> ClassList:
    """A shipped list of classes.

    Raises InputError: unknown name.
    """
    if name not in CLASS_LISTS:
        raise InputError(
            f"there is no class list {name!r}, expected one of {', '.join(CLASS_LISTS)}{nearest(name, CLASS_LISTS)}"
        )
    return CLASS_LISTS[name]()


def cifar100_names() -> tuple[str, ...]:
    """Names of CIFAR-100's fine labels, by label."""
    return tuple(_facts("CIFAR-100")["fine_labels"])


def check_overlap(splits: Mapping[str, Pictures]) -> None:
    """Raises InputError: a class is in two splits."""
    seen: dict[str, str] = {}
    for split, pictures in splits.items():
        for name in pictures.class_names if pictures.named else ():
            if name in seen:
                raise InputError(
                    f"class {name!r} is in both the {seen[name]} and the {split} split; classes of few-shot splits "
                    "must not overlap, remove it from one"
                )
            seen[name] = split


def check_class_list(splits: Mapping[str, Pictures], name: str) -> list[str]:
    """Compare what is on disk with a shipped list.

    Returns:
        A line per class (and per split where classes have no names) whose number of pictures is not the listed one.

    Raises InputError: a split has other classes than listed, or another number of them.
    """
    listed = class_list(name)
    return [
        line for split in SPLITS if split in splits for line in _check_split(splits[split], listed[split], name, split)
    ]


def name_classes(names: Sequence[str], listed: Sequence[ListedClass]) -> list[ListedClass | None]:
    """The listed class that each name, or alias, speaks of."""
    known = {alias: one for one in listed for alias in (*one.aliases, one.name)}
    return [known.get(name) for name in names]


def _check_split(pictures: Pictures, listed: Sequence[ListedClass], name: str, split: str) -> Iterator[str]:
    if not pictures.named:
        if len(pictures.class_names) != len(listed):
            raise InputError(
                f"{pictures.title} has {len(pictures.class_names)} classes, but {name} lists {len(listed)}"
            )
        found, wanted = _tally(pictures.counts), _tally(one.images for one in listed)
        if None not in wanted and found != wanted:
            yield f"{split}: {len(pictures)} pictures, but {sum(one.images or 0 for one in listed)} are listed"
        return
    matched = name_classes(pictures.class_names, listed)
    foreign = [own for own, one in zip(pictures.class_names, matched, strict=True) if one is None]
    missing = [one.name for one in listed if one not in matched]
    if foreign or missing:
        told = [
            f"{len(group)} {what} ({_some(group)})"
            for what, group in (("not listed", foreign), ("missing", missing))
            if group
        ]
        raise InputError(
            f"{pictures.title} does not hold the classes that {name} lists for {split}: {', '.join(told)}; "
            "choose the list that the data follow, or none"
        )
    for own, one, count in zip(pictures.class_names, matched, pictures.counts, strict=True):
        if one is not None and one.images is not None and count != one.images:
            yield f"{split}: {count} pictures of {own}, but {one.images} are listed"


def _tally(counts: Any) -> Counter[int | None]:
    return Counter(counts)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _per_split(splits: Mapping[str, list[Any]], classes: Any) -> ClassList:
    return {split: tuple(one for entry in splits[split] for one in classes(entry)) for split in SPLITS}


@functools.cache
def _all_facts() -> dict[str, Any]:
    return json.loads(resources.files(__package__).joinpath("splits.json").read_text(encoding="utf-8"))


def _facts(name: str) -> dict[str, Any]:
    return _all_facts()[name]
