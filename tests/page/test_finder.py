"""The search: features once, the open picture first, what a person drew left alone, a correction in between."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sccan.builders.released.trained import load_trained
from sccan.errors import InputError
from sccan.page.finder import FOUND, Finder
from sccan.page.places import key_of
from sccan.page.store import Store
from sccan.pictures.photos import read_photo
from sccan.predict.segmenter import Segmenter
from sccan.predict.supports import Supports
from tests.page.conftest import NAMES, drawn
from tests.predict.made_up import disc, save

A, B, C, D = (key_of(name) for name in NAMES)


class Events:
    """What the finder told, and a way to wait for it."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.change = threading.Condition()

    def __call__(self, kind: str, content: dict[str, Any]) -> None:
        with self.change:
            self.told.append((kind, content))
            self.change.notify_all()

    def wait(self, condition: Callable[[], bool]) -> None:
        with self.change:
            assert self.change.wait_for(condition, timeout=60), self.told

    def messages(self) -> list[str]:
        return [content["text"] for kind, content in self.told if kind == "message"]

    def found(self) -> list[str]:
        return [content["key"] for kind, content in self.told if kind == "found"]


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def finder(store: Store, segmenter: Segmenter, events: Events) -> Iterator[Finder]:
    store.classes.add("disc")
    made = Finder(store, segmenter, events)
    made.start()
    yield made
    made.stop()


def _encodings(segmenter: Segmenter) -> tuple[list[int], Any]:
    """Counts the pictures that the backbone looks at."""
    counts: list[int] = []
    backbone = segmenter.task.method.get_submodule("backbone")
    assert isinstance(backbone, nn.Module)
    return counts, backbone.register_forward_hook(lambda module, given, result: counts.append(len(given[0])))


def _finished(finder: Finder, number: int) -> Callable[[], bool]:
    return lambda: finder.progress()["round"] == number and not finder.progress()["searching"]


def test_a_search_looks_at_every_picture_that_nobody_marked(
    finder: Finder, store: Store, segmenter: Segmenter, events: Events
) -> None:
    store.put(B, drawn(), "drawn", base=0)
    finder.look_at(D)
    finder.find()
    events.wait(_finished(finder, 1))
    assert sorted(events.found()) == sorted([D, A, C])
    assert D in events.found()[: finder.lanes], "the open picture is among the first"
    assert finder.facts(B) is None
    supports = Supports().add(store.gallery.root / "b.png", drawn(), "disc")
    expected = segmenter(supports, store.gallery.root / "more" / "d.jpg")
    assert not isinstance(expected, list)
    size = expected.labels.shape
    labels = finder.labels(D, (size[0], size[1]))
    assert labels is not None
    assert (labels == expected.labels).mean() > 0.97, "but for the rounding of what is kept"
    facts = finder.facts(D)
    assert facts is not None
    assert facts.confidence == pytest.approx(expected.confidence, abs=0.03)


def test_features_are_computed_once(finder: Finder, store: Store, segmenter: Segmenter, events: Events) -> None:
    events.wait(lambda: finder.progress()["known"] == 4)
    again: list[bool] = []
    pictures = [read_photo(store.gallery.read_path(key)) for key in (A, B, C, D)]
    inputs = [segmenter.task.transform.image(picture) for picture in pictures]
    backbone = segmenter.task.method.get_submodule("backbone")

    def look(module: nn.Module, given: Any, result: Any) -> None:
        again.extend(any(torch.equal(one, known) for known in inputs) for one in given[0])

    hook = backbone.register_forward_hook(look)
    try:
        store.put(A, drawn(), "drawn", base=0)
        for number in (1, 2):
            finder.find()
            events.wait(_finished(finder, number))
        assert not any(again), "altered copies alone, where a single example is checked"
    finally:
        hook.remove()


