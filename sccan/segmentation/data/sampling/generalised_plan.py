"""Episodes of the generalised test: every picture of a list is a query, whether it shows a novel class or not."""

from __future__ import annotations

import numpy as np

from sccan.episodes.episode import EpisodeSpec
from sccan.episodes.index import ClassIndex
from sccan.episodes.plan import EpisodePlan, draw_support, numpy_generator
from sccan.errors import InputError
from sccan.segmentation.data.sets.folds import Fold


class GeneralisedPlan(EpisodePlan):
    """Queries in list order, again and again; supports of a novel class from all pictures that hold a pixel of it.

    As BAM tests it: a query without any base class is asked for a novel class that it shows; every other query, and
    one that shows nothing, for any novel class of the fold, shown or not. The draw depends on (seed, number) alone,
    where the published one follows the loader's workers.
    """

    def __init__(
        self,
        index: ClassIndex,
        fold: Fold,
        *,
        n_shot: int,
        n_episodes: int,
        seed: int,
        pictures: np.ndarray | None = None,
    ) -> None:
        """
        Args:
            index: of the test list.
            fold: base and novel classes.
            n_shot: supports per episode.
            n_episodes: queries.
            seed: of everything that is drawn.
            pictures: numbers of those that may serve; None: all of the list.

        Raises InputError: the list is empty, or shows a novel class in too few pictures.
        """
        self.queries = np.arange(len(index)) if pictures is None else pictures
        if len(self.queries) == 0 or n_episodes < 1 or n_shot < 1:
            raise InputError(
                f"a generalised test of {n_episodes} episodes with {n_shot} shots on {len(self.queries)} pictures was "
                "asked for; each of these numbers must be at least 1"
            )
        self.fold, self.n_shot, self.n_episodes, self.seed = fold, n_shot, n_episodes, seed
        self.shown = index.counts > 0  # [pictures, n + 1]
        self.pools = {number: self.queries[self.shown[self.queries, number]] for number in fold.novel}
        for number, pool in self.pools.items():
            if len(pool) < n_shot + 1:
                name = index.class_names[number - 1]
                raise InputError(
                    f"class {number} ({name}) of fold {fold.number} is in {len(pool)} pictures of the test list, "
                    f"but {n_shot} shot(s) and a query need {n_shot + 1}; lower EPISODE.SHOTS"
                )

    def __len__(self) -> int:
        return self.n_episodes

    def episode(self, epoch: int, number: int) -> EpisodeSpec:
        query = int(self.queries[number % len(self.queries)])
        generator = numpy_generator(self.seed, epoch, number)
        own = [novel for novel in self.fold.novel if self.shown[query, novel]]
        has_base = bool(self.shown[query, list(self.fold.base)].any())
        candidates = own if own and not has_base else self.fold.novel
        chosen = int(candidates[int(generator.integers(len(candidates)))])
        support = draw_support(self.pools[chosen], query, self.n_shot, generator)
        return EpisodeSpec(number, (chosen,), (support,), ((query,),))
