"""Counts beside the published ones: the shipped facts are consistent, and every kind of deviation shows."""

import json
from pathlib import Path

import numpy as np
import pytest

from sccan.episodes.index import ClassIndex
from sccan.reference import tiny_dataset
from sccan.segmentation.data.prepare import counts as module
from sccan.segmentation.data.prepare.counts import (
    Count,
    closest_variant,
    compare_counts,
    count_table,
    published_counts,
    published_list_length,
    verdict,
)
from sccan.segmentation.data.sets.folds import consecutive_folds
from sccan.segmentation.data.sets.lists import read_list
from sccan.segmentation.data.sets.scan import build_index


def test_the_shipped_facts_add_up() -> None:
    facts = published_counts()
    totals = {"train": (5749, 4706, 3044, 5832), "val": (365, 467, 734, 357)}  # sums over classes, as published
    for part, sums in totals.items():
        for fold, total in enumerate(sums):
            entry = facts["pascal"][part][str(fold)]
            novel = set(range(5 * fold + 1, 5 * fold + 6))
            expected = novel if part == "val" else set(range(1, 21)) - novel
            assert {int(number) for number in entry["classes"]} == expected
            assert sum(entry["classes"].values()) == total
            assert max(entry["classes"].values()) <= entry["pictures"] <= total
    for fold, total in ((1, 17912), (2, 14563), (3, 14315)):
        entry = facts["coco"]["val"][str(fold)]
        assert {int(number) for number in entry["classes"]} == set(range(fold + 1, 81, 4))
        assert sum(entry["classes"].values()) == total
    assert (facts["coco"]["train"]["0"]["pictures"], facts["coco"]["val"]["0"]["pictures"]) == (21917, 26052)
    assert published_list_length("pascal", "sbd_data.txt") == 5623
    assert published_list_length("coco", "train.txt") is None
    assert published_list_length("shapes", "train.txt") is None


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> ClassIndex:
    root = tmp_path_factory.mktemp("tiny")
    tiny_dataset.build(str(root), classes=20, train=40, val=60)
    names = [f"class {number}" for number in range(1, 21)]
    return build_index(root, read_list(root / "val.txt", root), names, cache=root / "cache", progress=False)


def brute_force(index: ClassIndex, part: str, fold: int) -> dict[int | None, int]:
    """Counts by a loop over label arrays drawn anew, following the published rule word for word."""
    novel = set(range(5 * fold + 1, 5 * fold + 6))
    wanted = novel if part == "val" else set(range(1, 21)) - novel
    result: dict[int | None, int] = dict.fromkeys([None, *sorted(wanted)], 0)
    for number in range(len(index)):
        _, label = tiny_dataset.arrays(number, 1)
        held = set(np.unique(label).tolist()) - {0, 255}
        if part == "train" and not held <= wanted:
            continue
        kept = [c for c in held & wanted if (label == c).sum() >= 2048]
        result[None] += bool(kept)
        for c in kept:
            result[c] += 1
    return result


@pytest.mark.parametrize("part", ["train", "val"])
def test_our_counts_are_those_of_the_published_rule(tiny: ClassIndex, part: str) -> None:
    found = compare_counts("pascal", part, tiny, consecutive_folds(20, 4))
    for fold in range(4):
        ours = {count.class_number: count.ours for count in found if count.fold == fold}
        assert ours == brute_force(tiny, part, fold)
        facts = published_counts()["pascal"][part][str(fold)]
        published = {count.class_number: count.published for count in found if count.fold == fold}
        assert published.pop(None) == facts["pictures"]
        assert published == {int(number): count for number, count in facts["classes"].items()}


def test_nothing_is_published_for_another_data_set(tiny: ClassIndex) -> None:
    found = compare_counts("folder", "val", tiny, consecutive_folds(20, 4))
    assert {count.published for count in found} == {None}
    assert verdict(found) == "no published counts are known for these lists"
    assert closest_variant({"full": found}) == "no published counts are known for these lists"


def test_the_verdict_counts_folds_and_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    good = [Count("val", 0, None, "", 10, 10), Count("val", 0, 3, "boat", 4, 4), Count("val", 0, 4, "bus", 7, None)]
    off = [Count("val", 0, None, "", 10, 10), Count("val", 0, 3, "boat", 5, 4)]
    assert verdict(good) == "1 of 1 fold counts and 1 of 1 class counts agree with the published ones"
    assert verdict(off) == (
        "1 of 1 fold counts and 0 of 1 class counts agree with the published ones; largest deviation 25.00%"
    )
    assert (
        closest_variant({"full": off, "compatible": good}) == "variant 'compatible' agrees with every published count"
    )
    assert closest_variant({"full": off, "compatible": [*off, *off]}) == (
        "no variant agrees with every published count; pictures apart, summed over all counts: 'full' 1, 'compatible' 2"
    )
    text = count_table([*good, *off]).text()
    assert text.count("boat") == 1  # only where it differs
    assert count_table(good, every_class=True).text().count("boat") == 1
    assert "differs" in text


def test_the_facts_are_read_from_the_package() -> None:
    file = Path(module.__file__).with_name("counts.json")
    assert json.loads(file.read_text()) == published_counts()
