"""A GPU that is not there: tensors that know their device and shape and hold nothing.

A computation on them fails as it would on a device where a host tensor meets one of the device, and fails as well where
the host would have to wait for a value (`item`, `nonzero`, a mask as an index). Kernels and gradients are not run.
"""

import functools
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

DEVICE = torch.device("cuda:0")


@contextmanager
def fake_tensors() -> Iterator[None]:
    """A block in which every tensor is made without contents, and those from outside lose theirs."""
    _forget_constants()
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            yield
    finally:
        _forget_constants()


def _forget_constants() -> None:
    """What functions of the package keep by device must neither come from outside of such a block nor leave it."""
    for found in gc.get_objects():
        if type(found) is functools._lru_cache_wrapper and found.__module__.startswith("sccan."):
            found.cache_clear()


@contextmanager
def bf16_autocast(enabled: bool = True) -> Iterator[None]:
    """Autocast to bf16 on the device; `torch.autocast` itself switches off where no GPU is found."""
    before = torch.is_autocast_enabled("cuda"), torch.get_autocast_dtype("cuda")
    torch.set_autocast_enabled("cuda", enabled)
    torch.set_autocast_dtype("cuda", torch.bfloat16)
    try:
        yield
    finally:
        torch.clear_autocast_cache()
        torch.set_autocast_enabled("cuda", before[0])
        torch.set_autocast_dtype("cuda", before[1])


def on_device(model: Any) -> Any:
    """A model with its tensors on the device, within such a block; `Module.to` cannot exchange these."""
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = nn.Parameter(_moved(parameter).detach(), parameter.requires_grad)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = _moved(buffer)
    return model


def _moved(tensor: Tensor) -> Tensor:
    return (tensor if isinstance(tensor, FakeTensor) else torch.empty_like(tensor)).to(DEVICE)


def devices(found: Any) -> set[str]:
    """Types of the devices that hold the tensors in dictionaries, sequences and data classes."""
    if isinstance(found, Tensor):
        return {found.device.type}
    if isinstance(found, dict):
        return devices(list(found.values()))
    if isinstance(found, list | tuple):
        return set().union(*map(devices, found))
    return devices(vars(found)) if hasattr(found, "__dict__") else set()
