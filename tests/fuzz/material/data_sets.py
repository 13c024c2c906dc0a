"""A data set in a folder of one's own: pictures, labels, names of classes, folds and lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.fuzz.campaign import SOME, Case
from tests.fuzz.mutations import BYTES, PICTURE, TEXT
from tests.predict.made_up import save


def cases(folder: Path) -> list[Case]:
    generator = np.random.default_rng(0)
    for number in range(6):
        label = np.zeros((30, 40), np.uint8)
        label[5:20, 5:25] = 1 + number % 2
        save(folder / "images" / f"p{number}.jpg", generator.integers(0, 256, (30, 40, 3), dtype=np.uint8))
        save(folder / "labels" / f"p{number}.png", label)
    (folder / "classes.txt").write_text("cat\ndog\n")
    (folder / "folds.txt").write_text("cat\ndog\n")
    (folder / "train.txt").write_text("p0\np1\np2\np3\n")
    (folder / "val.txt").write_text("images/p4.jpg labels/p4.png\nimages/p5.jpg labels/p5.png\n")
    argv = ["doctor", "{}", "--data", "folder", "--min-pixels", "1", "--workers", "1"]
    texts = ("classes.txt", "folds.txt", "train.txt", "val.txt")
    return [
        *(Case(f"{name} of a folder", folder, name, argv, TEXT, SOME) for name in texts),
        Case("label of a folder", folder, "labels/p1.png", argv, (*BYTES, *PICTURE), SOME),
        Case("picture of a folder", folder, "images/p1.jpg", argv, (*BYTES, *PICTURE), SOME),
    ]
