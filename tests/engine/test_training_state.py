"""A training state from outside: every part declared, nothing taken from one that does not fit."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from sccan.engine.training_state import load_optimizer, training_state
from sccan.errors import InputError

COURSE = {"batches per epoch": 5, "steps in all": 10, "processes": 1}
GOOD: dict[str, Any] = {
    "format": 1,
    "standing": {"step": 4, "validated": 4, "best_score": 0.5, "best_step": 2},
    "course": COURSE,
    "updater": {"model": {"w": torch.ones(2)}, "optimizers": {"head": {}}, "scaler": {}},
    "meter": {"names": ["total"], "sums": [1.0], "count": 2},
    "random": {"cpu": torch.get_rng_state()[None]},
    "log_size": 10,
}


def test_a_whole_state_is_taken() -> None:
    state = training_state(GOOD, "last.pt", course=COURSE, rank=0)
    assert (state.standing.step, state.log_size) == (4, 10)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("standing", {"validated": 4, "best_score": 0.5, "best_step": 2}, "standing: missing required field 'step'"),
        ("standing.step", -1, "standing.step: expected a whole number >= 0, found -1"),
        ("standing.step", None, "standing.step: expected a whole number"),
        ("standing.step", 11, "step 11 of 10"),
        ("standing.best_step", 9, "best at 9"),
        ("standing.best_score", float("nan"), "standing.best_score"),
        (
            "course",
            {"batches per epoch": 6, "steps in all": 10, "processes": 1},
            "batches per epoch 6, but now there are 5",
        ),
        ("updater.model", {"w": [1.0]}, "updater.model"),
        ("updater.model", {"w": torch.tensor([float("nan")])}, "the weight w is not finite"),
        ("updater", None, "updater: expected an object"),
        ("meter.sums", [], ""),
        ("meter.sums", [1.0, 2.0], "2 sums of 1 losses"),
        ("meter.count", "x", "meter.count: expected a whole number, found 'x'"),
        ("random", {}, "random: missing required field 'cpu'"),
        ("random.cpu", torch.zeros(3), "random.cpu: expected uint8"),
        ("log_size", 1.5, "log_size: expected a whole number, found 1.5"),
    ],
)
def test_a_part_that_does_not_fit_is_named(place: str, value: Any, said: str) -> None:
    content = copy.deepcopy(GOOD)
    *path, leaf = place.split(".")
    node = content
    for part in path:
        node = node[part]
    node[leaf] = value
    if not said:
        training_state(content, "last.pt", course=COURSE, rank=0)
        return
    with pytest.raises(InputError) as error:
        training_state(content, "last.pt", course=COURSE, rank=0)
    assert said in str(error.value)
    assert str(error.value).startswith("last.pt")


def made(lr: float = 0.1) -> torch.optim.Adam:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.Adam([weight], lr=lr)
    weight.grad = torch.ones(3)
    optimizer.step()
    return optimizer


def test_an_optimizer_goes_on_under_its_own_settings() -> None:
    other = made(lr=0.5)
    load_optimizer(other, made(lr=0.1).state_dict(), "head")
    assert other.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("kind", ["shape", "nan", "text", "groups", "list"])
def test_a_state_of_something_else_is_refused(kind: str) -> None:
    state: dict[str, Any] = copy.deepcopy(made().state_dict())
    if kind == "shape":
        state["state"][0]["exp_avg"] = torch.zeros(4)
    elif kind == "nan":
        state["state"][0]["exp_avg"] = torch.full((3,), float("nan"))
    elif kind == "text":
        state["state"][0]["exp_avg"] = "x"
    elif kind == "groups":
        state["param_groups"] = []
    else:
        state["state"] = [1]
    with pytest.raises(InputError, match="state of the optimiser 'head' does not fit"):
        load_optimizer(made(), state, "head")
