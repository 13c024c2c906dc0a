"""Looking for what was marked, in the background: the open picture first, the others as they come.

One thread decides. Every half second, and when what is wanted changes, it looks up what comes next: a new search is
begun at once (features are kept, so it only conditions and predicts), what a person marks is made ready to be an
example, the picture that is open goes first, and while nobody searches the features of the remaining pictures are
computed, so that a search finds them ready. A few pictures are worked on side by side, each by one core: with a network
as small as ours, cores that share a picture mostly wait for each other.
"""

from __future__ import annotations

import functools
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sccan.engine.modes import evaluation_mode
from sccan.episodes.episode import Features
from sccan.errors import InputError
from sccan.faults import is_lost_device, is_want_of_memory
from sccan.page.examples import conditioned, numbered, shown_classes
from sccan.page.found import Facts, Kept, coded, decoded, read_facts, read_kept, write_kept
from sccan.page.kept_features import KeptFeatures
from sccan.page.memory import FreeMemory, keep_sums
from sccan.page.places import require_inside
from sccan.page.quality import MOST, ExampleCheck, check_examples
from sccan.page.store import Mark, Store
from sccan.pictures.decoding import image_size
from sccan.pictures.photos import read_photo
from sccan.predict.segmenter import Segmenter
from sccan.segmentation.finding.segmenting import ClassState, EncodedShot, label_map, region_scores

FOUND, FEATURES = "found", "features"
MOST_LANES = 8
"""Pictures that are worked on side by side, at most."""
SPELL, MOST_IN_A_SPELL = 0.5, 16
"""Seconds, and pictures a lane, after which it is looked up what comes next; lanes wait for each other then."""

Tell = Callable[[str, dict[str, Any]], None]
"""Gets the kind of an event and its content, from any thread."""


@dataclass(frozen=True)
class Search:
    """One search of the folder.

    Attributes:
        round: counts the searches.
        numbers: of the classes that are looked for.
        states: those classes as the method keeps them.
        versions: of the examples that it was made of, by key.
    """

    round: int
    numbers: tuple[int, ...]
    states: tuple[ClassState, ...]
    versions: dict[str, int]


class Superseded(Exception):
    """A new search is wanted; what is being computed is not."""


