"""What every classification method must do, checked in one place."""

from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sccan.backbones.names import NameTable
from sccan.backbones.weights import load_strict, load_weights
from sccan.episodes.episode import Episode
from sccan.errors import InputError
from sccan.method import Method


def query_class_ids(episode: Episode) -> Tensor:
    """Base class of every query, from 0, [B, Q]."""
    pairs = zip(episode.classes, episode.query_labels, strict=True)
    return torch.stack([classes[labels] - 1 for classes, labels in pairs])


def zero_gradients(model: Method, episode: Episode) -> list[str]:
    """Names of the parameters that a training step would leave alone; all must have a gradient, in one group."""
    model.train()
    model.loss(model(episode), episode)["total"].backward()
    (group,) = model.parameter_groups().values()
    assert {id(p) for p in group} == {id(p) for p in model.parameters()}
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    assert [name for name, grad in gradients.items() if grad is None or not bool(grad.isfinite().all())] == []
    return [name for name, grad in gradients.items() if grad is not None and float(grad.abs().max()) == 0]


def check_published_checkpoint(
    make: Callable[[], Method],
    names: NameTable,
    published_names: set[str],
    missing: tuple[str, str],
    folder: Path,
    *,
    saved: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict,
    excused: tuple[str, ...] = (),
) -> None:
    """A checkpoint under published names loads strictly, with the prefix of parallel training too.

    Args:
        published_names: some that must occur.
        missing: a published name that is taken away, and ours, which the refusal must tell.
        saved: what the published code makes of our state under its names.
        excused: patterns of our names that it does not save.
    """
    source, target = make(), make()
    for parameter in target.parameters():
        torch.nn.init.zeros_(parameter)
    kept = {name: v for name, v in source.state_dict().items() if not any(fnmatch(name, one) for one in excused)}
    published = saved(names.published(kept))
    assert published_names <= set(published)
    path = folder / "best_model.pth.tar"
    prefixed = {f"module.{name}": value for name, value in published.items()}
    torch.save({"state_dict": prefixed, "acc": np.float64(0.6), "epoch": 3}, path)
    load_weights(target, path, names=names, excused=excused)
    for name, value in kept.items():
        torch.testing.assert_close(target.state_dict()[name], value)
    del published[missing[0]]
    with pytest.raises(InputError, match=rf"1 missing: {missing[1]}"):
        load_strict(target, names.ours(published), source="file", excused=excused)
