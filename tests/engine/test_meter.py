"""Means of losses and the search for the step that went wrong."""

import pytest
import torch

from sccan.engine.meter import LossMeter
from sccan.engine.training_state import Meter
from sccan.errors import InputError
from tests.engine.toy import cpu


def losses(total: float, part: float = 0.0) -> dict[str, torch.Tensor]:
    return {"total": torch.tensor(total), "part": torch.tensor(part)}


def test_means_since_the_last_line() -> None:
    meter = LossMeter()
    meter.add(losses(1.0, 4.0))
    meter.read(cpu(), 1)
    meter.add(losses(2.0, 8.0))
    meter.read(cpu(), 2)
    assert meter.means() == {"total": 1.5, "part": 6.0}
    meter.add(losses(7.0))
    meter.read(cpu(), 3)
    assert meter.means() == {"total": 7.0, "part": 0.0}


def test_a_state_goes_on_with_the_sums() -> None:
    first, second = LossMeter(), LossMeter()
    first.add(losses(1.0))
    first.read(cpu(), 1)
    second.load_state(Meter(**first.state()))
    second.add(losses(3.0))
    second.read(cpu(), 2)
    assert second.means()["total"] == 2.0


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_its_step(bad: float) -> None:
    meter = LossMeter()
    for value in (1.0, bad, 2.0):
        meter.add(losses(value))
    with pytest.raises(InputError, match="'total' is not finite at step 19;"):
        meter.read(cpu(), 20)


def test_losses_must_keep_their_names() -> None:
    meter = LossMeter()
    meter.add(losses(1.0))
    with pytest.raises(ValueError, match="now named"):
        meter.add({"total": torch.tensor(1.0)})
