"""HSNet's episodes: drawn in order from one generator of numpy, supports with replacement.

On PASCAL the items of the test list are pairs of picture and class, from published per-fold text files, taken in file
order again and again. On COCO the position in the list is ignored: a class is drawn, then a query of that class. In
both, supports are drawn one at a time among the pictures of the class until there are enough; the query is passed over,
but **the same support may come twice**. Every draw takes the first element of a random permutation, which is what
numpy's legacy ``choice`` of one item without replacement does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sccan.episodes.episode import EpisodeSpec
from sccan.episodes.index import FoldLists
from sccan.episodes.plan import EpisodePlan, servable_classes
from sccan.errors import InputError

Items = Sequence[tuple[int, int]]
"""Picture number and class number of every item of a test list."""


class _RecordedPlan(EpisodePlan):
    """Episodes drawn one after the other when the plan is made; every epoch is the same, as every test is."""

    def __init__(self, specs: Sequence[EpisodeSpec]) -> None:
        self._specs = list(specs)

    def __len__(self) -> int:
        return len(self._specs)

    def episode(self, epoch: int, number: int) -> EpisodeSpec:
        return self._specs[number]


class HSNetPairs(_RecordedPlan):
    """HSNet's test on PASCAL: items in file order, repeated until there are enough episodes."""

    def __init__(
        self,
        lists: FoldLists,
        *,
        n_shot: int,
        n_episodes: int,
        seed: int,
        items: Items | None = None,
        skip_small: bool = False,
    ) -> None:
        """
        Args:
            lists: pictures and classes of the fold.
            n_shot: supports per episode.
            n_episodes: episodes in all.
            seed: of numpy's generator; published: 0.
            items: what HSNet's file for the fold names; None: every class of every picture of the list, in order.
            skip_small: leave out classes with a single item (in `skipped`).

        Raises InputError: a class has a single item (there the published code draws for ever), is not of this fold, or
            there are no items.
        """
        if items is None:
            self.skipped = _skipped(lists, skip_small)
            items = [
                (int(picture), number)
                for position, picture in enumerate(lists.items)
                for number in lists.classes_of(position, any_amount=False)
                if number not in self.skipped
            ]
        else:
            self.skipped = ()
        listed = _by_class(items, lists)
        stream = np.random.RandomState(_checked(n_shot, n_episodes, seed))
        wanted = (items[number % len(items)] for number in range(n_episodes))
        super().__init__(
            [
                _episode(number, query, chosen, _supports(stream, listed[chosen], query, n_shot))
                for number, (query, chosen) in enumerate(wanted)
            ]
        )


class HSNetClasses(_RecordedPlan):
    """HSNet's test on COCO: a class of the fold, a query of that class, and supports, all drawn."""

    def __init__(self, lists: FoldLists, *, n_shot: int, n_episodes: int, seed: int, skip_small: bool = False) -> None:
        """Args and Raises: see `HSNetPairs`."""
        self.skipped = _skipped(lists, skip_small)
        classes = [number for number in lists.classes if number not in self.skipped]
        stream = np.random.RandomState(_checked(n_shot, n_episodes, seed))
        specs = []
        for number in range(n_episodes):
            chosen = classes[_one_of(stream, len(classes))]
            listed = lists.per_class[chosen]
            query = int(listed[_one_of(stream, len(listed))])
            specs.append(_episode(number, query, chosen, _supports(stream, listed, query, n_shot)))
        super().__init__(specs)


def _one_of(stream: np.random.RandomState, n: int) -> int:
    """A number below `n`, drawn as ``numpy.random.choice(n, 1, replace=False)`` draws it."""
    return int(stream.permutation(n)[0])


def _supports(stream: np.random.RandomState, listed: np.ndarray, query: int, n_shot: int) -> tuple[int, ...]:
    drawn: list[int] = []
    while len(drawn) < n_shot:
        picture = int(listed[_one_of(stream, len(listed))])
        if picture != query:
            drawn.append(picture)
    return tuple(drawn)


def _episode(number: int, query: int, chosen: int, supports: tuple[int, ...]) -> EpisodeSpec:
    return EpisodeSpec(number, (chosen,), (supports,), ((query,),))


def _by_class(items: Items, lists: FoldLists) -> dict[int, np.ndarray]:
    """Class -> its pictures in the order of the items."""
    if not items:
        raise InputError(f"there are no items to test on for {lists.title}; check the list")
    foreign = next((number for _, number in items if number not in lists.classes), None)
    if foreign is not None:
        raise InputError(f"the list names class {foreign}, which is not tested in {lists.title}; check the fold")
    listed = {
        number: np.array([picture for picture, own in items if own == number])
        for number in sorted({number for _, number in items})
    }
    lonely = next((number for number, pictures in listed.items() if len(set(pictures.tolist())) < 2), None)
    if lonely is not None:
        raise InputError(
            f"the list has one picture of {lists.describe(lonely)}, but a query and a support need two; use a longer "
            "list"
        )
    return listed


def _skipped(lists: FoldLists, skip_small: bool) -> tuple[int, ...]:
    """Classes that cannot be served; supports may repeat, so two pictures are enough for any number of shots."""
    return servable_classes(lists, 1, skip_small=skip_small)[1]


def _checked(n_shot: int, n_episodes: int, seed: int) -> int:
    if min(n_shot, n_episodes) < 1 or not 0 <= seed < 2**32:
        asked = f"{n_episodes} episodes of {n_shot} shots with seed {seed}"
        raise InputError(
            f"{asked} were asked for; expected at least 1 episode and 1 shot, and a seed from 0 to 2^32 - 1"
        )
    return seed
