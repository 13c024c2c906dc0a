"""Which pixels of a mask are the object, mask by mask; strays are named, nothing vanishes."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sccan.errors import InputError
from sccan.pictures.masks import IGNORE, Mask, objects, read_mask

HERE = np.zeros((40, 50), bool)
HERE[5:30, 10:40] = True


def of(values: np.ndarray) -> Mask:
    """A grey mask."""
    found = np.unique(values)
    bright = values == found[1] if len(found) == 2 else None
    return Mask(values, bright, np.bincount(values.reshape(-1), minlength=256))


def white(*strays: int, each: int = 1) -> np.ndarray:
    """0 and 255, with some pixels of other values."""
    values = HERE.astype(np.uint8) * np.uint8(255)
    for number, stray in enumerate(strays):
        values[number, :each] = stray
    return values


def alone(values: np.ndarray, names: tuple[str, ...] = ()) -> tuple[np.ndarray, list[str]]:
    found, labels, told = objects({"a.png": of(values)}, names, "mug", "here")
    assert found == (names or ("mug",))
    return labels["a.png"], told.lines()


@pytest.mark.parametrize("stray", [1, 2, 20, 100, 127, 128, 200, 253, 254])
@pytest.mark.parametrize("each", [1, 4, 40])
def test_a_stray_value_beside_0_and_255_changes_nothing_but_itself(stray: int, each: int) -> None:
    label, lines = alone(white(stray, each=each))
    want = HERE.astype(np.uint8)
    want[0, :each] = IGNORE
    np.testing.assert_array_equal(label, want)
    assert lines == [f"ignored where the mask is {stray}, beside the object: 1 (a.png)"]


def test_several_strays_and_the_edges_of_a_smoothed_mask_are_ignored() -> None:
    label, lines = alone(white(3, 77, 250))
    assert (label == 1).sum() == HERE.sum()
    assert lines == ["ignored where the mask is 3, 77, 250, beside the object: 1 (a.png)"]


def test_many_strays_are_one_line() -> None:
    _, lines = alone(white(*range(240, 250)))
    assert lines == ["ignored where the mask is 240, 241, 242 ... (10 values), beside the object: 1 (a.png)"]


@pytest.mark.parametrize("grey", [100, 127, 128, 150])
def test_a_trimap_ignores_its_middle(grey: int) -> None:
    values = HERE.astype(np.uint8) * np.uint8(255)
    values[30:36] = grey
    label, _ = alone(values)
    np.testing.assert_array_equal(label == 1, HERE)
    assert (label[30:36] == IGNORE).all()


def test_class_numbers_with_little_255_are_class_numbers() -> None:
    values = HERE.astype(np.uint8) * np.uint8(4)
    values[:2] = IGNORE
    label, lines = alone(values)
    np.testing.assert_array_equal(label == 1, HERE)
    assert (label[:2] == IGNORE).all()
    assert lines == ["ignored where the mask is 255, beside class numbers: 1 (a.png)"]


def test_a_stray_shade_beside_class_numbers_is_ignored() -> None:
    values = HERE.astype(np.uint8)
    values[0, :3] = 254
    label, lines = alone(values)
    np.testing.assert_array_equal(label == 1, HERE)
    assert lines == ["ignored where the mask is 254, beside the object: 1 (a.png)"]


def test_conventions_may_differ_from_mask_to_mask() -> None:
    masks = {"a.png": of(white()), "b.png": of(HERE.astype(np.uint8)), "c.png": of(HERE * np.uint8(128))}
    names, labels, told = objects(masks, (), "mug", "here")
    assert names == ("mug",)
    for label in labels.values():
        np.testing.assert_array_equal(label, HERE)
    assert not told


def test_one_name_is_enough_for_black_and_white() -> None:
    np.testing.assert_array_equal(alone(white(), ("dog",))[0], HERE)


def test_an_empty_mask_is_left_out_and_told() -> None:
    masks = {"a.png": of(white()), "b.png": of(np.zeros((40, 50), np.uint8))}
    _, labels, told = objects(masks, (), "mug", "here")
    assert list(labels) == ["a.png"]
    assert told.lines() == ["left out, as the mask marks nothing: 1 (b.png)"]


def test_black_and_white_among_class_numbers_is_refused_or_told() -> None:
    numbered = HERE.astype(np.uint8)
    numbered[:, :20] *= 2
    masks = {"a.png": of(white()), "b.png": of(numbered)}
    with pytest.raises(InputError, match=r"a\.png is 0 and 255 alone, but b\.png holds class numbers \(1, 2\)"):
        objects(masks, (), "mug", "here")
    _, labels, told = objects(masks, ("cup", "mug"), "", "here")
    assert list(labels) == ["b.png"]
    assert told.lines() == ["left out, as 0 and 255 alone do not say which of 2 classes: 1 (a.png)"]
    with pytest.raises(InputError, match="which does not say which of the 2 classes"):
        objects({"a.png": of(white())}, ("cup", "mug"), "", "here")


def test_values_beyond_the_names_are_refused_unless_they_are_strays() -> None:
    values = HERE.astype(np.uint8)
    values[:, :20] *= 2
    values[0, 0] = 9
    _, labels, told = objects({"a.png": of(values)}, ("cup", "mug"), "", "here")
    assert labels["a.png"][0, 0] == IGNORE
    assert told.lines() == ["ignored where the mask is 9, which is no class: 1 (a.png)"]
    values[:3] = 9
    with pytest.raises(InputError, match=r"holds the value 9, but classes\.txt names 2 classes"):
        objects({"a.png": of(values)}, ("cup", "mug"), "", "here")


@pytest.mark.parametrize(
    ("dark", "bright"),
    [
        ((0, 0, 0), (255, 255, 255)),
        ((10, 20, 90), (250, 240, 60)),
        ((0, 0, 0), (200, 0, 0)),
        ((60, 60, 60), (90, 200, 90)),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_two_colours_are_read_by_brightness(
    tmp_path: Path, dark: tuple[int, ...], bright: tuple[int, ...], swapped: bool
) -> None:
    palette = Image.fromarray((HERE != swapped).astype(np.uint8))
    palette.putpalette([*(bright if swapped else dark), *(dark if swapped else bright)])
    palette.save(tmp_path / "a.png")
    palette.convert("RGB").save(tmp_path / "b.png")
    for name in ("a.png", "b.png"):
        _, labels, _ = objects({name: read_mask(tmp_path / name)}, (), "mug", "here")
        np.testing.assert_array_equal(labels[name], HERE, err_msg=name)


def test_black_ink_on_a_clear_sheet_and_16_bits_are_masks(tmp_path: Path) -> None:
    ink = np.zeros((*HERE.shape, 4), np.uint8)
    ink[HERE, 3] = 255
    Image.fromarray(ink).save(tmp_path / "a.png")
    Image.fromarray(HERE.astype(np.uint16) * np.uint16(65535)).save(tmp_path / "b.png")
    for name in ("a.png", "b.png"):
        _, labels, _ = objects({name: read_mask(tmp_path / name)}, (), "mug", "here")
        np.testing.assert_array_equal(labels[name], HERE)


@settings(max_examples=60, deadline=None)
@given(
    value=st.integers(1, 255),
    strays=st.lists(st.tuples(st.integers(1, 255), st.integers(1, 1)), max_size=3),
    seed=st.integers(0, 1000),
)
def test_one_object_is_found_whatever_its_value_and_however_few_pixels_are_wrong(
    value: int, strays: list[tuple[int, int]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    values = HERE.astype(np.uint8) * np.uint8(value)
    wrong = np.zeros(HERE.shape, bool)
    for stray, count in strays:
        rows, columns = rng.integers(31, 40, count), rng.integers(0, 50, count)
        values[rows, columns], wrong[rows, columns] = stray, True
    _, labels, told = objects({"a.png": of(values)}, (), "mug", "here")
    label = labels["a.png"]
    assert (label[HERE] == 1).all()
    assert ((label[wrong] == IGNORE) | (values[wrong] == value)).all()
    assert (label[~HERE & ~wrong] == 0).all()
    named = sorted({stray for stray in np.unique(values[wrong]).tolist() if stray != value})
    assert not named or f"is {', '.join(map(str, named))}, beside" in told.lines()[0]
