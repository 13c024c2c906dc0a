"""Schedules by hand, several optimisers together, and refusals."""

import pytest
import torch
from torch import nn

from sccan.engine.optimizers import Optimizers, OptimizerSettings, rate
from sccan.errors import InputError

NO_SCALER = torch.amp.GradScaler("cpu", enabled=False)


def rates(settings: OptimizerSettings, total: int) -> list[float]:
    return [rate(settings, step, total) for step in range(1, total + 1)]


def test_poly_is_the_published_one() -> None:
    # SCCAN: 0.05 (1 - t/T)^0.9 with t from 1, so the first rate is just below the base and the last one is 0.
    settings = OptimizerSettings(lr=0.05, schedule="poly", power=0.9)
    assert rates(settings, 4) == pytest.approx([0.05 * 0.75**0.9, 0.05 * 0.5**0.9, 0.05 * 0.25**0.9, 0.0])


def test_published_warm_up_replaces_the_schedule() -> None:
    # t < W: 0.1 + 0.9 t/W; from W on poly as if there had been none.
    settings = OptimizerSettings(lr=2.0, schedule="poly", power=1.0, warmup_steps=2)
    assert rates(settings, 4) == pytest.approx([2 * 0.55, 2 * 0.5, 2 * 0.25, 0.0])


def test_cosine_starts_after_its_warm_up_and_stops_at_its_minimum() -> None:
    settings = OptimizerSettings(lr=1.0, schedule="cosine", warmup_steps=2, warmup_start=0.0, minimum=0.1)
    assert rates(settings, 6) == pytest.approx([0.5, 1.0, 0.8535534, 0.5, 0.1464466, 0.1])


def test_steps_multiply_at_their_share_of_the_training() -> None:
    settings = OptimizerSettings(lr=1.0, schedule="steps", milestones=(0.5, 0.75), factor=0.1)
    assert rates(settings, 8) == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])


def test_constant_stays() -> None:
    assert rates(OptimizerSettings(lr=6e-5, schedule="constant"), 3) == [6e-5] * 3


def weights() -> dict[str, list[nn.Parameter]]:
    return {"head": [nn.Parameter(torch.tensor([1.0, 2.0]))], "transformer": [nn.Parameter(torch.tensor([3.0]))]}


RECIPE = {
    "head": OptimizerSettings("sgd", lr=0.5, momentum=0.9, weight_decay=0.1, schedule="poly", power=1.0),
    "transformer": OptimizerSettings("adamw", lr=0.01, weight_decay=0.1),
}


def test_each_group_follows_its_own_optimiser() -> None:
    groups = weights()
    optimizers = Optimizers(groups, RECIPE, total=2)
    for step in (1, 2):
        optimizers.set_rates(step)
        groups["head"][0].grad = torch.tensor([1.0, -1.0])
        groups["transformer"][0].grad = torch.tensor([4.0])
        optimizers.step(NO_SCALER)
        assert optimizers.rates() == {"head": pytest.approx(0.5 * (1 - step / 2)), "transformer": 0.01}
    # SGD: rate 0.25 with gradient + 0.1 weight, then rate 0. AdamW: decay by 0.1 * 0.01, then a step of 0.01, twice.
    assert groups["head"][0].tolist() == pytest.approx([1 - 0.25 * 1.1, 2 - 0.25 * -0.8])
    assert groups["transformer"][0].item() == pytest.approx((3 * 0.999 - 0.01) * 0.999 - 0.01, abs=1e-6)


def test_a_loaded_state_goes_on_exactly() -> None:
    gradients = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))

    def steps(groups: dict[str, list[nn.Parameter]], optimizers: Optimizers, numbers: range) -> None:
        for step in numbers:
            optimizers.set_rates(step)
            groups["head"][0].grad = gradients[step - 1, :2].clone()
            groups["transformer"][0].grad = gradients[step - 1, 2:].clone()
            optimizers.step(NO_SCALER)

    whole, first, second = weights(), weights(), weights()
    steps(whole, Optimizers(whole, RECIPE, 4), range(1, 5))
    before = Optimizers(first, RECIPE, 4)
    steps(first, before, range(1, 3))
    for name, group in first.items():
        second[name][0].data = group[0].data
    after = Optimizers(second, RECIPE, 4)
    after.load_state(before.state())
    steps(second, after, range(3, 5))
    for name, group in whole.items():
        assert torch.equal(group[0], second[name][0])


def test_a_group_whose_parameters_are_all_frozen_has_settings_and_no_optimiser() -> None:
    parameter = nn.Parameter(torch.ones(1))
    optimizers = Optimizers({"head": [parameter], "transformer": []}, RECIPE, total=2)
    optimizers.set_rates(1)
    parameter.grad = torch.ones(1)
    optimizers.step(NO_SCALER)
    assert parameter.item() < 1
    assert set(optimizers.rates()) == set(optimizers.state()) == {"head"}


def test_a_group_without_settings_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"'transformer' has no optimiser; give settings for each of head, transformer"
    ):
        Optimizers(weights(), {"head": RECIPE["head"]}, 1)


def test_settings_without_a_group_are_refused() -> None:
    with pytest.raises(InputError, match=r"'tranformer', but the model has head, transformer; did you mean 'transf"):
        Optimizers(weights(), {**RECIPE, "tranformer": RECIPE["head"]}, 1)


def test_a_state_of_other_groups_is_refused() -> None:
    groups = weights()
    state = Optimizers({"head": groups["head"]}, {"head": RECIPE["head"]}, 1).state()
    with pytest.raises(InputError, match="optimisers for head, but the model has head, transformer"):
        Optimizers(groups, RECIPE, 1).load_state(state)


def test_a_state_of_other_parameters_is_refused() -> None:
    groups = weights()
    state = Optimizers(groups, RECIPE, 1).state()
    more = {"head": [*groups["head"], nn.Parameter(torch.zeros(1))], "transformer": groups["transformer"]}
    with pytest.raises(InputError, match="'head' does not fit the model"):
        Optimizers(more, RECIPE, 1).load_state(state)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"algorithm": "sdg"}, "'sdg' is unknown; use one of sgd, adamw, adam; did you mean 'sgd'"),
        ({"schedule": "linear"}, "'linear' is unknown"),
        ({"lr": float("nan")}, "must be a number"),
        ({"lr": -1.0}, "at least 0, but is -1"),
        ({"weight_decay": -1e-4}, "must not be negative"),
        ({"momentum": 1.0}, r"must lie in \[0, 1\)"),
        ({"betas": (0.9,)}, r"must lie in \[0, 1\)"),
        ({"nesterov": True, "momentum": 0.0}, "Nesterov needs a momentum"),
        ({"milestones": (0.7, 0.5)}, "ascending shares"),
        ({"milestones": (60,)}, "ascending shares"),
    ],
)
def test_unfit_settings_are_refused(values: dict, line: str) -> None:
    with pytest.raises(InputError, match=line):
        OptimizerSettings(**values)