def test_what_is_marked_is_made_ready_before_it_is_searched_for(store: Store, events: Events) -> None:
    """Of the default model, which sees examples once more, half a cell aside."""
    segmenter = Segmenter(load_trained("segment"), device="cpu", batch=2)
    number = store.classes.add("disc").number
    finder = Finder(store, segmenter, events)
    finder.start()
    counts, hook = _encodings(segmenter)
    try:
        events.wait(lambda: finder.progress()["known"] == 4)
        assert sum(counts) == 4
        store.put(A, drawn(value=number), "drawn", base=0)
        deadline = time.monotonic() + 30
        while sum(counts) < 5 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert sum(counts) == 5, "the second look alone"
        finder.find()
        events.wait(lambda: len(set(events.found())) == 3)
        assert sum(counts) == 5
    finally:
        finder.stop()
        hook.remove()
    ready = finder.features.get(A, support=True)
    image = read_photo(store.gallery.read_path(A))
    whole = segmenter.task.as_example(segmenter.task.encode([image]), lambda: image)
    assert ready.maps.keys() == whole.maps.keys()
    for name, values in whole.maps.items():
        torch.testing.assert_close(ready.maps[name], values, rtol=2e-3, atol=2e-3)


def test_features_are_there_at_the_next_start(
    finder: Finder, store: Store, segmenter: Segmenter, events: Events
) -> None:
    events.wait(lambda: finder.progress()["known"] == 4)
    counts, hook = _encodings(segmenter)
    again = Finder(store, segmenter, events)
    again.start()
    try:
        deadline = time.monotonic() + 30
        while again.progress()["known"] < 4 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert again.progress()["known"] == 4
        assert counts == []
    finally:
        again.stop()
        hook.remove()


def test_a_person_is_never_overwritten_and_learning_again_needs_a_change(
    finder: Finder, store: Store, events: Events
) -> None:
    assert not finder.is_stale
    store.put(A, drawn(), "drawn", base=0)
    assert finder.is_stale
    finder.find()
    events.wait(_finished(finder, 1))
    assert not finder.is_stale
    before = finder.labels(C, drawn().shape)
    assert before is not None
    store.put(C, drawn(), "accepted", base=0)
    assert finder.is_stale
    finder.find()
    events.wait(_finished(finder, 2))
    np.testing.assert_array_equal(finder.labels(C, drawn().shape), before)
    np.testing.assert_array_equal(store.label(C), drawn())
    facts = finder.facts(C)
    assert facts is not None
    assert facts.round == 1


def test_broken_pictures_are_told_and_the_rest_is_found(
    folder: Path, finder: Finder, store: Store, events: Events
) -> None:
    events.wait(lambda: finder.progress()["known"] == 4)
    (folder / "more" / "c.jpg").write_bytes(b"no picture")
    (folder / "b.png").unlink()
    store.put(A, drawn(), "drawn", base=0)
    finder.find()
    events.wait(_finished(finder, 1))
    assert "it is no picture of a known format" in finder.problems[C]
    assert "b.png is gone" in finder.problems[B]
    assert finder.facts(D) is not None


def test_a_picture_that_was_replaced_is_looked_at_anew(
    folder: Path, finder: Finder, store: Store, events: Events
) -> None:
    events.wait(lambda: finder.progress()["known"] == 4)
    first = finder.features.get(D)
    save(folder / "more" / "d.jpg", disc(60, 50, seed=9)[0])
    second = finder.features.get(D)
    name = next(iter(first.maps))
    assert not torch.equal(first.maps[name], second.maps[name])
    assert read_photo(folder / "more" / "d.jpg").shape == (60, 50, 3)


def test_unfit_searches_are_told(finder: Finder, store: Store, events: Events) -> None:
    with pytest.raises(InputError, match="nothing is marked yet"):
        finder.find()
    store.put(A, drawn() * 0, "drawn", base=0)
    finder.find()
    events.wait(lambda: any(kind == "message" for kind, _ in events.told))
    assert ["no class that is there is marked anywhere" in text for text in events.messages()] == [True]


def test_a_search_that_cannot_be_kept_is_told_once_and_ends(finder: Finder, store: Store, events: Events) -> None:
    events.wait(lambda: finder.progress()["known"] == 4)
    (store.root / FOUND).write_text("a file in the way")
    store.put(A, drawn(), "drawn", base=0)
    finder.find()
    events.wait(lambda: any(kind == "message" for kind, _ in events.told))
    assert not finder.progress()["searching"]
    assert finder.is_stale, "it can be asked for again"
    (store.root / FOUND).unlink()
    finder.find()
    events.wait(lambda: finder.facts(D) is not None)
    assert [kind for kind, _ in events.told].count("message") == 1


