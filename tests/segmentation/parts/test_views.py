"""Further views of examples: names that hide no map, and labels that move with their picture."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from sccan.episodes.episode import Features
from sccan.episodes.index import IGNORE
from sccan.segmentation.parts.views import shifted, shifted_labels, view_of, with_view

STAGES = ("layer4", "blocks.5", "0", "tokens", "Stage")


@given(st.sampled_from(STAGES), st.sampled_from(("aside", "flipped", "zoomed")))
def test_a_view_lies_beside_the_maps_and_is_never_taken_for_the_deepest(stage: str, name: str) -> None:
    own, other = (Features({stage: torch.full((1, 3, 2, 2), value)}, (32, 32)) for value in (0.0, 1.0))
    both = with_view(own, name, other, (stage,))
    assert both.deepest == stage
    assert torch.equal(both.maps[stage], own.maps[stage])
    assert torch.equal(view_of(both, name, (stage,)).maps[stage], other.maps[stage])


@given(st.integers(1, 8), st.integers(1, 8), st.integers(0, 3), st.integers(0, 3))
def test_labels_move_with_their_pictures(rows: int, columns: int, down: int, right: int) -> None:
    height, width = rows + 4, columns + 4
    values = torch.arange(height * width).view(1, 1, height, width)
    picture, labels = shifted(values.float(), down, right), shifted_labels(values[0], down, right)
    assert picture.shape == values.shape
    assert labels.shape == values[0].shape
    inside = labels != IGNORE
    assert torch.equal(picture[0][inside].long(), labels[inside])
    assert torch.equal(labels[..., down:, right:], values[0][..., : height - down, : width - right])
    assert int((~inside).sum()) == height * width - (height - down) * (width - right)
    assert float(picture.max()) < height * width, "what comes in is of the picture"
