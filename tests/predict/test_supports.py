"""Examples from folders and from arrays, for either task."""

from pathlib import Path

import numpy as np
import pytest

from sccan.errors import InputError
from sccan.predict import Supports
from tests.predict.made_up import disc, save, white_on_black

IMAGE, MASK = disc(40, 60)
OTHER, MOON = disc(50, 30, seed=1)


def test_a_folder_of_one_class(examples: Path) -> None:
    supports = Supports.from_folder(examples)
    assert repr(supports) == "Supports(2 pictures: object (2))"
    assert [shot.label.shape for shot in supports.shots()] == [(60, 80), (90, 70)]
    assert {int(value) for shot in supports.shots() for value in np.unique(shot.label)} == {0, 1}


def test_sub_folders_are_classes_with_masks_or_without(tmp_path: Path) -> None:
    for name, image, mask in (("cat", IMAGE, MASK), ("dog", OTHER, MOON)):
        save(tmp_path / "masked" / name / "1.jpg", image)
        save(tmp_path / "masked" / name / "1.png", white_on_black(mask))
        save(tmp_path / "plain" / name / "1.jpg", image)
    save(tmp_path / "plain" / "cat" / "2.jpg", OTHER)
    masked, plain = Supports.from_folder(tmp_path / "masked"), Supports.from_folder(tmp_path / "plain")
    assert masked.class_names == plain.class_names == ("cat", "dog")
    np.testing.assert_array_equal(masked.shots()[1].label, MOON * 2)
    assert plain.labelled()[1] == [0, 0, 1]
    assert masked.labelled()[1] == [0, 1]  # one class per picture, so a classifier can use them too
    with pytest.raises(InputError, match=r"example cat/1\.jpg has no mask, which segmentation needs; put a mask PNG"):
        plain.shots()
    save(tmp_path / "masked" / "cow" / "1.jpg", IMAGE)
    with pytest.raises(InputError, match=r"masks, but cow/1\.jpg has none"):
        Supports.from_folder(tmp_path / "masked")


def test_a_picture_with_several_classes_is_one_shot_for_each(tmp_path: Path) -> None:
    label = MASK.astype(np.uint8)
    label[:5, :5] = 2
    save(tmp_path / "a.jpg", IMAGE)
    save(tmp_path / "a.png", label)
    save(tmp_path / "b.jpg", OTHER)
    save(tmp_path / "b.png", MOON * np.uint8(3))
    save(tmp_path / "unmarked.jpg", OTHER)
    (tmp_path / "classes.txt").write_text("mug\npen\ncup\nvase\n")
    supports = Supports.from_folder(tmp_path)
    assert supports.class_names == ("mug", "pen", "cup")
    assert repr(supports) == "Supports(2 pictures: mug (1), pen (1), cup (1))"
    assert supports.notes == ("left out, as they have no annotation: 1 (unmarked.jpg)",)
    np.testing.assert_array_equal(supports.shots()[0].label, label)
    with pytest.raises(InputError, match=r"a\.jpg shows mug, pen; a classifier needs one class per picture"):
        supports.labelled()


def test_hundreds_of_classes_are_a_short_line() -> None:
    many = Supports.from_arrays([IMAGE] * 301, classes=[*(f"kind {n}" for n in range(300)), "kind 7"])
    first = ", ".join(f"kind {n} ({1 + (n == 7)})" for n in range(8))
    assert repr(many) == f"Supports(301 pictures: {first}, ... and 292 more classes, 1 to 2 each)"


def test_arrays_and_single_examples_make_the_same_supports() -> None:
    arrays = Supports.from_arrays([IMAGE, OTHER], [MASK, white_on_black(MOON)], classes=["disc", "moon"])
    added = Supports().add(IMAGE, MASK.astype(np.uint8), "disc").add(OTHER, MOON, "moon")
    assert arrays.fingerprint == added.fingerprint
    assert arrays.class_names == ("disc", "moon")
    assert arrays.fingerprint != Supports().add(IMAGE, ~MASK, "disc").add(OTHER, MOON, "moon").fingerprint
    ignored = MASK.astype(np.uint8)
    ignored[0] = 255
    np.testing.assert_array_equal(Supports().add(IMAGE, ignored).shots()[0].label, ignored)


def test_a_changed_file_changes_the_fingerprint(examples: Path) -> None:
    before = Supports.from_folder(examples).fingerprint
    assert Supports.from_folder(examples).fingerprint == before
    save(examples / "0.jpg", disc(60, 80, seed=5)[0])
    assert Supports.from_folder(examples).fingerprint != before


def test_what_is_no_support_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder .*none; give one with annotated pictures"):
        Supports.from_folder(tmp_path / "none")
    save(tmp_path / "bare" / "a.jpg", IMAGE)
    with pytest.raises(InputError, match="bare holds 1 picture and no annotation; put a mask PNG"):
        Supports.from_folder(tmp_path / "bare")
    save(tmp_path / "classes" / "cat" / "a.jpg", IMAGE)
    (tmp_path / "classes" / "dog").mkdir()
    with pytest.raises(InputError, match="dog holds no picture; add some, or remove it"):
        Supports.from_folder(tmp_path / "classes")
    with pytest.raises(InputError, match=r"is \[40, 60\] \(height, width\), but the picture is \[50, 30\]"):
        Supports().add(OTHER, MASK)
    with pytest.raises(InputError, match="with values up to 7; expected"):
        Supports().add(IMAGE, MASK * np.uint8(7))
    with pytest.raises(InputError, match="the mask of example 0 marks nothing"):
        Supports().add(IMAGE, MASK & ~MASK)
    with pytest.raises(InputError, match="2 pictures, 1 classes, 2 masks; give as many of each"):
        Supports.from_arrays([IMAGE, OTHER], [MASK, MOON], classes=["disc"])
    with pytest.raises(InputError, match="there are no examples"):
        Supports().shots()
    with pytest.raises(
        InputError, match="examples of 'object' alone; telling pictures apart needs at least two classes"
    ):
        Supports().add(IMAGE).labelled()
