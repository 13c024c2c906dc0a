"""Published list files as literals: prefixes, Windows separators, and nothing that is code is ever run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from sccan.episodes.index import ClassIndex
from sccan.errors import InputError
from sccan.segmentation.data.prepare.lists import (
    compare_with_fold,
    hsnet_items,
    kind_of,
    pair_lines,
    read_class_lists,
    read_hsnet_list,
    write_fold_lists,
)
from sccan.segmentation.data.sets.folds import consecutive_folds, novel_lists
from sccan.segmentation.data.sets.lists import read_list

PAIR = ("JPEGImages/2008_000008.jpg", "SegmentationClassAug/2008_000008.png")


def index(root: Path) -> ClassIndex:
    """Five pictures and four classes in two folds; picture n holds classes by hand."""
    names = [f"2008_00000{n}" for n in range(5)]
    counts = np.zeros((5, 5), np.int64)
    counts[:, 0] = 5000
    for picture, classes in enumerate([(1,), (2, 3), (1, 4), (3,), (2,)]):
        counts[picture, list(classes)] = 3000
    return ClassIndex(
        root,
        tuple(f"JPEGImages/{name}.jpg" for name in names),
        tuple(f"SegmentationClassAug/{name}.png" for name in names),
        counts,
        np.zeros(5, np.int64),
        np.full((5, 2), 100),
        ("a", "b", "c", "d"),
    )


@pytest.mark.parametrize(
    "prefix", ["", "../data/VOCdevkit2012/VOC2012/", "D:/Data/VOC2012/", "/home/x/data/VOC2012/", "./"]
)
@pytest.mark.parametrize("windows", [False, True])
def test_class_lists_of_anybody_become_relative_to_the_root(tmp_path: Path, prefix: str, windows: bool) -> None:
    content = {6: [(prefix + PAIR[0], prefix + PAIR[1])], 7: []}
    if windows:
        content[6] = [(content[6][0][0].replace("/", "\\"), content[6][0][1].replace("/", "\\"))]
    path = tmp_path / "sub_class_file_list_0.txt"
    path.write_text(str(content))
    assert kind_of(path) == "class lists"
    assert read_class_lists(path, tmp_path) == {6: [PAIR], 7: []}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{6: __import__('os').system('touch evil')}", "malformed node or string on line 1"),
        ("{6: open('evil', 'w')}", "malformed node or string on line 1"),
        ("{6: [('a.jpg', 'a.png')]", "'{' was never closed"),
        ("{" * 5000, "too many nested parentheses|s_push: parser stack overflow|RecursionError|MemoryError"),
    ],
)
def test_code_in_class_lists_is_refused_and_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(
        InputError, match=rf"class lists .*list\.txt are no plain literal \(.*({reason}).*\); expected one"
    ):
        read_class_lists(path, tmp_path)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[1, 2]", "hold a list; expected one dictionary literal"),
        ("{'6': []}", "have the entry '6': []; expected"),
        ("{6: 7}", "have the entry 6: 7; expected"),
        ("{6: ['a.jpg a.png']}", "have the item 'a.jpg a.png'; expected (image path, label path)"),
        ("{6: [('../../x.jpg', 'y.png')]}", "path ../../x.jpg leads out of the data root"),
    ],
)
def test_class_lists_of_another_form_are_refused(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(line)):
        read_class_lists(path, tmp_path)


def test_hsnet_lists_become_pairs_of_picture_and_class(tmp_path: Path) -> None:
    path = tmp_path / "fold0.txt"
    path.write_text("2008_000002__01\n2008_000002__04\n\n2008_000004__02\n")
    assert kind_of(path) == "hsnet"
    assert read_hsnet_list(path) == [("2008_000002", 1), ("2008_000002", 4), ("2008_000004", 2)]
    assert hsnet_items(path, index(tmp_path)) == [(2, 1), (2, 4), (4, 2)]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("2008_000002__01\n2008_000002\n", "line 2: expected NAME__CLASS, but found '2008_000002'"),
        ("2008_000002__05\n", "names class 5, but the data set has classes 1..4"),
        ("2008_000002__00\n", "names class 0, but the data set has classes 1..4"),
        ("2008_000009__01\n", "picture '2008_000009' is not in the data set of 5 pictures"),
        ("\n", "is empty; expected lines NAME__CLASS"),
    ],
)
def test_hsnet_lists_that_do_not_fit_are_refused(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "fold0.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(line)):
        hsnet_items(path, index(tmp_path))


def test_kinds_are_told_apart_and_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("JPEGImages/a.jpg SegmentationClassAug/a.png\n")
    assert kind_of(path) == "pairs"
    path.write_text("2008_000008\n")
    assert kind_of(path) == "pairs"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"list\.txt cannot be read: .*; expected a published list file"):
        kind_of(path)
    path.write_text(" \n")
    with pytest.raises(InputError, match=r"list\.txt is empty"):
        kind_of(path)
    with pytest.raises(InputError, match=r"none\.txt does not exist"):
        kind_of(tmp_path / "none.txt")


def test_a_path_with_a_blank_cannot_be_listed() -> None:
    with pytest.raises(InputError, match=r"'my picture\.jpg' or 'a\.png' holds a blank, which separates the columns"):
        pair_lines([("my picture.jpg", "a.png")])


@pytest.mark.parametrize("prefix", ["", "../data/VOCdevkit2012/VOC2012"])
def test_fold_lists_are_written_as_published_and_read_back_the_same(tmp_path: Path, prefix: str) -> None:
    ours = index(tmp_path)
    lists = novel_lists(ours, consecutive_folds(4, 2)[0])
    write_fold_lists(tmp_path / "fss", 0, ours, lists, prefix)
    data_list, class_lists = (tmp_path / "fss" / f"{name}_0.txt" for name in ("data_list", "sub_class_file_list"))
    start = f"{prefix}/" if prefix else ""
    assert data_list.read_text().splitlines()[0] == (
        f"{start}JPEGImages/2008_000000.jpg {start}SegmentationClassAug/2008_000000.png"
    )
    assert [image[-5] for image, _ in read_list(data_list, tmp_path)] == list("0124")
    read = read_class_lists(class_lists, tmp_path)
    assert {number: [image[-5] for image, _ in pairs] for number, pairs in read.items()} == {
        1: list("02"),
        2: list("14"),
    }
    assert compare_with_fold(data_list, ours, lists) == []
    assert compare_with_fold(class_lists, ours, lists) == []


def test_differences_between_published_and_own_lists_are_named(tmp_path: Path) -> None:
    ours = index(tmp_path)
    lists = novel_lists(ours, consecutive_folds(4, 2)[0])
    write_fold_lists(tmp_path, 0, ours, lists)
    data_list, class_lists = tmp_path / "data_list_0.txt", tmp_path / "sub_class_file_list_0.txt"
    lines = data_list.read_text().splitlines(keepends=True)
    data_list.write_text("".join(lines[::-1]))
    assert compare_with_fold(data_list, ours, lists) == ["the list: the same 4 pictures in another order"]
    data_list.write_text("".join(lines[1:]) + "JPEGImages/2008_000003.jpg SegmentationClassAug/2008_000003.png\n")
    assert compare_with_fold(data_list, ours, lists) == [
        "the list: 4 pictures in data_list_0.txt, 4 by our rule, 1 only there (first JPEGImages/2008_000003.jpg), "
        "1 only here (first JPEGImages/2008_000000.jpg)"
    ]
    class_lists.write_text("{1: [], 3: []}")
    lacking = "0 pictures in sub_class_file_list_0.txt, 2 by our rule, 2 only here (first JPEGImages"
    assert compare_with_fold(class_lists, ours, lists) == [
        "class 3 is only in sub_class_file_list_0.txt",
        f"class 1: {lacking}/2008_000000.jpg)",
        f"class 2: {lacking}/2008_000001.jpg)",
    ]
