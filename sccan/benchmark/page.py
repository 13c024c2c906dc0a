"""How long a person waits on the page: the first mask of the open picture, all of them, all after corrections; memory.

    python -m sccan.benchmark.page --pictures 200
    python -m sccan.benchmark.page --pictures 5000 --side 320

The folder is generated (spots on leaves), the first picture's true spots are its mark, and the page's own finder is
asked as the server asks it. Times are by the wall; with --processor, seconds of this process's threads, for machines
that are shared.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
import torch

from sccan.benchmark.timing import peak_bytes, reset_peak
from sccan.benchmark.waiting import clock_of, parser, printed
from sccan.builders.released.trained import load_trained
from sccan.files.writing import write_bytes_atomically
from sccan.page.finder import Finder
from sccan.page.places import find_gallery
from sccan.page.serving import claimed
from sccan.page.store import Store
from sccan.predict.segmenter import Segmenter
from sccan.segmentation.data.shapes.leaves import draw_leaf

CORRECTED = (1, 5)
"""Pictures that are accepted with their true mask before the second search, and before the third."""


def write_folder(folder: Path, count: int, side: int) -> list[np.ndarray]:
    """Pictures of leaves, 4 : 3, JPEG; gives the true masks of those that are marked at the end."""
    size = side, side * 3 // 4
    masks = []
    for number in range(count):
        image, spots = draw_leaf(np.random.default_rng([7, number]))
        large = cv2.resize(image[..., ::-1], size, interpolation=cv2.INTER_CUBIC)
        write_bytes_atomically(folder / f"leaf_{number:05}.jpg", cv2.imencode(".jpg", large)[1].tobytes())
        if number <= CORRECTED[-1]:
            masks.append(cv2.resize(spots.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST))
    return masks


class Waiting:
    """A finder that is watched: when it told what."""

    def __init__(self, store: Store, segmenter: Segmenter, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.found: dict[str, float] = {}
        self.finder = Finder(store, segmenter, self._told)
        self.finder.start()

    def search(self, key: str, count: int) -> tuple[float, float]:
        """Seconds until a picture was found, and until `count` were."""
        self.found.clear()
        self.finder.look_at(key)
        start = self.clock()
        self.finder.find()
        while len(self.found) < count:
            time.sleep(0.005)
        return self.found[key] - start, max(self.found.values()) - start

    def _told(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "found":
            self.found[content["key"]] = self.clock()


def measure(
    folder: Path, masks: Sequence[np.ndarray], segmenter: Segmenter, clock: Callable[[], float]
) -> dict[str, float]:
    """Seconds that a person waits in a new folder, and the peak of memory in MiB."""
    reset_peak(torch.device("cpu"))
    with claimed(folder):
        store = Store(find_gallery(folder))
        number = store.classes.add("spot").number
        keys = list(store.gallery.photos)
        store.put(keys[0], masks[0] * number, "drawn", base=0)
        waiting = Waiting(store, segmenter, clock)
        found: dict[str, float] = {}
        try:
            for corrected in (0, *CORRECTED):
                for place in range(len(store.marked()), corrected + 1):
                    store.put(keys[place], masks[place] * number, "accepted", base=0)
                first, every = waiting.search(keys[-1 - corrected], len(keys) - 1 - corrected)
                known = f"{corrected} corrected" if corrected else "nothing known before"
                found |= {f"first mask, {known}": first, f"all masks, {known}": every}
        finally:
            waiting.finder.stop()
            store.close()
    return {**found, "peak memory, MiB": peak_bytes(torch.device("cpu")) / 2**20}


def main(argv: list[str] | None = None) -> int:
    """Prints a line per number."""
    args = parser(__doc__, pictures=200, model="segment").parse_args(argv)
    clock = clock_of(args)
    segmenter = Segmenter(load_trained(args.model), device="cpu")
    with TemporaryDirectory() as place:
        masks = write_folder(Path(place), args.pictures, args.side)
        printed(measure(Path(place), masks, segmenter, clock))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