def test_examples_are_checked_by_one_another(finder: Finder, store: Store, events: Events) -> None:
    for key in (A, B):
        store.put(key, drawn(), "drawn", base=0)
    finder.find()
    events.wait(lambda: bool(finder.checks))
    assert {check.name for check in finder.checks} == {"a.jpg", "b.png"}
    assert all(check.how == "predicted from the other" for check in finder.checks)
    assert all(0 <= check.iou <= 1 for check in finder.checks)


@pytest.mark.parametrize("fits", [True, False])
def test_pictures_that_do_not_fit_together_are_looked_at_alone(
    store: Store, segmenter: Segmenter, events: Events, fits: bool
) -> None:
    """What two lanes do not hold is done by one; what one does not hold is told of the picture."""
    inside, lock, both, met = [0], threading.Lock(), threading.Barrier(2, timeout=30), list[bool]()

    def enter(module: nn.Module, given: Any) -> None:
        with lock:
            inside[0] += 1
        if not met:
            both.wait()
            met.append(True)
        if inside[0] > 1 or not fits:
            with lock:
                inside[0] -= 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")

    def leave(module: nn.Module, given: Any, found: Any) -> None:
        with lock:
            inside[0] -= 1

    backbone = segmenter.task.method.get_submodule("backbone")
    hooks = [backbone.register_forward_pre_hook(enter), backbone.register_forward_hook(leave)]
    finder = Finder(store, segmenter, events)
    finder.lanes, finder._lanes = 2, ThreadPoolExecutor(2)
    finder.start()
    try:
        events.wait(lambda: finder.progress()["known"] + len(finder.problems) == 4)
    finally:
        finder.stop()
        for hook in hooks:
            hook.remove()
    assert finder.lanes == 1
    assert sorted(finder.problems) == ([] if fits else sorted([A, B, C, D]))
    assert any("one at a time" in content.get("text", "") for kind, content in events.told if kind == "message")


def test_the_open_picture_is_computed_beside_the_examples(store: Store, segmenter: Segmenter, events: Events) -> None:
    number, threads = store.classes.add("disc").number, torch.get_num_threads()
    store.put(A, drawn(value=number), "drawn", base=0)
    together = threading.Barrier(2)

    def meet(module: nn.Module, given: Any) -> None:
        together.wait(timeout=30)

    hook = segmenter.task.method.get_submodule("backbone").register_forward_pre_hook(meet)
    torch.set_num_threads(2)
    finder = Finder(store, segmenter, events)
    try:
        finder.look_at(D)
        finder._begin()
        assert finder.features.has(D)
        hook.remove()
        finder._look(D)
        assert events.found() == [D]
    finally:
        hook.remove()
        finder.start()
        finder.stop()
        torch.set_num_threads(threads)


def test_a_device_that_is_gone_is_told_and_ends_the_search(store: Store, segmenter: Segmenter, events: Events) -> None:
    def gone(module: nn.Module, given: Any) -> None:
        raise RuntimeError("CUDA error: unspecified launch failure")

    hook = segmenter.task.method.get_submodule("backbone").register_forward_pre_hook(gone)
    finder = Finder(store, segmenter, events)
    finder.start()
    try:
        events.wait(lambda: any(kind == "message" and content["level"] == "error" for kind, content in events.told))
    finally:
        finder.stop()
        hook.remove()
    assert ["start sccan label again" in text for text in events.messages()] == [True]


def test_what_is_done_for_a_while_ends_when_another_picture_is_opened(finder: Finder) -> None:
    done: list[str] = []

    def work(key: str) -> None:
        done.append(key)
        finder.look_at(D)

    finder.look_at(A)
    finder._for_a_spell(work, [A, B, C] * 20)
    assert 1 <= len(done) <= finder.lanes
    finder._for_a_spell(done.append, [B, C] * 20)
    assert len(done) >= 40
