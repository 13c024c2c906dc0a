"""Anchors: which cells they are, whose, and how many are kept of many."""

import math

import pytest
import torch

from sccan.segmentation.parts import anchors
from sccan.segmentation.parts.anchors import anchors_of, log_odds
from sccan.segmentation.parts.cells import CellMasks
from sccan.segmentation.parts.places import own_lattice

GRID = (4, 5)


def _examples(shots: int) -> tuple[torch.Tensor, CellMasks]:
    generator = torch.Generator().manual_seed(shots)
    cells = torch.nn.functional.normalize(torch.randn(shots, 20, 3, generator=generator), dim=-1)
    drawn = torch.randint(3, (shots, 20), generator=generator)
    drawn[-1][drawn[-1] == 1] = 0  # the last one shows nothing
    return cells, CellMasks(drawn == 1, drawn == 0)


def test_anchors_are_the_cells_of_the_masks_example_by_example() -> None:
    cells, masks = _examples(3)
    places = own_lattice(GRID, cells.device).places
    found = anchors_of(cells, masks, places, 0.25, ["a", "b", "c"])
    assert found.log_odds == 0.25
    for group, mask in zip((found.foreground, found.background), masks, strict=True):
        assert group.counts == tuple(mask.sum(1).tolist())
        for number, (own, own_places) in enumerate(group.by_example()):
            assert torch.equal(own, cells[number][mask[number]])
            assert torch.equal(own_places, places[mask[number]])
    assert len(set(found.names)) == 3
    assert not anchors_of(cells, masks, places, 0.0).names


def test_odds_are_those_of_the_examples_that_show_it() -> None:
    _, masks = _examples(3)
    inside, beside = int(masks.foreground.sum()), int(masks.background[:2].sum())
    assert log_odds(masks) == pytest.approx(math.log(inside / beside))
    assert log_odds(CellMasks(masks.foreground[2:], masks.background[2:])) == 0


@pytest.mark.parametrize("most", [3, 10, 11, 1000])
def test_of_many_every_second_fourth_or_eighth_is_kept(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cells, masks = _examples(3)
    places = own_lattice(GRID, cells.device).places
    whole = anchors_of(cells, masks, places, 0.25, "abc")
    monkeypatch.setattr(anchors, "MOST_ANCHORS", most)
    thinned = anchors_of(cells, masks, places, 0.25, "abc")
    for own, every in ((thinned.foreground, whole.foreground), (thinned.background, whole.background)):
        kept, counts = len(own.cells), [len(cells) for cells, _ in every.by_example()]
        steps = [step for step in (1, 2, 4, 8, 16, 32) if sum(-(-count // step) for count in counts) <= most]
        assert kept == sum(own.counts) <= most
        for (few, few_places), (many, many_places) in zip(own.by_example(), every.by_example(), strict=True):
            assert torch.equal(few, many[:: steps[0]])
            assert torch.equal(few_places, many_places[:: steps[0]])
    assert (thinned.names == whole.names) == (most == 1000), "other cells have another name"