class Finder:
    """Searches a store's folder with a segmenter, in a thread of its own.

    Attributes:
        problems: key -> why a picture cannot be read.
        checks: how well every example is found again by the others.
    """

    def __init__(self, store: Store, segmenter: Segmenter, tell: Tell) -> None:
        self.store, self.segmenter, self.task, self.tell = store, segmenter, segmenter.task, tell
        self.features = KeptFeatures(store.gallery, segmenter, store.root / FEATURES)
        self.problems: dict[str, str] = {}
        self.checks: list[ExampleCheck] = []
        self._sums, self._free = keep_sums(segmenter.task.method), FreeMemory()
        self._facts = {key: facts for key in store.gallery.photos if (facts := read_facts(self._path(key))) is not None}
        self._search: Search | None = None
        self._round = max((facts.round for facts in self._facts.values()), default=0)
        self._open = ""
        self._asked = self._begun = 0  # searches
        self._ready: set[str] = set()
        self._stopped = self._checked = False
        self._change = threading.Condition()
        self.lanes = min(torch.get_num_threads(), MOST_LANES) if segmenter.device.type == "cpu" else 2
        self._lanes = ThreadPoolExecutor(self.lanes, "looking", torch.set_num_threads, (1,))
        self._thread = threading.Thread(target=self._work, name="finder", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the pictures it works on."""
        with self._change:
            self._stopped = True
            self._change.notify()
        self._thread.join()
        self._lanes.shutdown()

    # What others ask for

    def find(self) -> None:
        """Begins a search with the examples as they are now.

        Raises InputError: nothing is marked yet.
        """
        if not any(mark.status in ("drawn", "accepted") for mark in self.store.marked().values()):
            raise InputError("nothing is marked yet; mark the object in one picture first")
        with self._change:
            self._asked += 1
            self._change.notify()

    def look_at(self, key: str) -> None:
        """Lets a picture go before the others."""
        with self._change:
            self._open = key
            self._change.notify()

    def facts(self, key: str) -> Facts | None:
        """What is told about a picture, if it was found."""
        return self._facts.get(key)

    def labels(self, key: str, size: tuple[int, int]) -> np.ndarray | None:
        """What was found in a picture, by class numbers, uint8 [h, w]; None: it was not looked at."""
        kept = self._kept(key)
        return None if kept is None else self._shown(kept.labels(self.task, size, self.store.threshold))

    def small_labels(self, key: str, size: tuple[int, int]) -> np.ndarray | None:
        """The same for thumbnails."""
        kept = self._kept(key)
        return None if kept is None else self._shown(kept.small_labels(self.task, size, self.store.threshold))

    @property
    def is_stale(self) -> bool:
        """Whether examples or classes have changed since the last search."""
        if self._search is None:
            return bool(self.store.marked())
        return self._search.versions != self._versions()

    @property
    def _is_wanted(self) -> bool:
        """Whether a search is to begin."""
        return self._asked > self._begun

    def progress(self) -> dict[str, Any]:
        """How far the search and the features are."""
        done = sum(facts.round == self._round for facts in tuple(self._facts.values()))
        left = sum(1 for _ in self._left())
        return {
            "round": self._round,
            "searching": self._is_wanted or left > 0,
            "done": done,
            "total": done + left,
            "known": len(self.features.sizes),
            "stale": self.is_stale,
        }

    # The thread

    def _work(self) -> None:
        with evaluation_mode(self.task.method):
            while not self._stopped:
                try:
                    if not self._step():
                        with self._change:
                            if not (self._is_wanted or self._stopped):
                                self._change.wait(timeout=1.0)
                except Superseded:
                    continue
                except InputError as error:
                    self.tell("message", {"level": "error", "text": str(error)})
                except RuntimeError as error:
                    if not is_lost_device(error):
                        raise
                    text = "The device does not answer any more. What you drew is kept: start sccan label again."
                    self.tell("message", {"level": "error", "text": text})
                    return

    def _step(self) -> bool:
        """One piece of work, the most wanted first; whether there was any."""
        if self._is_wanted:
            asked = self._asked
            try:
                self._begin()
            finally:
                self._begun = asked
                self.tell("progress", self.progress())
            return True
        for keys, work in (
            (self._unready(), self._make_ready),
            (self._left(), self._look),
            (self._unknown(), self._features),
        ):
            if some := [*itertools.islice(keys, MOST_IN_A_SPELL * self.lanes)]:
                self._for_a_spell(work, some)
                self.tell("progress", self.progress())
                return True
        if self._search is not None and not self._checked:
            self._checked = True
            self._check()
            return True
        return False

    def _for_a_spell(self, work: Callable[[str], object], keys: Sequence[str]) -> None:
        """Works on pictures side by side, in their order, until time is up or something else is wanted."""
        end, opened, lanes = time.monotonic() + SPELL, self._open, self.lanes

        def unless_it_is_over(key: str) -> None:
            wanted = self._open == opened and self.lanes == lanes and not (self._is_wanted or self._stopped)
            if wanted and time.monotonic() < end:
                self._fitting(work, key)

        list((self._lanes.map if lanes > 1 else map)(unless_it_is_over, keys))
        self._free.give_back()

    def _fitting(self, work: Callable[[str], object], key: str) -> None:
        """Work on a picture; what the device's memory does not hold beside others is left for its next turn, alone."""
        alone = self.lanes == 1
        try:
            work(key)
            return
        except (RuntimeError, MemoryError) as error:
            if not is_want_of_memory(error):
                raise
        if not alone:
            self.lanes = 1
            text = f"The memory of {self.segmenter.device} does not hold several pictures; going on with one at a time."
            self.tell("message", {"level": "note", "text": text})
        else:
            self._cannot_read(key, f"the memory of {self.segmenter.device} does not hold it; make it smaller")

    def _begin(self) -> None:
        """Conditions every class on the examples as they are now."""
        if self._sums is not None:
            self._sums.begin_search()
        versions, marked = self._versions(), self.store.marked()
        ahead = self._looked_at_next(marked)
        shots = self._examples(marked)
        if not (shown := shown_classes(shots.values(), self.store.classes.active)):
            raise InputError("no class that is there is marked anywhere; mark the object in one picture first")
        states = conditioned(self.task, shots, marked, shown)
        wait(ahead)  # what became of it is asked for when the picture is looked at
        self._round += 1
        self._checked = False
        self._search = Search(self._round, tuple(entry.number for entry in shown), tuple(states), versions)

    def _looked_at_next(self, marked: Mapping[str, Mark]) -> list[Future[Features | None]]:
        """The features of the open picture, computed beside those of the examples where there is room for both."""
        is_next = self._open in self.store.gallery.photos and self._open not in marked
        is_next = is_next and self._open not in self.problems and self.lanes > 1
        return [self._lanes.submit(self._features, self._open)] if is_next else []

    def _check(self) -> None:
        """Looks for the latest examples in one another."""
        self._checked = True
        marked = self.store.marked()
        keys = sorted(
            (key for key, mark in marked.items() if mark.status != "absent"), key=lambda key: marked[key].time
        )
        shots = [shot for shot in self._examples(keys[-MOST:]).values() if shot.label.any()]
        if shown := shown_classes(shots, self.store.classes.active):
            own = numbered(shots, shown)
            pictures = {photo.name: key for key, photo in self.store.gallery.photos.items()}
            images = [read_photo(self.store.gallery.read_path(pictures[shot.name])) for shot in shots]
            names = [entry.name for entry in shown]
            self.checks = check_examples(self.task, list(zip(own, images, strict=True)), names, self._go_on)
            self.tell("quality", {})

    def _go_on(self) -> None:
        if self._is_wanted or self._stopped:
            self._checked = False
            raise Superseded

    def _examples(self, keys: Iterable[str]) -> dict[str, EncodedShot]:
        """What a person has marked, with its features; what cannot be read is left out, and told."""
        shots, keys = {}, list(keys)
        encoded = self._lanes.map(functools.partial(self._features, support=True), keys)
        for key, features in zip(keys, encoded, strict=True):
            label = self.store.label(key)
            if features is not None and label is not None:
                shots[key] = EncodedShot(self.store.gallery.photos[key].name, features, label)
        return shots

    def _look(self, key: str) -> None:
        """Finds what is searched for in a picture."""
        search, features = self._search, self._features(key)
        if search is None or features is None:
            return
        try:
            size, stamp = self._size(key), self.features.stamp(key)
        except (InputError, OSError) as error:
            self._cannot_read(key, str(error))
            return
        [answer] = self.task.answers(features, [size], search.states)
        margins = coded(answer.margins.mean(1))
        kept = Kept(self._told(search, margins, self.task.absent(answer.sums, search.states), stamp), margins)
        try:
            write_kept(self._path(key), kept)
        except InputError:
            self._search = None  # a full disk is told once
            raise
        self._facts[key] = kept.facts
        self.tell("found", {"key": key})

    def _told(self, search: Search, margins: np.ndarray, absent: Sequence[bool], stamp: tuple[int, int]) -> Facts:
        probabilities = self.task.at_size(decoded(margins), (margins.shape[1], margins.shape[2]))
        names = [str(number) for number in search.numbers]
        regions = region_scores(probabilities, label_map(probabilities), names)
        there = [region for region in regions.values() if region.pixels]
        pixels = sum(region.pixels for region in there)
        return Facts(
            search.round,
            search.numbers,
            sum(region.confidence * region.pixels for region in there) / pixels if pixels else 0.0,
            tuple(number for number, told in zip(search.numbers, absent, strict=True) if told),
            tuple(regions[name].share for name in names),
            stamp,
        )

    def _features(self, key: str, *, support: bool = False) -> Features | None:
        """Of a picture; None: it cannot be read."""
        try:
            return self.features.get(key, support=support)
        except InputError as error:
            self._cannot_read(key, str(error))
            return None

    def _cannot_read(self, key: str, problem: str) -> None:
        self.problems[key] = problem
        self._facts.pop(key, None)
        self.tell("found", {"key": key})

    def _left(self) -> Iterator[str]:
        """Pictures that this search has not looked at; those that a person has marked are left as they are."""
        if self._search is not None:
            number = self._search.round
            for key in self._in_turn():
                known = (facts := self._facts.get(key)) is not None and facts.round == number
                if not known and key not in self.problems and not self.store.mark(key).status:
                    yield key

    def _in_turn(self) -> Iterator[str]:
        """All pictures, the open one first."""
        if self._open in self.store.gallery.photos:
            yield self._open
        yield from (key for key in self.store.gallery.photos if key != self._open)

    def _unknown(self) -> Iterator[str]:
        """Pictures whose features are to be computed."""
        return (key for key in self._in_turn() if self._is_unknown(key))

    def _unready(self) -> Iterator[str]:
        """Pictures that a person has marked, which the next search takes for examples; each once."""
        return (key for key in self.store.marked() if key not in self._ready and key not in self.problems)

    def _make_ready(self, key: str) -> None:
        self._ready.add(key)
        self._features(key, support=True)

    def _is_unknown(self, key: str) -> bool:
        if key in self.features.sizes or key in self.problems:
            return False
        try:
            if not self.features.has(key):
                return True
            self._size(key)
        except (InputError, OSError):
            return True
        return False

    def _size(self, key: str) -> tuple[int, int]:
        if key not in self.features.sizes:
            self.features.sizes[key] = image_size(self.store.gallery.read_path(key))
        return self.features.sizes[key]

    def _versions(self) -> dict[str, int]:
        marks = {key: mark.version for key, mark in self.store.marked().items()}
        return marks | {f"class {entry.number}": 0 for entry in self.store.classes.entries if entry.removed}

    def _shown(self, label: np.ndarray) -> np.ndarray:
        return self.store.classes.shown(label)

    def _kept(self, key: str) -> Kept | None:
        return read_kept(self._path(key)) if key in self._facts else None

    def _path(self, key: str) -> Path:
        name = self.store.gallery.photos[key].name
        return require_inside(self.store.gallery.root, self.store.root / FOUND / f"{name}.png")
