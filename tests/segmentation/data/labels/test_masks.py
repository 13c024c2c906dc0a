"""Masks of a class, labels of the base classes and bounding boxes."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sccan.segmentation.data.labels.masks import base_label_table, boxed_mask, class_mask

labels = arrays(np.uint8, (5, 7), elements=st.sampled_from([0, 1, 2, 3, 17, 255]))


@settings(deadline=None)
@given(label=labels, number=st.sampled_from([1, 2, 3, 17]))
def test_class_mask_is_the_rule_in_words(label: np.ndarray, number: int) -> None:
    mask = class_mask(label, number)
    assert mask.dtype == np.uint8
    assert (mask == np.where(label == 255, 255, label == number)).all()


def test_base_labels_are_positions_and_other_classes_background() -> None:
    table = base_label_table((2, 3, 17))
    label = np.array([[0, 1, 2], [3, 17, 255], [20, 0, 2]])
    assert table[label].tolist() == [[0, 0, 1], [2, 3, 255], [0, 0, 1]]


def test_boxes_by_hand() -> None:
    mask = np.array(
        [
            [1, 0, 0, 0, 0, 0],
            [0, 1, 0, 0, 0, 0],  # touches diagonally: one part
            [0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 255, 0],
            [0, 0, 0, 0, 1, 0],
        ],
        np.uint8,
    )
    wanted = np.array(
        [
            [1, 1, 1, 0, 0, 0],  # both ends inclusive: one pixel too far to the right and below
            [1, 1, 1, 0, 0, 0],
            [1, 1, 1, 0, 0, 0],
            [0, 0, 0, 0, 255, 0],
            [0, 0, 0, 0, 1, 1],
        ],
        np.uint8,
    )
    assert (boxed_mask(mask) == wanted).all()


@settings(deadline=None)
@given(mask=arrays(np.uint8, (6, 8), elements=st.sampled_from([0, 1, 255])))
def test_boxes_cover_the_mask_and_spare_what_is_ignored(mask: np.ndarray) -> None:
    boxed = boxed_mask(mask)
    assert (boxed[mask == 1] == 1).all()
    assert ((boxed == 255) == (mask == 255)).all()
