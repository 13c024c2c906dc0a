"""Shipped lists of classes: their sizes, their rules, and the checks of what is on disk."""

import numpy as np
import pytest

from sccan.classification.data.splits.class_lists import (
    CLASS_LISTS,
    check_class_list,
    check_overlap,
    cifar100_names,
    class_list,
)
from sccan.classification.data.splits.pictures import SPLITS, ArrayPictures
from sccan.errors import InputError

SIZES = {
    "miniimagenet": (64, 16, 20),
    "tieredimagenet": (351, 97, 160),
    "cifar-fs": (64, 16, 20),
    "fc100": (60, 20, 20),
    "cub-closerlook": (100, 50, 50),
    "cub-feat": (100, 50, 50),
    "cub-easyfsl": (140, 30, 30),
}


@pytest.mark.parametrize("name", CLASS_LISTS)
def test_a_list_has_the_published_number_of_classes_and_no_class_twice(name: str) -> None:
    listed = class_list(name)
    assert tuple(len(listed[split]) for split in SPLITS) == SIZES[name]
    names = [one.name for split in SPLITS for one in listed[split]]
    assert len(set(names)) == len(names)


def test_cub_lists_follow_their_rules_and_counts() -> None:
    closer = class_list("cub-closerlook")
    folders = sorted(one.name for split in SPLITS for one in closer[split])
    for split, positions in (("train", range(0, 200, 2)), ("val", range(1, 200, 4)), ("test", range(3, 200, 4))):
        assert [one.name for one in closer[split]] == [folders[position] for position in positions]
    assert [sum(one.images or 0 for one in closer[split]) for split in SPLITS] == [5885, 2950, 2953]
    feat = class_list("cub-feat")
    assert [sum(one.images or 0 for one in feat[split]) for split in SPLITS] == [5891, 2932, 2965]


def test_cifar_lists_name_fine_labels_and_together_all_of_them() -> None:
    names = cifar100_names()
    for name in ("cifar-fs", "fc100"):
        listed = [one for split in SPLITS for one in class_list(name)[split]]
        assert sorted(one.name for one in listed) == sorted(names)
        assert all(names[int(one.aliases[0])] == one.name for one in listed)


def _split(names: list[str], each: int = 1, named: bool = True) -> ArrayPictures:
    labels = np.repeat(np.arange(len(names)), each)
    return ArrayPictures(np.zeros((len(labels), 2, 3, 3), np.uint8), labels, names, title="data", named=named)


def test_the_classes_on_disk_are_compared_with_the_list() -> None:
    listed = class_list("cub-closerlook")
    names = [one.name for one in listed["val"]]
    lines = check_class_list({"val": _split(names, 41)}, "cub-closerlook")
    assert all("are listed" in line for line in lines)
    assert len(lines) == sum(one.images != 41 for one in listed["val"])
    short = [name.split(".", 1)[1] for name in names]  # folders without their numbers
    assert check_class_list({"val": _split(short, 41)}, "cub-closerlook") == [
        line.replace(full, less) for line in lines for full, less in zip(names, short, strict=True) if full in line
    ]
    with pytest.raises(InputError, match=r"1 not listed \(unicorn\), 1 missing \(002\.Laysan_Albatross\)"):
        check_class_list({"val": _split(["unicorn", *names[1:]])}, "cub-closerlook")
    with pytest.raises(InputError, match="does not hold the classes that cub-feat lists for val"):
        check_class_list({"val": _split(names)}, "cub-feat")


def test_classes_without_names_are_compared_by_number_and_size() -> None:
    names = [f"class_{n:03d}" for n in range(16)]
    assert check_class_list({"val": _split(names, 600, named=False)}, "cifar-fs") == []
    assert check_class_list({"val": _split(names, 10, named=False)}, "cifar-fs") == [
        "val: 160 pictures, but 9600 are listed"
    ]
    with pytest.raises(InputError, match="data has 15 classes, but cifar-fs lists 16"):
        check_class_list({"val": _split(names[:15], 600, named=False)}, "cifar-fs")


def test_splits_that_overlap_are_refused_unless_names_are_made_up() -> None:
    splits = {"train": _split(["cat", "dog"]), "test": _split(["cow", "dog"])}
    with pytest.raises(InputError, match="class 'dog' is in both the train and the test split"):
        check_overlap(splits)
    check_overlap({"train": _split(["class_000"], named=False), "test": _split(["class_000"], named=False)})


def test_an_unknown_list_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match="did you mean 'cifar-fs'"):
        class_list("cifarfs")
