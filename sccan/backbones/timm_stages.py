"""timm's convolutional networks as backbones: their modules one after another, stopped at any of them.

Letters: N pictures, C channels, H W picture size, h w map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sccan.backbones.pixels import IMAGENET, Pixels
from sccan.backbones.stage import Stage
from sccan.backbones.timm_network import TimmBackbone, first_line
from sccan.errors import InputError, nearest

TRIAL_SIDE = 64
"""Side of the picture that a network is tried on when it is built."""


class ConvolutionalStages(TimmBackbone):
    """A network that computes its modules one after another; a stage is what one of them returns.

    Whether it does so is found out when it is built, by watching timm's own forward of one small picture; the same
    picture tells channels and strides.
    """

    def __init__(
        self, net: nn.Module, model: str, *, stages: Sequence[str | int] = (), pixels: Pixels = IMAGENET
    ) -> None:
        """
        Args:
            net, model, pixels: see `TimmBackbone`.
            stages: see `timm_backbone`.

        Raises InputError: no such stage, or the network is no chain of modules.
        """
        super().__init__(net, model, pixels)
        shapes = _trial(net, model)
        chain = list(shapes)
        ends = {_end(name, chain): name for name in _named(net, model, stages, chain)}
        self.stages: dict[str, Stage] = {}
        self.segments: dict[str, list[str]] = {}
        begin = 0
        for end in sorted(ends):
            channels, height = shapes[chain[end]]
            self.stages[ends[end]] = Stage(channels, round(TRIAL_SIDE / height))
            self.segments[ends[end]] = chain[begin : end + 1]
            begin = end + 1
        for path in self.segments.values():  # what a stage returns is not to be changed by the stage behind it
            first: Any = net.get_submodule(path[0])
            if getattr(first, "inplace", False):
                first.inplace = False
        self.cut = (*self.cut, *(f"{path}.*" for path in _cut_behind(net, chain[end])))

    def stem(self, images: Tensor) -> Tensor:
        return self.renormalised(images)

    def continued(self, name: str, maps: Tensor) -> Tensor:
        for path in self.segments[name]:
            maps = self.net.get_submodule(path)(maps)
        return maps


def _links(net: nn.Module) -> dict[str, nn.Module]:
    """The modules that a forward may pass one after another, by path: children, and children of sequences."""
    links: dict[str, nn.Module] = {}
    for name, child in net.named_children():
        if isinstance(child, nn.Sequential):
            links |= {f"{name}.{inner}": module for inner, module in child.named_children()}
        else:
            links[name] = child
    return links


@torch.no_grad()
def _trial(net: nn.Module, model: str) -> dict[str, tuple[int, int]]:
    """The modules that timm's own forward passes, in order, and what each returns: channels and height.

    Raises InputError: what one module returns is not what the next one gets, or is no map.
    """
    if getattr(net, "output_fmt", "NCHW") != "NCHW":
        raise InputError(f"{model} keeps channels last inside, which is not read here; choose a convolutional network")
    shapes: dict[str, tuple[int, int]] = {}
    last: list[Tensor] = []
    broken: list[str] = []

    def watch(path: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def passed(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            follows = len(inputs) == 1 and (not last or inputs[0] is last[-1]) and path not in shapes
            if not follows or not isinstance(output, Tensor) or output.ndim != 4:
                broken.append(path)
                return
            shapes[path] = output.shape[1], output.shape[2]
            last[:] = [output]

        return module.register_forward_hook(passed)

    was_training = net.training
    hooks = [watch(path, module) for path, module in _links(net).items()]
    try:
        net.eval().forward_features(torch.zeros(1, 3, TRIAL_SIDE, TRIAL_SIDE))  # type: ignore[operator]
    except (AssertionError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{model} cannot be tried on a picture of {TRIAL_SIDE} pixels ({first_line(error)}); choose another network"
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
        net.train(was_training)
    if broken or not shapes:
        where = f" ({broken[0]} does not follow on the module before it)" if broken else ""
        raise InputError(f"{model} does not compute one map after another{where}; choose another network")
    return shapes


def _named(net: nn.Module, model: str, stages: Sequence[str | int], chain: list[str]) -> list[str]:
    """Names of the stages that are asked for, each once.

    Raises InputError: there is no such stage.
    """
    listed = [str(entry["module"]) for entry in net.feature_info]  # type: ignore[union-attr]
    if not stages:
        return listed
    known = [*dict.fromkeys(path.rsplit(".", 1)[0] for path in chain), *chain]
    names = []
    for stage in stages:
        if isinstance(stage, int):
            if not -len(listed) <= stage < len(listed):
                raise InputError(
                    f"{model} lists {len(listed)} stages ({', '.join(listed)}), but number {stage} is asked"
                )
            stage = listed[stage]
        if stage not in known or _end(stage, chain) < 0:
            raise InputError(f"{model} has no stage {stage!r}, but {', '.join(listed)}{nearest(stage, known)}")
        names.append(stage)
    return list(dict.fromkeys(names))


def _end(name: str, chain: list[str]) -> int:
    """Where a stage ends: at the module of that name, or at the last one of the sequence of that name."""
    return max((i for i, path in enumerate(chain) if path == name or path.startswith(f"{name}.")), default=-1)


def _cut_behind(net: nn.Module, last: str) -> tuple[str, ...]:
    """Removes all modules behind the one of that path; their paths."""
    paths = list(_links(net))
    behind = paths[paths.index(last) + 1 :]
    for path in reversed(behind):
        parent, _, name = path.rpartition(".")
        del net.get_submodule(parent)._modules[name]
    return tuple(behind)
