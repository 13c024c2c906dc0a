"""Test protocols of few-shot classification as named settings: which episodes, how many, from which seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sccan.episodes.plan import EpisodePlan
from sccan.episodes.realistic import CONCENTRATION, DirichletWayPlan
from sccan.episodes.ways import PUBLISHED_SEED, ClassPictures, EpisodeShape, PublishedWayPlan, WayPlan
from sccan.errors import InputError, nearest


@dataclass(frozen=True)
class Protocol:
    """How a split is tested.

    Attributes:
        name: of the protocol.
        python: 2 or 3: the published sampler as that Python draws; 0: our plan, a function of seed and number.
        episodes: per seed, unless the settings say otherwise.
        seeds: of the episodes, likewise.
        concentration: of the Dirichlet distribution of queries over classes; 0: as many of each.
    """

    name: str
    python: int
    episodes: int = 2000
    seeds: tuple[int, ...] = (PUBLISHED_SEED,)
    concentration: float = 0.0

    @property
    def balanced(self) -> bool:
        """Whether every class of an episode has as many queries."""
        return not self.concentration

    def plan(
        self, pictures: ClassPictures, shape: EpisodeShape, *, n_episodes: int, seed: int, skip_small: bool = False
    ) -> EpisodePlan:
        """The episodes of one seed.

        Raises InputError: the pictures cannot serve them.
        """
        if self.concentration:
            return DirichletWayPlan(
                pictures, shape, n_episodes=n_episodes, seed=seed, concentration=self.concentration,
                skip_small=skip_small,
            )  # fmt: skip
        if not self.python:
            return WayPlan(pictures, shape, n_episodes=n_episodes, seed=seed, skip_small=skip_small)
        return PublishedWayPlan(pictures, shape, n_episodes=n_episodes, seed=seed, python=self.python)


PROTOCOLS: Mapping[str, Protocol] = {
    one.name: one
    for one in (
        Protocol("uniform", 0),
        Protocol("can", 2),
        Protocol("can_python3", 3),
        Protocol("realistic", 0, concentration=CONCENTRATION),
    )
}
"""uniform: our own plan; realistic: the same with unbalanced queries, as alpha-TIM is tested; can: the fixed 2000
episodes behind CAN's published numbers; can_python3: the same code run under Python 3, behind DMF's."""


def protocol(name: str) -> Protocol:
    """A protocol by name.

    Raises InputError: unknown name.
    """
    if name not in PROTOCOLS:
        raise InputError(
            f"TEST.PROTOCOL is {name!r}, expected one of {', '.join(PROTOCOLS)} for classification"
            f"{nearest(name, PROTOCOLS)}"
        )
    return PROTOCOLS[name]
