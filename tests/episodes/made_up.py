"""Indices and fold lists made up for tests."""

from pathlib import Path

import numpy as np

from sccan.episodes.index import ClassIndex, FoldLists


def made_up_index(counts: np.ndarray, root: str = "data", prefix: str = "picture") -> ClassIndex:
    """An index of pictures that hold `counts` [n, classes + 1] pixels of every class."""
    n, columns = counts.shape
    names = [f"{prefix}{number:03d}" for number in range(n)]
    return ClassIndex(
        root=Path(root),
        images=tuple(f"JPEGImages/{name}.jpg" for name in names),
        labels=tuple(f"SegmentationClassAug/{name}.png" for name in names),
        counts=counts,
        ignored=np.zeros(n, np.int64),
        sizes=np.full((n, 2), 100),
        class_names=tuple(f"thing {number}" for number in range(1, columns)),
    )


def made_up_lists(n_pictures: int, n_classes: int, seed: int, share: float = 0.5) -> FoldLists:
    """Lists of classes 3, 5, 7, ... whose pictures have even numbers; every class has at least four pictures."""
    generator = np.random.default_rng(seed)
    counted = generator.random((n_pictures, n_classes)) < share
    for column in range(n_classes):
        counted[generator.choice(n_pictures, 4, replace=False), column] = True
    present = counted | (generator.random(counted.shape) < 0.2)
    keep = counted.any(axis=1)
    classes = tuple(range(3, 3 + 2 * n_classes, 2))
    names = tuple(f"thing {number}" for number in classes)
    return FoldLists(classes, 2 * np.flatnonzero(keep), present[keep], counted[keep], names, "fold 1")
