"""Weights that are no numbers are refused by the tensor's name; prefixes of wrappers and numbers beside them pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from sccan.backbones.tensor_files import tensor_bytes
from sccan.backbones.weight_files import read_checkpoint, read_state
from sccan.backbones.weights import load_strict, load_weights
from sccan.errors import InputError


def model() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


def saved(path: Path, **changes: Any) -> Path:
    torch.save({**model().state_dict(), **changes}, path)
    return path


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (torch.full((4,), float("nan")), "0.bias holds numbers that are NaN"),
        (torch.full((4,), float("inf")), "0.bias holds numbers that are infinite"),
        (torch.zeros(4, dtype=torch.complex64), "the tensor 0.bias is complex"),
        (torch.zeros(4, dtype=torch.int64), "0.bias is torch.int64, but the model has fractions there"),
        (torch.zeros(4, dtype=torch.bool), "0.bias is torch.bool, but the model has fractions there"),
        (torch.zeros(4).to_sparse(), "the tensor 0.bias is torch.sparse_coo"),
        (torch.zeros(1).expand(1 << 40), "0.bias is announced as [1099511627776], but has fewer numbers"),
    ],
)
def test_what_is_no_weight_is_refused_by_name(value: torch.Tensor, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        load_weights(model(), saved(tmp_path / "a.pth", **{"0.bias": value}))
    assert said in str(error.value)


def test_nan_in_safetensors_is_refused_and_half_precision_is_not(tmp_path: Path) -> None:
    state = model().state_dict()
    safetensors.torch.save_file({**state, "0.weight": state["0.weight"].half()}, tmp_path / "a.safetensors")
    load_weights(model(), tmp_path / "a.safetensors")
    with pytest.raises(InputError, match="1.running_var holds numbers that are NaN"):
        load_strict(model(), {**state, "1.running_var": torch.full((4,), float("nan"))}, source="x")


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_prefixes_of_wrappers_are_removed(prefix: str, tmp_path: Path) -> None:
    state = model().state_dict()
    torch.save({prefix + name: value for name, value in state.items()}, tmp_path / "a.pth")
    assert set(read_state(tmp_path / "a.pth")) == set(state)
    torch.save({name.replace("0.", "0._orig_mod."): value for name, value in state.items()}, tmp_path / "b.pth")
    assert set(read_state(tmp_path / "b.pth")) == set(state)


@pytest.mark.parametrize("kind", "?bBhHiIlLqQefdgFD")
def test_numbers_of_numpy_of_any_type_may_stand_beside_weights(kind: str, tmp_path: Path) -> None:
    torch.save({"state_dict": model().state_dict(), "best": np.dtype(kind).type(1)}, tmp_path / "a.pth")
    assert len(read_checkpoint(tmp_path / "a.pth")[0]) == 7


def test_the_same_weights_and_facts_are_the_same_bytes() -> None:
    state, facts = model().state_dict(), {"b": "2", "a": "1", "format": "pt", "z": "é"}
    written = {tensor_bytes(state, dict(sorted(facts.items(), key=lambda _: order))) for order in range(20)}
    assert len(written) == 1
    assert safetensors.torch.load(written.pop()).keys() == state.keys()
