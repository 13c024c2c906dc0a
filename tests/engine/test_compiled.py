"""Training through `torch.compile`: no graph breaks, the same numbers, the same names, and a way back."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sccan.engine.run import open_run
from sccan.engine.train import train
from sccan.engine.train_settings import TrainSettings
from sccan.engine.update import LossOf, Updater
from tests.engine.test_update import SGD, episodes
from tests.engine.toy import RECIPE, ToyMethod, ToyTask, cpu
from tests.segmentation.methods import test_bam, test_sccan
from tests.segmentation.methods.episodes import made_up_episode


def _sccan() -> tuple[nn.Module, Any]:
    return test_sccan._model(feature_dropout=0.0, head_dropout=0.0, depth=2), made_up_episode()


def _bam() -> tuple[nn.Module, Any]:
    return test_bam._model(feature_dropout=0.0, head_dropout=0.0, base_dropout=False), made_up_episode()


@pytest.mark.slow
@pytest.mark.parametrize("make", [_sccan, _bam])
def test_forward_and_loss_are_one_graph_with_the_same_numbers(make: Callable[[], tuple[nn.Module, Any]]) -> None:
    """The backend traces what a compiler would get, forward and backward, and runs it as it is."""
    model, episode = make()
    losses_of = LossOf(model.train())
    want = losses_of(episode)
    want["total"].backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    got = torch.compile(losses_of, fullgraph=True, dynamic=False, backend="aot_eager")(episode)
    got["total"].backward()
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.slow
def test_a_compiled_update_moves_the_weights_alike_and_keeps_their_names() -> None:
    plain, compiled = ToyMethod(plain=True), ToyMethod(plain=True)
    for model, switch in ((plain, False), (compiled, True)):
        updater = Updater(model, SGD, 10, cpu(), compiled=switch)
        for number in (1, 2):
            updater.step(number, episodes(4), 1)
    assert list(plain.state_dict()) == list(compiled.state_dict())
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[name], value, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.slow
def test_a_compiled_training_resumes_to_the_weights_of_one_that_never_stopped(tmp_path: Path) -> None:
    """Dropout included: compiled code draws from the generator whose state is saved."""
    results = []
    for name, lengths in (("whole", [0.0]), ("parts", [1e-9, 0.0])):
        model = ToyMethod()
        for part, minutes in enumerate(lengths):
            model = ToyMethod()
            settings = TrainSettings(epochs=1, validate_every=0, max_minutes=minutes, compiled=True)
            with open_run(tmp_path / name, cpu(), config_text="", settings={}, resume=part > 0) as run:
                result = train(model, ToyTask(steps_per_epoch=3), run, cpu(), settings, RECIPE)
            assert result.complete is (part == len(lengths) - 1)
        results.append(model.state_dict())
    for name, value in results[0].items():
        assert torch.equal(results[1][name], value), name
