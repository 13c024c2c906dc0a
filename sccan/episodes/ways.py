"""N-way K-shot Q-query plans: which classes and pictures make an episode of few-shot classification.

Letters: N ways, K shots, Q queries (per way).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from sccan.episodes.episode import EpisodeSpec
from sccan.episodes.plan import EpisodePlan, numpy_generator
from sccan.errors import InputError

PUBLISHED_SEED = 112

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class ClassPictures:
    """The pictures of every class of a split; each picture has one class.

    Attributes:
        per_class: class number -> picture numbers, both ascending.
        names: class number -> name, for messages.
        title: what the split is called in messages, for instance ``split test of cifar_fs``.
    """

    per_class: Mapping[int, np.ndarray]
    names: Mapping[int, str]
    title: str = "the data set"


@dataclass(frozen=True)
class EpisodeShape:
    """Ways, shots, and queries per way of an episode.

    Raises InputError: one of them is below 1, or there are fewer than two ways.
    """

    n_way: int
    n_shot: int
    n_query: int

    def __post_init__(self) -> None:
        if self.n_way < 2:
            raise InputError(f"EPISODE.WAYS is {self.n_way}, but an episode of classification needs at least 2 classes")
        for name, value in (("SHOTS", self.n_shot), ("QUERIES", self.n_query)):
            if value < 1:
                raise InputError(f"EPISODE.{name} is {value}, but an episode needs at least one such picture per class")


class WayPlan(EpisodePlan):
    """Classes uniform without replacement, and of each class K + Q distinct pictures: no picture is used twice."""

    def __init__(
        self, pictures: ClassPictures, shape: EpisodeShape, *, n_episodes: int, seed: int, skip_small: bool = False
    ) -> None:
        """
        Args:
            pictures: of one split; classes may differ in size.
            n_episodes: episodes per epoch.
            seed: of everything that is drawn.
            skip_small: leave out classes with fewer than K + Q pictures (listed in `skipped`).

        Raises InputError: fewer classes than ways, or a class with too few pictures while `skip_small` is off.
        """
        if n_episodes < 1:
            raise InputError(f"a plan of {n_episodes} episodes was asked for, but it needs at least one")
        self.pictures, self.shape, self.n_episodes, self.seed = pictures, shape, n_episodes, seed
        self.classes, self.skipped = servable(pictures, shape, skip_small=skip_small)

    def __len__(self) -> int:
        return self.n_episodes

    def episode(self, epoch: int, number: int) -> EpisodeSpec:
        generator = numpy_generator(self.seed, epoch, number)
        chosen = generator.choice(len(self.classes), self.shape.n_way, replace=False)
        classes = tuple(self.classes[int(position)] for position in chosen)
        support, query = [], []
        for number_of_class in classes:
            listed = self.pictures.per_class[number_of_class]
            drawn = generator.choice(listed, self.shape.n_query + self.shape.n_shot, replace=False).tolist()
            query.append(tuple(drawn[: self.shape.n_query]))
            support.append(tuple(drawn[self.shape.n_query :]))
        return EpisodeSpec(number, classes, tuple(support), tuple(query))


class PicturePlan(EpisodePlan):
    """Every picture once per epoch, in an order of its own: each the one query of one way, without supports.

    For training on base classes with the data path of episodes.
    """

    def __init__(self, pictures: ClassPictures, *, seed: int) -> None:
        """`seed`: of the orders."""
        self.seed = seed
        self._numbers = np.concatenate([np.asarray(listed) for listed in pictures.per_class.values()])
        sizes = [len(listed) for listed in pictures.per_class.values()]
        self._classes = np.repeat(list(pictures.per_class), sizes)
        self._order: tuple[int, np.ndarray] | None = None  # that of the epoch asked for last

    def __len__(self) -> int:
        return len(self._numbers)

    def episode(self, epoch: int, number: int) -> EpisodeSpec:
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, numpy_generator(self.seed, epoch).permutation(len(self))
        place = self._order[1][number]
        return EpisodeSpec(number, (int(self._classes[place]),), ((),), ((int(self._numbers[place]),),))


class PublishedWayPlan(EpisodePlan):
    """The fixed test episodes of CAN, DMF and their relatives: drawn once, in order, by Python's generator.

    The same list under every epoch. Python 2 and Python 3 map the same random bits to different episodes: CAN's
    published numbers come from Python 2, DMF's from Python 3.
    """

    def __init__(
        self,
        pictures: ClassPictures,
        shape: EpisodeShape,
        *,
        n_episodes: int = 2000,
        seed: int = PUBLISHED_SEED,
        python: int = 3,
    ) -> None:
        """Args and Raises: see `WayPlan`; `python`: 2 or 3, whose generator draws."""
        if n_episodes < 1:
            raise InputError(f"a plan of {n_episodes} episodes was asked for, but it needs at least one")
        servable(pictures, shape)
        drawn = published_episodes(pictures.per_class, shape, n_episodes=n_episodes, seed=seed, python=python)
        self._specs = [episode.spec(number, shape.n_way) for number, episode in enumerate(drawn)]

    def __len__(self) -> int:
        return len(self._specs)

    def episode(self, epoch: int, number: int) -> EpisodeSpec:
        return self._specs[number]


@dataclass(frozen=True)
class PublishedEpisode:
    """An episode as the published sampler lists it: pairs (picture, way) in the order in which they enter the model."""

    classes: tuple[int, ...]
    support: tuple[tuple[int, int], ...]
    query: tuple[tuple[int, int], ...]

    def spec(self, number: int, n_way: int) -> EpisodeSpec:
        """The same pictures way by way."""
        support, query = (
            tuple(tuple(picture for picture, way in pairs if way == wanted) for wanted in range(n_way))
            for pairs in (self.support, self.query)
        )
        return EpisodeSpec(number, self.classes, support, query)


def published_episodes(
    per_class: Mapping[int, Sequence[int] | np.ndarray],
    shape: EpisodeShape,
    *,
    n_episodes: int,
    seed: int = PUBLISHED_SEED,
    python: int = 3,
) -> Iterator[PublishedEpisode]:
    """The published sampler: per class the first Q drawn are queries, the rest supports; both lists are shuffled.

    Args:
        per_class: class number -> picture numbers in the order of the data set.
        python: 2 or 3, whose generator draws.
    """
    generator = PublishedGenerator(seed, python)
    ids = sorted(per_class)
    for _ in range(n_episodes):
        classes = generator.sample(ids, shape.n_way)
        support: list[tuple[int, int]] = []
        query: list[tuple[int, int]] = []
        for way, number in enumerate(classes):
            drawn = generator.sample(per_class[number], shape.n_query + shape.n_shot)
            query += [(int(picture), way) for picture in drawn[: shape.n_query]]
            support += [(int(picture), way) for picture in drawn[shape.n_query :]]
        generator.shuffle(support)
        generator.shuffle(query)
        yield PublishedEpisode(tuple(classes), tuple(support), tuple(query))


class PublishedGenerator:
    """`sample` and `shuffle` of Python's `random` as they were in Python 2 or are in Python 3, whatever runs here."""

    def __init__(self, seed: int, python: int = 3) -> None:
        """
        Raises ValueError: `python` is neither 2 nor 3.
        """
        if python not in (2, 3):
            raise ValueError(f"the generators of Python 2 and 3 are known, not of {python}")
        self._random, self._python = random.Random(seed), python

    def below(self, bound: int) -> int:
        """A whole number in [0, bound)."""
        if self._python == 2:
            return int(self._random.random() * bound)
        bits = bound.bit_length()
        while (value := self._random.getrandbits(bits)) >= bound:
            pass
        return value

    def sample(self, population: Sequence[Item] | np.ndarray, count: int) -> list[Item]:
        """`count` distinct members, from a shrinking pool if they are few, else by drawing until unseen."""
        size = len(population)
        pool_limit = 21 + (4 ** math.ceil(math.log(count * 3, 4)) if count > 5 else 0)
        if size <= pool_limit:
            pool, drawn = list(population), []
            for taken in range(count):
                position = self.below(size - taken)
                drawn.append(pool[position])
                pool[position] = pool[size - taken - 1]
            return drawn
        seen: dict[int, None] = {}
        while len(seen) < count:
            seen.setdefault(self.below(size))
        return [population[position] for position in seen]

    def shuffle(self, items: list[Item]) -> None:
        """Shuffle in place."""
        for position in range(len(items) - 1, 0, -1):
            other = self.below(position + 1)
            items[position], items[other] = items[other], items[position]


def servable(
    pictures: ClassPictures, shape: EpisodeShape, *, skip_small: bool = False
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Classes with enough pictures for K shots and Q queries, and the classes left out.

    Raises InputError: a class has too few pictures and `skip_small` is off; fewer classes than ways.
    """
    need = shape.n_shot + shape.n_query
    small = tuple(number for number, listed in pictures.per_class.items() if len(listed) < need)
    if small and not skip_small:
        found = len(pictures.per_class[small[0]])
        others = f" (and {len(small) - 1} more classes have too few)" if len(small) > 1 else ""
        raise InputError(
            f"{pictures.title} has {found} image{'' if found == 1 else 's'} of class {small[0]} "
            f"({pictures.names[small[0]]}){others}, but {shape.n_shot} shots and {shape.n_query} queries need {need}; "
            "lower EPISODE.SHOTS or EPISODE.QUERIES, or set DATA.SKIP_SMALL_CLASSES True"
        )
    left = tuple(number for number in pictures.per_class if number not in small)
    if len(left) < shape.n_way:
        rest = f" with at least {need} images" if small else ""
        raise InputError(f"{pictures.title} has {len(left)} classes{rest}, but EPISODE.WAYS is {shape.n_way}; lower it")
    return left, small
