"""The episodes of MetaOptNet's and TasNet's lineage: drawn by torch's generator, laid out shot by shot."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def shot_major_episodes(
    labels: Tensor, *, n_episodes: int, n_way: int, per_class: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Rows of pictures, as the published sampler draws them: row r of an episode is of way r mod n_way.

    Args:
        labels: class of every picture, in 0..M - 1, [n].
        n_episodes: how many to draw.
        n_way: classes per episode.
        per_class: pictures per class, shots and queries together.
        generator: on the CPU; one permutation of the classes is drawn per episode, then one per class.

    Yields:
        Picture numbers [per_class * n_way].

    Raises ValueError: there are too few classes, or one has too few pictures.
    """
    rows = [torch.nonzero(labels == number).flatten() for number in range(int(labels.max()) + 1)]
    if len(rows) < n_way or min(map(len, rows)) < per_class:
        raise ValueError(
            f"{len(rows)} classes of at least {min(map(len, rows))} pictures cannot serve {n_way} ways of {per_class}"
        )
    for _ in range(n_episodes):
        classes = torch.randperm(len(rows), generator=generator)[:n_way]
        drawn = [rows[c][torch.randperm(len(rows[c]), generator=generator)[:per_class]] for c in classes.tolist()]
        yield torch.stack(drawn).t().flatten()
