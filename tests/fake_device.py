"""A GPU that is not there: tensors that know their device and shape and hold nothing.

A computation on them fails as it would on a device where a host tensor meets one of the device, and fails as well where
the host would have to wait for a value (`item`, `nonzero`, a mask as an index). Kernels and gradients are not run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

DEVICE = torch.device("cuda:7")
"""The last one there can be, so that hardly ever constants which the code keeps by device are found by others."""
_MODE = FakeTensorMode(allow_non_fake_inputs=True)  # one for all blocks, which share those constants


@contextmanager
def fake_tensors() -> Iterator[None]:
    """A block in which every tensor is made without contents."""
    with _MODE:
        yield


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
    return (tensor if isinstance(tensor, FakeTensor) else _MODE.from_tensor(tensor)).to(DEVICE)


def devices(found: Any) -> set[str]:
    """Types of the devices that hold the tensors in dictionaries, sequences and data classes."""
    if isinstance(found, Tensor):
        return {found.device.type}
    if isinstance(found, dict):
        return devices(list(found.values()))
    if isinstance(found, list | tuple):
        return set().union(*map(devices, found))
    return devices(vars(found)) if hasattr(found, "__dict__") else set()
