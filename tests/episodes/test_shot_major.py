"""Shot-major episodes: their layout, their dependence on the generator, refusals."""

import pytest
import torch

from sccan.episodes.shot_major import shot_major_episodes

LABELS = torch.tensor([2, 0, 1, 1, 0, 2, 0, 1, 2, 2])


def _drawn(seed: int, n_way: int = 2, per_class: int = 3) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    episodes = shot_major_episodes(LABELS, n_episodes=20, n_way=n_way, per_class=per_class, generator=generator)
    return [one.tolist() for one in episodes]


def test_rows_go_round_the_ways_and_no_picture_comes_twice() -> None:
    for rows in _drawn(1):
        assert len(set(rows)) == 6
        classes = LABELS[rows].tolist()
        assert classes == [classes[0], classes[1]] * 3
        assert classes[0] != classes[1]


def test_the_generator_alone_decides() -> None:
    assert _drawn(3) == _drawn(3) != _drawn(4)


def test_too_few_classes_or_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="3 classes of at least 3 pictures cannot serve 4 ways of 2"):
        _drawn(0, n_way=4, per_class=2)
    with pytest.raises(ValueError, match="cannot serve 2 ways of 4"):
        _drawn(0, per_class=4)
