"""Our fold lists beside the published ones, fold by fold and class by class.

The published counts (`counts.json`) are facts about published list files. On COCO they tell which rule made the
published label images, which were never released with a script and changed once without notice.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from sccan.episodes.index import ClassIndex, FoldLists
from sccan.report.tables import Table, count_column, text_column
from sccan.segmentation.data.sets.folds import Fold, base_lists, novel_lists


@dataclass(frozen=True)
class Count:
    """One count beside the published one.

    Attributes:
        part: ``train`` or ``val``.
        fold: number of the fold.
        class_number: None: pictures of the fold list; else those listed for that class.
        class_name: of that class.
        ours: pictures by our lists.
        published: pictures in the published list; None: not known.
    """

    part: str
    fold: int
    class_number: int | None
    class_name: str
    ours: int
    published: int | None

    @property
    def agrees(self) -> bool:
        """Whether both are known and equal."""
        return self.ours == self.published


@functools.cache
def published_counts() -> dict[str, Any]:
    """The facts as shipped with the package: data set -> part -> fold -> pictures and classes."""
    text = resources.files(__package__).joinpath("counts.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


def published_list_length(data_set: str, file_name: str) -> int | None:
    """Lines of a published source list, or None where that is not known."""
    known = published_counts().get(data_set, {}).get("source_lists", {})
    length: int | None = known.get(file_name)
    return length


def compare_counts(data_set: str, part: str, index: ClassIndex, folds: Sequence[Fold]) -> list[Count]:
    """Counts of every fold list of one part; nothing is published for a data set that is neither pascal nor coco.

    Args:
        data_set: its name.
        part: ``train`` (pictures with novel pixels dropped, as published) or ``val``.
        index: the pictures of that part.
        folds: of the data set, in order.
    """
    published = published_counts().get(data_set, {}).get(part, {})
    result = []
    for fold in folds:
        lists = base_lists(index, fold) if part == "train" else novel_lists(index, fold)
        result += _of_fold(part, fold.number, lists, published.get(str(fold.number), {}))
    return result


def _of_fold(part: str, fold: int, lists: FoldLists, published: dict[str, Any]) -> list[Count]:
    classes = published.get("classes", {})
    counts = [Count(part, fold, None, "", len(lists.items), published.get("pictures"))]
    for name, (number, listed) in zip(lists.names, lists.per_class.items(), strict=True):
        counts.append(Count(part, fold, number, name, len(listed), classes.get(str(number))))
    return counts


def verdict(counts: Iterable[Count]) -> str:
    """One sentence: how many of the published counts ours agree with."""
    known = [count for count in counts if count.published is not None]
    if not known:
        return "no published counts are known for these lists"
    wholes = [count for count in known if count.class_number is None]
    parts = [count for count in known if count.class_number is not None]
    sentence = f"{sum(count.agrees for count in wholes)} of {len(wholes)} fold counts"
    if parts:
        sentence += f" and {sum(count.agrees for count in parts)} of {len(parts)} class counts"
    sentence += " agree with the published ones"
    apart = [abs(count.ours - count.published) / count.published for count in known if count.published]
    return sentence if all(count.agrees for count in known) else f"{sentence}; largest deviation {max(apart):.2%}"


def count_table(counts: Sequence[Count], *, every_class: bool = False) -> Table:
    """Folds, and below each the classes whose count differs from the published one (or all of them)."""
    rows: list[list[Any]] = []
    for count in counts:
        if count.class_number is None:
            rows.append([f"fold {count.fold} {count.part}", *_numbers(count)])
        elif every_class or not (count.agrees or count.published is None):
            rows.append([f"  class {count.class_number} {count.class_name}", *_numbers(count)])
    columns = [text_column("list"), count_column("ours"), count_column("published"), text_column("")]
    return Table(columns, rows)


def _numbers(count: Count) -> list[Any]:
    word = "not known" if count.published is None else "agrees" if count.agrees else "differs"
    return [count.ours, count.published, word]


def closest_variant(by_variant: dict[str, Sequence[Count]]) -> str:
    """Which label variant agrees with the published lists, in one sentence.

    Args:
        by_variant: label variant -> its counts.
    """

    def misses(name: str) -> int:
        known = [count for count in by_variant[name] if count.published is not None]
        return sum(abs(count.ours - (count.published or 0)) for count in known)

    if not any(count.published is not None for counts in by_variant.values() for count in counts):
        return "no published counts are known for these lists"
    ranked = sorted(by_variant, key=misses)
    if misses(ranked[0]) == 0:
        return f"variant {ranked[0]!r} agrees with every published count"
    names = ", ".join(f"{name!r} {misses(name)}" for name in ranked)
    return f"no variant agrees with every published count; pictures apart, summed over all counts: {names}"
