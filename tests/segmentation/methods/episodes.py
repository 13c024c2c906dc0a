"""Small episodes, and parts of them for tests that compare a batch with its parts."""

import torch

from sccan.episodes.episode import Episode

B, K, Q = 2, 3, 2
BASE = (2, 5, 7, 11)


def made_up_episode(height: int = 49, width: int = 65, *, classes: tuple[int, int] = (3, 4)) -> Episode:
    """B episodes of K supports and Q queries, pictures of noise; masks differ between supports, some is ignored."""
    generator = torch.Generator().manual_seed(1)
    support_labels = torch.zeros(B, K, height, width, dtype=torch.int64)
    support_labels[:, :, 8:30, 12:40] = 1
    support_labels[1, 2] = support_labels[1, 2].flip(-1)
    support_labels[:, 0, :4] = 255
    query_labels = torch.zeros(B, Q, height, width, dtype=torch.int64)
    query_labels[:, :, 20:, 30:] = 1
    query_labels[:, :, 18:20] = 255
    return Episode(
        torch.randn(B, K, 3, height, width, generator=generator),
        support_labels,
        torch.randn(B, Q, 3, height, width, generator=generator),
        query_labels,
        torch.tensor(classes)[:, None],
        torch.arange(B),
        query_base_labels=torch.randint(0, len(BASE) + 1, query_labels.shape, generator=generator),
    )


def one_query(episode: Episode, b: int, q: int) -> Episode:
    """Episode b of a batch, with its query q alone."""
    assert episode.support_images is not None
    assert episode.query_images is not None
    one = slice(b, b + 1)
    return Episode(
        episode.support_images[one],
        episode.support_labels[one],
        episode.query_images[one, q : q + 1],
        episode.query_labels[one, q : q + 1],
        episode.classes[one],
        episode.numbers[one],
    )
