"""Features that every process has a part of, made known to all of them.

Letters: C channels, h w map.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sccan.engine.distributed import Runtime
from sccan.episodes.episode import Features


def share_of(numbers: Sequence[int], runtime: Runtime) -> Sequence[int]:
    """The pictures that this process encodes for all."""
    return numbers[runtime.rank :: runtime.world_size]


def shared_features(own: Mapping[int, Features], numbers: Sequence[int], runtime: Runtime) -> dict[int, Features]:
    """Features of all pictures on every process, from those of `share_of`.

    Args:
        own: of this process's share.
        numbers: of all pictures, the same on every process.
        runtime: all its processes must call.

    Returns:
        Number -> features. Only this process's own where maps differ in shape between pictures, or where there are
        fewer pictures than processes.
    """
    if runtime.world_size == 1 or len(numbers) < runtime.world_size:
        return dict(own)
    forms = [_form(features) for features in own.values()]
    largest, smallest = runtime.largest(forms[0]), [-value for value in runtime.largest([-v for v in forms[0]])]
    (odd,) = runtime.largest([int(any(form != forms[0] for form in forms))])
    if odd or largest != smallest:
        return dict(own)
    template = next(iter(own.values()))
    found: dict[int, Features] = {}
    for place, number in enumerate(numbers):
        maps = {}
        for name, like in sorted(template.maps.items()):  # features from files come in an order of their own
            value = own[number].maps[name] if number in own else torch.empty_like(like)
            here = value.to(runtime.device)  # the network of devices does not reach the host's memory
            runtime.broadcast_([_memory_order(here)], source=place % runtime.world_size)
            maps[name] = here.to(value.device)
        found[number] = Features(maps, template.image_size)
    return found


def _form(features: Features) -> list[int]:
    """Sizes and layouts of all maps."""
    sides = [size for _, value in sorted(features.maps.items()) for size in (*value.shape, *_layout(value))]
    return [*features.image_size, *sides]


def _layout(value: Tensor) -> tuple[int]:
    return (int(value.is_contiguous(memory_format=torch.channels_last)),)


def _memory_order(value: Tensor) -> Tensor:
    """A contiguous view of the map [1, C, h, w], whatever its layout."""
    return value if value.is_contiguous() else value.permute(0, 2, 3, 1)
