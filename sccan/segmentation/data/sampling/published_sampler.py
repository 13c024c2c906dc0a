"""The published episode sampling, draw for draw, so that published numbers can be run again.

Which episodes come out depends on the number of loader workers (the published scripts use 8). The training chain's own
draws run in the same streams there, so this replays validation and test, whose transform draws nothing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import torch

from sccan.episodes.episode import EpisodeSpec
from sccan.episodes.index import FoldLists
from sccan.episodes.plan import EpisodePlan
from sccan.errors import InputError

PUBLISHED_WORKERS = 8


class PublishedPlan(EpisodePlan):
    """Episodes of the published validation loop: every pass walks the list in order, with generators of its own.

    Worker w of a pass seeds Python's generator with base + w, where base is the next 64-bit number of a torch
    generator seeded once; item i of the pass is drawn by worker i mod W. Every epoch sees the same episodes, since the
    published code seeds anew before every validation.
    """

    def __init__(
        self,
        lists: FoldLists,
        *,
        n_shot: int,
        n_episodes: int,
        seed: int,
        workers: int = PUBLISHED_WORKERS,
    ) -> None:
        """
        Args:
            lists: the fold's lists; the query's class is drawn among all it holds, however small.
            n_shot: supports per episode.
            n_episodes: the loop stops after so many.
            seed: of all generators, right before the loop.
            workers: loader processes; 0: one generator seeded with `seed` itself draws everything.

        Raises InputError: the lists are empty, or the class of an episode has too few pictures (there the published
            code draws for ever).
        """
        lists.require_items()
        if min(n_shot, n_episodes) < 1 or workers < 0:
            asked = f"{n_episodes} episodes of {n_shot} shots by {workers} workers"
            raise InputError(f"{asked} were asked for; expected at least 1 episode, 1 shot and 0 workers")
        streams = _streams(seed, workers, len(lists.items))
        self._specs = [
            _draw(lists, number % len(lists.items), number, n_shot, stream)
            for number, stream in zip(range(n_episodes), streams, strict=False)
        ]

    def __len__(self) -> int:
        return len(self._specs)

    def episode(self, epoch: int, number: int) -> EpisodeSpec:
        return self._specs[number]


def base_seeds(seed: int) -> Iterator[int]:
    """What each pass over a loader draws from the global torch generator after seeding it with `seed`."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield int(torch.empty((), dtype=torch.int64).random_(generator=generator))


def _streams(seed: int, workers: int, n_items: int) -> Iterator[random.Random]:
    """The generator that draws each episode, in order."""
    if workers == 0:
        alone = random.Random(seed)
        while True:
            yield alone
    for base in base_seeds(seed):
        started = [random.Random(base + worker) for worker in range(workers)]
        yield from (started[item % workers] for item in range(n_items))


def _draw(lists: FoldLists, position: int, number: int, n_shot: int, stream: random.Random) -> EpisodeSpec:
    """One episode; the first draw of every shot is thrown away, and supports end up in reverse order of drawing."""
    query = int(lists.items[position])
    candidates = lists.classes_of(position)
    chosen = candidates[stream.randint(1, len(candidates)) - 1]
    listed = lists.per_class[chosen]
    usable = np.count_nonzero(listed != query)
    if usable < n_shot:
        raise InputError(
            f"{lists.title} has {usable} images of {lists.describe(chosen)} besides the query, but {n_shot} shots are "
            "needed; lower EPISODE.SHOTS or take the protocol 'stratified' with DATA.SKIP_SMALL_CLASSES True"
        )
    drawn: list[int] = []
    for _ in range(n_shot):
        stream.randint(1, len(listed))
        while (picture := int(listed[stream.randint(1, len(listed)) - 1])) == query or picture in drawn:
            pass
        drawn.append(picture)
    return EpisodeSpec(number, (chosen,), (tuple(reversed(drawn)),), ((query,),))
