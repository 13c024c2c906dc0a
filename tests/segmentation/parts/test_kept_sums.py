"""Sums that are kept: computed once, and given up for newer ones when there is no room."""

import torch

from sccan.segmentation.parts.kept_sums import KeptSums, digest

SIZE = 4 * 25


def _asked(kept: KeptSums, picture: str, example: str) -> bool:
    """Whether the sums had to be computed."""
    computed = []

    def compute() -> torch.Tensor:
        computed.append(1)
        return torch.full((25,), float(len(picture + example)))

    assert kept.get(picture, example, compute)[0] == len(picture + example)
    return bool(computed)


def test_sums_are_computed_once() -> None:
    kept = KeptSums(10 * SIZE)
    assert _asked(kept, "one", "a")
    assert _asked(kept, "one", "bb")
    assert _asked(kept, "two", "a")
    assert not _asked(kept, "one", "a")
    assert not _asked(kept, "two", "a")
    assert len(kept) == 3


def test_without_room_nothing_further_is_kept_until_older_searches_are_given_up() -> None:
    kept = KeptSums(3 * SIZE)
    kept.begin_search()
    for example in "abcde":
        _asked(kept, "one", example)
    assert [_asked(kept, "one", example) for example in "abcde"] == [False] * 3 + [True] * 2
    kept.begin_search()
    assert not _asked(kept, "one", "b")
    assert _asked(kept, "one", "f")
    assert len(kept) == 3
    kept.begin_search()
    assert _asked(kept, "one", "f")
    assert [_asked(kept, "one", example) for example in "bf"] == [False, False]
    assert len(kept) == 2, "a and c were not used by this search or the last"


def test_digests_tell_values_types_and_shapes_apart() -> None:
    some = torch.arange(6.0)
    assert digest(some) == digest(some.clone())
    different = (some, some[:5], some.view(2, 3), some.half(), some + 1)
    assert len({digest(one) for one in different}) == 5
    assert digest(some, some) != digest(torch.cat([some, some]))
