"""The index names pictures and hashes its content; fold lists know their classes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sccan.episodes.index import FoldLists
from sccan.errors import InputError
from tests.episodes.made_up import made_up_index

COUNTS = np.array([[5, 0, 3], [2, 9, 0], [0, 1, 1]])


def test_names_are_stems_where_they_are_unique() -> None:
    index = made_up_index(COUNTS)
    assert index.names == ("picture000", "picture001", "picture002")
    assert index.number_of("picture001") == 1
    assert index.image_path(2) == Path("data/JPEGImages/picture002.jpg")
    assert index.label_path(2) == Path("data/SegmentationClassAug/picture002.png")


def test_names_are_paths_where_stems_repeat() -> None:
    index = dataclasses.replace(made_up_index(COUNTS), images=("a/one.jpg", "b/one.jpg", "b/two.jpg"))
    assert index.names == ("a/one", "b/one", "b/two")


def test_content_hash_is_that_of_the_content_alone() -> None:
    index = made_up_index(COUNTS)
    elsewhere = dataclasses.replace(made_up_index(COUNTS.astype(np.int32), root="/mnt/other"), fingerprint="other")
    assert elsewhere.content_hash == index.content_hash
    assert made_up_index(COUNTS, prefix="photo").content_hash != index.content_hash
    one_more = COUNTS.copy()
    one_more[2, 2] += 1
    assert made_up_index(one_more).content_hash != index.content_hash
    assert dataclasses.replace(index, ignored=np.array([0, 0, 1])).content_hash != index.content_hash


def test_unknown_picture_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError) as caught:
        made_up_index(COUNTS).number_of("pictur001")
    assert str(caught.value) == "picture 'pictur001' is not in the data set of 3 pictures; did you mean 'picture001'?"


def lists() -> FoldLists:
    present = np.array([[True, True], [False, True], [True, False]])
    counted = np.array([[True, False], [False, True], [True, False]])
    return FoldLists((4, 9), np.array([1, 5, 6]), present, counted, ("cat", "dog"), "fold 2")


def test_lists_tell_classes_and_pictures() -> None:
    made = lists()
    assert {number: list(listed) for number, listed in made.per_class.items()} == {4: [1, 6], 9: [5]}
    assert made.classes_of(0) == (4, 9)
    assert made.classes_of(0, any_amount=False) == (4,)
    assert made.class_index(9) == 1
    assert made.describe(9) == "class 9 (dog)"


def test_selected_lists_keep_their_columns() -> None:
    chosen = lists().select([False, True, True])
    assert list(chosen.items) == [5, 6]
    assert {number: list(listed) for number, listed in chosen.per_class.items()} == {4: [6], 9: [5]}
    assert chosen.title == "fold 2"


def test_empty_lists_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        lists().select([False] * 3).require_items()
    assert str(caught.value) == (
        "fold 2 is empty: no picture holds enough of its 2 classes; check the labels and the list, or lower "
        "DATA.MIN_PIXELS"
    )


def test_tables_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"expected \(3, 2\)"):
        FoldLists((4, 9), np.array([1, 5, 6]), np.zeros((3, 1), bool), np.zeros((3, 2), bool))
