"""Episode plans: which pictures make episode `number` of `epoch`, from a seed and nothing else.

Never from a worker, a rank or a batch size, so that the same plan is walked by one process or by many, in any order.
Letters: K shots.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod

import numpy as np

from sccan.episodes.episode import EpisodeSpec
from sccan.episodes.index import FoldLists
from sccan.errors import InputError


def numpy_generator(seed: int, *path: int) -> np.random.Generator:
    """A generator of its own for every path of whole numbers below a seed."""
    if seed < 0:
        raise InputError(f"the seed is {seed}, but it must not be negative")
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=path))


def python_generator(seed: int, *path: int) -> random.Random:
    """Likewise as Python's own generator, which the published transforms draw from."""
    return random.Random("/".join(str(number) for number in (seed, *path)))


class EpisodePlan(ABC):
    """A numbered sequence of episodes per epoch."""

    @abstractmethod
    def __len__(self) -> int:
        """Episodes per epoch."""

    @abstractmethod
    def episode(self, epoch: int, number: int) -> EpisodeSpec:
        """Episode `number` of `epoch`; the same whenever and wherever it is asked for."""

    def episodes(self, epoch: int = 0) -> list[EpisodeSpec]:
        """All episodes of an epoch in order."""
        return [self.episode(epoch, number) for number in range(len(self))]


class StratifiedPlan(EpisodePlan):
    """The same number of episodes for every class (one more for the first ones where it does not divide).

    Classes take turns; within a class every listed picture is the query equally often, in an order drawn anew for
    every round through them. Supports are distinct and never the query. This is the fair test: no class is left out
    or counted by one episode because of the order of a list.
    """

    def __init__(self, lists: FoldLists, *, n_shot: int, n_episodes: int, seed: int, skip_small: bool = False) -> None:
        """
        Args:
            lists: pictures and classes of the fold.
            n_shot: supports per episode.
            n_episodes: episodes per epoch.
            seed: of everything that is drawn.
            skip_small: leave out classes with fewer than `n_shot` + 1 pictures (listed in `skipped`).

        Raises InputError: the lists are empty, or a class has too few pictures and `skip_small` is off.
        """
        self.lists, self.n_shot, self.n_episodes, self.seed = lists, n_shot, _positive(n_episodes), seed
        self.classes, self.skipped = servable_classes(lists, n_shot, skip_small=skip_small)

    def __len__(self) -> int:
        return self.n_episodes

    def episode(self, epoch: int, number: int) -> EpisodeSpec:
        turn, position = divmod(number, len(self.classes))
        chosen = self.classes[position]
        listed = self.lists.per_class[chosen]
        around, at = divmod(turn, len(listed))
        order = numpy_generator(self.seed, epoch, 0, chosen, around).permutation(len(listed))
        query = int(listed[order[at]])
        support = draw_support(listed, query, self.n_shot, numpy_generator(self.seed, epoch, 1, number))
        return EpisodeSpec(number, (chosen,), (support,), ((query,),))


class ListPlan(EpisodePlan):
    """Queries in the order of the fold's list, again and again; the class is drawn among those of the picture.

    The published protocol of SCCAN with episodes that do not depend on loader workers. As published, a class of which
    the query holds a single pixel may be drawn (supports are always listed for the class); `any_amount` switches that.
    """

    def __init__(
        self,
        lists: FoldLists,
        *,
        n_shot: int,
        n_episodes: int,
        seed: int,
        any_amount: bool = True,
        skip_small: bool = False,
    ) -> None:
        """Args and Raises: see `StratifiedPlan`; `any_amount`: draw among all classes of a picture, however small."""
        self.n_shot, self.n_episodes, self.seed, self.any_amount = n_shot, _positive(n_episodes), seed, any_amount
        self.lists, self.skipped = _servable_lists(lists, n_shot, skip_small=skip_small, any_amount=any_amount)

    def __len__(self) -> int:
        return self.n_episodes

    def episode(self, epoch: int, number: int) -> EpisodeSpec:
        position = number % len(self.lists.items)
        return _episode_of_query(
            self.lists, position, number, self.n_shot, self.any_amount, numpy_generator(self.seed, epoch, 1, number)
        )


