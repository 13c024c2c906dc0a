"""Folder transduction: who becomes an example, who does not, and how little of a folder is kept in memory."""

import dataclasses
import functools
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from sccan.reference.toy_encoder import TOKENS
from sccan.segmentation.data.transforms.published import SquareResize
from sccan.segmentation.finding.segmenting import EncodedShot, Segmenting, Shot
from sccan.segmentation.finding.transduction import LEAST, TRIED, Candidate, candidate, taught
from sccan.segmentation.methods.guided_density import GuidedDensity
from tests.predict.made_up import disc
from tests.segmentation.methods.scenes import toy_encoder

SIZE = (64, 64)


@pytest.fixture(scope="module")
def task() -> Segmenting:
    method = GuidedDensity(toy_encoder(), stages=(TOKENS,), sigma=0.1).eval()
    return Segmenting(method, SquareResize(128), device=torch.device("cpu"), batch=1)


def _marked(task: Segmenting, seed: int, number: int = 1) -> EncodedShot:
    image, inside = disc(*SIZE, seed=seed)
    return task.encoded(Shot(f"marked {seed}", image, inside.astype(np.uint8) * np.uint8(number)))


def _found(task: Segmenting, seed: int, marked: EncodedShot) -> Candidate:
    image = disc(*SIZE, seed=seed)[0]
    features = task.encode([image])
    example = functools.partial(task.as_example, features, lambda: image)
    return candidate(task, features, f"found {seed}", SIZE, task.condition_on([marked], ["disc"]), example)


def test_what_finds_the_examples_again_teaches_and_what_does_not_is_left(task: Segmenting) -> None:
    marked = _marked(task, 0)
    good = [_found(task, seed, marked) for seed in (1, 2, 3)]
    assert all(one.confidence[0] > 0 for one in good)
    inverted = (good[0].label == 0).astype(np.uint8)
    sure = Candidate("wrong", inverted, (1.0,), good[0].as_example)  # of all the most confident one
    teachers = taught(task, [marked], ["disc"], [*good, sure], most=2)
    assert 1 <= len(teachers) <= 2
    assert {one.name for one in teachers} <= {"found 1", "found 2", "found 3"}
    for one in teachers:
        assert set(np.unique(one.label).tolist()) == {0, 1}
        states = task.condition_on([one], ["disc"])
        again = task.at_size(task.answers(marked.features, [SIZE], states)[0].margins, SIZE)[0] > 0.5
        assert (again & (marked.label == 1)).sum() / (again | (marked.label == 1)).sum() >= LEAST


def test_a_class_that_failed_is_ignored_in_a_picture_that_teaches_another(task: Segmenting) -> None:
    first, second = _marked(task, 0), _marked(task, 5, number=2)
    good = _found(task, 1, first)
    label = good.label.copy()
    corner = np.zeros(SIZE, bool)
    corner[:12, :12] = True
    assert not label[corner].any()
    label[corner] = 2
    found = Candidate("both", label, (0.9, 0.9), good.as_example)
    (teacher,) = taught(task, [first, second], ["disc", "moon"], [found], most=1)
    assert (teacher.label[corner] == 255).all()
    np.testing.assert_array_equal(teacher.label[~corner], good.label[~corner])


def test_nothing_found_or_all_absent_teaches_nothing(task: Segmenting) -> None:
    marked = _marked(task, 0)
    good = _found(task, 1, marked)
    nothing = Candidate("nothing", np.zeros_like(good.label), (0.9,), good.as_example)
    absent = dataclasses.replace(good, confidence=(0.0,))
    assert taught(task, [marked], ["disc"], [nothing, absent], most=3) == []


def test_only_the_most_confident_candidates_stay_in_memory(task: Segmenting) -> None:
    marked = _marked(task, 0)
    good = _found(task, 1, marked)
    alive: list[weakref.ref[Candidate]] = []

    def many() -> Iterator[Candidate]:
        for number in range(40):
            one = Candidate(str(number), good.label, ((number * 7 % 40 + 1) / 40,), good.as_example)
            alive.append(weakref.ref(one))
            yield one
            del one
            assert sum(ref() is not None for ref in alive) <= TRIED + 1

    (teacher,) = taught(task, [marked], ["disc"], many(), most=1)
    assert int(teacher.name) * 7 % 40 >= 40 - TRIED
