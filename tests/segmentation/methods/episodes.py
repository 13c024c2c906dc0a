"""Parts of episodes, for tests that compare a batch with its parts."""

from sccan.episodes.episode import Episode


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