class TrainingPlan(EpisodePlan):
    """Every listed picture is the query once per round, in an order drawn anew for every epoch and round.

    The class is uniform among those of the picture; with `balanced`, the class is drawn first (all alike) and the
    query among its pictures, so that frequent classes do not crowd out rare ones.
    """

    def __init__(
        self,
        lists: FoldLists,
        *,
        n_shot: int,
        seed: int,
        n_episodes: int = 0,
        balanced: bool = False,
        any_amount: bool = True,
        skip_small: bool = False,
    ) -> None:
        """Args and Raises: see `StratifiedPlan` and `ListPlan`; `n_episodes` 0: as many as there are pictures."""
        self.n_shot, self.seed, self.balanced, self.any_amount = n_shot, seed, balanced, any_amount
        self.lists, self.skipped = _servable_lists(lists, n_shot, skip_small=skip_small, any_amount=any_amount)
        self.n_episodes = _positive(n_episodes or len(self.lists.items))
        self._order: tuple[tuple[int, int], np.ndarray] | None = None

    def __len__(self) -> int:
        return self.n_episodes

    def episode(self, epoch: int, number: int) -> EpisodeSpec:
        generator = numpy_generator(self.seed, epoch, 1, number)
        if self.balanced:
            chosen = self.lists.classes[int(generator.integers(len(self.lists.classes)))]
            listed = self.lists.per_class[chosen]
            query = int(generator.choice(listed))
            return EpisodeSpec(number, (chosen,), (draw_support(listed, query, self.n_shot, generator),), ((query,),))
        around, at = divmod(number, len(self.lists.items))
        position = int(self._permutation(epoch, around)[at])
        return _episode_of_query(self.lists, position, number, self.n_shot, self.any_amount, generator)

    def _permutation(self, epoch: int, around: int) -> np.ndarray:
        """The order of one round; the last one is kept, since neighbouring episodes share it."""
        if self._order is None or self._order[0] != (epoch, around):
            order = numpy_generator(self.seed, epoch, 0, around).permutation(len(self.lists.items))
            self._order = (epoch, around), order
        return self._order[1]


def draw_support(listed: np.ndarray, query: int, n_shot: int, generator: np.random.Generator) -> tuple[int, ...]:
    """`n_shot` distinct pictures of those listed for a class, none of them the query."""
    usable = listed[listed != query]
    return tuple(int(picture) for picture in generator.choice(usable, size=n_shot, replace=False))


def servable_classes(
    lists: FoldLists, n_shot: int, *, skip_small: bool = False
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Classes with enough pictures for `n_shot` supports and a query, and the classes left out.

    Raises InputError: the lists are empty; a class has too few pictures and `skip_small` is off; all have too few.
    """
    if n_shot < 1:
        raise InputError(f"EPISODE.SHOTS is {n_shot}, but an episode needs at least one support picture")
    lists.require_items()
    small = tuple(number for number, listed in lists.per_class.items() if len(listed) < n_shot + 1)
    if small and (not skip_small or len(small) == len(lists.classes)):
        raise InputError(_too_few(lists, small, n_shot, skip_small))
    return tuple(number for number in lists.classes if number not in small), small


def _too_few(lists: FoldLists, small: tuple[int, ...], n_shot: int, skip_small: bool) -> str:
    number = small[0]
    found, more = len(lists.per_class[number]), len(small) - 1
    others = f" (and {more} more classes have too few)" if more else ""
    shots = "1 shot" if n_shot == 1 else f"{n_shot} shots"
    advice = "lower EPISODE.SHOTS" if n_shot > 1 else "use more pictures"
    advice += "" if skip_small else " or set DATA.SKIP_SMALL_CLASSES True"
    return (
        f"{lists.title} has {found} image{'' if found == 1 else 's'} of {lists.describe(number)}{others}, "
        f"but {shots} and a query need {n_shot + 1}; {advice}"
    )


def _servable_lists(
    lists: FoldLists, n_shot: int, *, skip_small: bool, any_amount: bool
) -> tuple[FoldLists, tuple[int, ...]]:
    """The lists without the classes that have too few pictures, and without the pictures that then hold none."""
    classes, skipped = servable_classes(lists, n_shot, skip_small=skip_small)
    if not skipped:
        return lists, skipped
    columns = [lists.class_index(number) for number in classes]
    names = tuple(lists.names[column] for column in columns) if lists.names else ()
    present, counted = lists.present[:, columns], lists.counted[:, columns]
    kept = FoldLists(classes, lists.items, present, counted, names, lists.title)
    return kept.select(np.asarray((present if any_amount else counted).any(axis=1))), skipped


def _episode_of_query(
    lists: FoldLists, position: int, number: int, n_shot: int, any_amount: bool, generator: np.random.Generator
) -> EpisodeSpec:
    """An episode for the query at `position` of the lists' items: a class of its own, then supports."""
    candidates = lists.classes_of(position, any_amount=any_amount)
    chosen = candidates[int(generator.integers(len(candidates)))]
    query = int(lists.items[position])
    support = draw_support(lists.per_class[chosen], query, n_shot, generator)
    return EpisodeSpec(number, (chosen,), (support,), ((query,),))


def _positive(n_episodes: int) -> int:
    if n_episodes < 1:
        raise InputError(f"{n_episodes} episodes were asked for, but a plan needs at least one")
    return n_episodes
