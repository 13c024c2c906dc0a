"""The order in which episodes are evaluated: same class after same class, same support set after same support set.

Rows come back in the order of the plan, so the order here is free. Neighbours of one class share pictures, which keeps
the feature cache small; neighbours of one support set share everything that a method learns from it.

Letters: B support sets in a batch, Q queries of each.
"""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from sccan.episodes.episode import EpisodeSpec

SupportSet = tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]
"""Classes and support pictures of an episode."""


@dataclasses.dataclass(frozen=True)
class EpisodeBatch:
    """Episodes that are predicted together.

    Attributes:
        places: of the B * Q episodes in the plan, support set by support set.
        specs: the B support sets, each with its Q queries.
        merged: whether single-query episodes were joined, so that outputs [B, Q, ...] are those of B * Q episodes.
    """

    places: tuple[int, ...]
    specs: tuple[EpisodeSpec, ...]
    merged: bool


def support_sets(specs: Sequence[EpisodeSpec]) -> tuple[SupportSet, ...]:
    """What a method is conditioned on in episodes."""
    return tuple((spec.classes, spec.support) for spec in specs)


def episode_batches(specs: Sequence[EpisodeSpec], size: int) -> list[EpisodeBatch]:
    """Every episode in one batch of at most `size`, good neighbours together.

    Episodes of one query are taken class by class, and those that share a support set become one with several
    queries. Where episodes have several queries these may belong together (transductive methods), so that they stay as
    they are, in the order of the plan.
    """
    if any(len(spec.query) != 1 or len(spec.query[0]) != 1 for spec in specs):
        chunks = [range(first, min(first + size, len(specs))) for first in range(0, len(specs), size)]
        return [EpisodeBatch(tuple(chunk), tuple(specs[place] for place in chunk), False) for chunk in chunks]
    groups: defaultdict[SupportSet, list[int]] = defaultdict(list)
    for place, spec in enumerate(specs):
        groups[spec.classes, spec.support].append(place)
    in_order = sorted(groups.items(), key=lambda item: item[0][0])  # stable: first come, first served in a class
    return [_merged(specs, pieces) for pieces in _packed([places for _, places in in_order], size)]


def dealt(batches: Sequence[EpisodeBatch], rank: int, world_size: int) -> Sequence[EpisodeBatch]:
    """A process's share: neighbours stay together, and shares differ by at most one batch."""
    edges = [len(batches) * part // world_size for part in (rank, rank + 1)]
    return batches[edges[0] : edges[1]]


def _packed(groups: Sequence[list[int]], size: int) -> Iterator[list[list[int]]]:
    """Pieces of the groups, some of one length together, in all at most `size` places."""
    waiting: defaultdict[int, list[list[int]]] = defaultdict(list)
    for group in groups:
        for first in range(0, len(group), size):
            piece = group[first : first + size]
            same = waiting[len(piece)]
            same.append(piece)
            if len(same) == math.floor(size / len(piece)):
                yield waiting.pop(len(piece))
    yield from waiting.values()


def _merged(specs: Sequence[EpisodeSpec], pieces: Sequence[list[int]]) -> EpisodeBatch:
    joined = [
        dataclasses.replace(specs[piece[0]], query=(tuple(specs[place].query[0][0] for place in piece),))
        for piece in pieces
    ]
    return EpisodeBatch(tuple(place for piece in pieces for place in piece), tuple(joined), True)
