"""Episodes whose queries are of unbalanced classes (Veilleux, Boudiaf, Piantanida, Ben Ayed; NeurIPS 2021).

Letters: N ways, K shots, Q queries per way on average.
"""

from __future__ import annotations

import numpy as np

from sccan.episodes.episode import EpisodeSpec
from sccan.episodes.plan import EpisodePlan, numpy_generator
from sccan.episodes.ways import ClassPictures, EpisodeShape, servable
from sccan.errors import InputError

CONCENTRATION = 2.0
"""Published: of the Dirichlet distribution."""


class DirichletWayPlan(EpisodePlan):
    """N * Q queries in all, whose shares of the classes are drawn from a symmetric Dirichlet distribution.

    A class may have no query at all; supports are K of each. No picture is used twice in an episode.
    """

    def __init__(
        self, pictures: ClassPictures, shape: EpisodeShape, *, n_episodes: int, seed: int,
        concentration: float = CONCENTRATION, skip_small: bool = False,
    ) -> None:  # fmt: skip
        """
        Args:
            pictures, shape, n_episodes, seed, skip_small: see `WayPlan`; a class needs K + N * Q pictures, as many as
                it may be asked for.
            concentration: above 0; the smaller, the less balanced.

        Raises InputError: see `WayPlan`, or no such concentration.
        """
        if n_episodes < 1:
            raise InputError(f"a plan of {n_episodes} episodes was asked for, but it needs at least one")
        if not concentration > 0:
            raise InputError(f"the concentration of queries is {concentration}, but must be above 0")
        self.pictures, self.shape, self.n_episodes, self.seed = pictures, shape, n_episodes, seed
        self.concentration = concentration
        most = EpisodeShape(shape.n_way, shape.n_shot, shape.n_way * shape.n_query)
        self.classes, self.skipped = servable(pictures, most, skip_small=skip_small)

    def __len__(self) -> int:
        return self.n_episodes

    def episode(self, epoch: int, number: int) -> EpisodeSpec:
        generator, (n_way, n_shot) = numpy_generator(self.seed, epoch, number), (self.shape.n_way, self.shape.n_shot)
        chosen = generator.choice(len(self.classes), n_way, replace=False)
        classes = tuple(self.classes[int(position)] for position in chosen)
        counts = query_counts(generator, n_way, n_way * self.shape.n_query, self.concentration)
        support, query = [], []
        for number_of_class, count in zip(classes, counts, strict=True):
            listed = self.pictures.per_class[number_of_class]
            drawn = generator.choice(listed, count + n_shot, replace=False).tolist()
            query.append(tuple(drawn[:count]))
            support.append(tuple(drawn[count:]))
        return EpisodeSpec(number, classes, tuple(support), tuple(query))


def query_counts(generator: np.random.Generator, n_way: int, total: int, concentration: float) -> list[int]:
    """How many queries each way has: shares from the Dirichlet distribution, rounded so that they sum to the total.

    Largest remainders first.
    """
    wanted = generator.dirichlet([concentration] * n_way) * total
    counts = np.floor(wanted).astype(int)
    for place in np.argsort(counts - wanted, kind="stable")[: total - int(counts.sum())]:
        counts[place] += 1
    return [int(count) for count in counts]
