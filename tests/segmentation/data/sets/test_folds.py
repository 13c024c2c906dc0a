"""Folds partition the classes; fold lists hold exactly the pictures of the published rules."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.errors import InputError
from sccan.segmentation.data.sets.folds import (
    FOLD_RULES,
    Fold,
    base_lists,
    consecutive_folds,
    fold_lists,
    hold_out,
    interleaved_folds,
    novel_lists,
    whole_list,
)
from tests.episodes.made_up import made_up_index


@pytest.mark.parametrize("rule", FOLD_RULES)
@settings(deadline=None)
@given(n_folds=st.integers(2, 9), more=st.integers(0, 80))
def test_every_class_is_novel_in_exactly_one_fold(rule: str, n_folds: int, more: int) -> None:
    n_classes = n_folds + more
    folds = FOLD_RULES[rule](n_classes, n_folds)
    assert sorted(number for fold in folds for number in fold.novel) == list(range(1, n_classes + 1))
    for position, fold in enumerate(folds):
        assert fold.number == position
        assert fold.novel
        assert list(fold.novel) == sorted(fold.novel)
        assert list(fold.base) == sorted(set(range(1, n_classes + 1)) - set(fold.novel))
    assert max(len(fold.novel) for fold in folds) - min(len(fold.novel) for fold in folds) <= 1


def test_published_folds() -> None:
    assert [fold.novel for fold in consecutive_folds(20, 4)] == [
        (1, 2, 3, 4, 5),
        (6, 7, 8, 9, 10),
        (11, 12, 13, 14, 15),
        (16, 17, 18, 19, 20),
    ]
    assert interleaved_folds(80, 4)[2].novel == tuple(range(3, 81, 4))
    assert consecutive_folds(80, 4)[1].novel == tuple(range(21, 41))


@pytest.mark.parametrize("rule", FOLD_RULES)
def test_more_folds_than_classes_are_refused(rule: str) -> None:
    with pytest.raises(InputError, match="3 classes cannot make 4 folds; expected a number from 2 to 3"):
        FOLD_RULES[rule](3, 4)


# Pixels of background and classes 1..4 in five pictures; fold 0 of 2 tests classes 1 and 2.
COUNTS = np.array(
    [
        [900, 0, 0, 2048, 0],  # base class, just enough
        [900, 0, 0, 2047, 0],  # one pixel too few
        [900, 1, 0, 5000, 0],  # one novel pixel
        [900, 3000, 0, 0, 9000],  # both
        [900, 2500, 2048, 0, 0],  # two novel classes
    ]
)
FOLD = Fold(0, base=(3, 4), novel=(1, 2))


def test_training_lists_by_hand() -> None:
    index = made_up_index(COUNTS)
    dropped = base_lists(index, FOLD)
    assert list(dropped.items) == [0]
    kept = base_lists(index, FOLD, novel_pixels="background")
    assert list(kept.items) == [0, 2, 3]
    assert {number: list(listed) for number, listed in kept.per_class.items()} == {3: [0, 2], 4: [3]}
    assert kept.names == ("thing 3", "thing 4")


def test_test_lists_by_hand() -> None:
    lists = novel_lists(made_up_index(COUNTS), FOLD)
    assert list(lists.items) == [3, 4]
    assert {number: list(listed) for number, listed in lists.per_class.items()} == {1: [3, 4], 2: [4]}
    assert lists.title == "fold 0"
    fewer = novel_lists(made_up_index(COUNTS), FOLD, min_pixels=1)
    assert list(fewer.items) == [2, 3, 4]


def test_unknown_rule_for_novel_pixels_is_refused() -> None:
    with pytest.raises(InputError, match="DATA.NOVEL_PIXELS is 'ignore'; expected 'drop' or 'background'"):
        base_lists(made_up_index(COUNTS), FOLD, novel_pixels="ignore")


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), minimum=st.sampled_from([1, 50, 2048]))
def test_lists_are_those_of_the_rule_in_words(seed: int, minimum: int) -> None:
    generator = np.random.default_rng(seed)
    counts = generator.integers(0, 5000, (12, 7)) * (generator.random((12, 7)) < 0.4)
    index = made_up_index(counts)
    lists = fold_lists(index, (5, 2, 3), excluded=(1, 6), min_pixels=minimum)
    assert lists.classes == (2, 3, 5)
    wanted: dict[int, list[int]] = {2: [], 3: [], 5: []}
    items = []
    for picture, row in enumerate(counts):
        if row[1] > 0 or row[6] > 0:
            continue
        found = [number for number in (2, 3, 5) if row[number] >= minimum]
        for number in found:
            wanted[number].append(picture)
        if found:
            items.append(picture)
            assert lists.classes_of(len(items) - 1) == tuple(number for number in (2, 3, 5) if row[number] > 0)
            assert lists.classes_of(len(items) - 1, any_amount=False) == tuple(found)
    assert list(lists.items) == items
    assert {number: list(listed) for number, listed in lists.per_class.items()} == wanted


def test_held_out_pictures_are_the_others_and_stay_on_their_side() -> None:
    index = made_up_index(np.full((400, 3), 4000))
    lists = fold_lists(index, (1, 2))
    kept, held = hold_out(lists, index, share=0.25, seed=3)
    assert sorted([*kept.items, *held.items]) == list(range(400))
    assert 70 <= len(held.items) <= 130
    smaller = fold_lists(made_up_index(np.full((100, 3), 4000)), (1,))
    _, held_of_smaller = hold_out(smaller, index, share=0.25, seed=3)
    assert set(held_of_smaller.items) == {number for number in held.items if number < 100}
    assert set(hold_out(lists, index, share=0.25, seed=4)[1].items) != set(held.items)
    for share in (0.0, 1.0):
        with pytest.raises(InputError, match="expected a number between 0 and 1"):
            hold_out(lists, index, share=share, seed=3)


def test_the_whole_list_holds_every_picture() -> None:
    index = made_up_index(np.random.default_rng(0).integers(0, 2, (7, 7)))
    fold = consecutive_folds(index.n_classes, 2)[0]
    lists = whole_list(index, fold, title="all")
    assert lists.items.tolist() == list(range(len(index)))
    assert (lists.present == (index.counts[:, list(fold.base)] > 0)).all()
