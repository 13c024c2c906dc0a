"""Two processes train real methods to the weights that one reaches with both of their batches."""

import pytest
import torch

from tests.engine.parallel import METHODS, launch, updated
from tests.engine.toy import cpu

Weights = dict[str, dict[str, torch.Tensor]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[Weights]:
    return launch(tmp_path_factory.mktemp("parallel"))


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_two_processes_reach_the_weights_of_one_without_searching_for_unused_parameters(
    name: str, found: list[Weights]
) -> None:
    """A gradient that never came would let the processes wait for ever."""
    first, second = (ranks[name] for ranks in found)
    before = dict(METHODS[name]()[0].named_parameters())
    alone = updated(name, cpu())
    for key, parameter in before.items():
        assert torch.equal(first[key], second[key]), key
        torch.testing.assert_close(first[key], alone[key], rtol=1e-4, atol=1e-5, msg=key)
        if not parameter.requires_grad:
            assert torch.equal(first[key], parameter), key
    moved = [key for key, parameter in before.items() if not torch.equal(first[key], parameter)]
    assert len(moved) > 0.9 * sum(parameter.requires_grad for parameter in before.values())
