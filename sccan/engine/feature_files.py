"""Features of pictures on a disk, from one evaluation to the next.

A file's name is a digest of everything that its content depends on (weights, transform, the picture's bytes), so a
stale file is never read. Files are safetensors: numbers and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from sccan.backbones.tensor_files import open_tensors, tensor_bytes
from sccan.episodes.episode import Features
from sccan.errors import InputError
from sccan.files.writing import written_beside

CHANNELS_LAST = "channels_last"
"""Says which maps have this layout in memory."""


class FeatureFiles:
    """Features by picture number, in a folder that grows up to a budget and is never thinned out."""

    def __init__(self, folder: Path, digest: Callable[[int, bool], str], *, budget_bytes: int) -> None:
        """
        Args:
            folder: is made when needed.
            digest: everything that a picture's features depend on, in hexadecimal digits; given its number, and whether
                it is encoded as a support.
            budget_bytes: from this size on nothing more is written.
        """
        self.folder, self.digest, self.budget_bytes = folder, digest, budget_bytes
        self._used = sum(path.stat().st_size for path in folder.glob("*.safetensors")) if folder.is_dir() else 0

    def path(self, number: int, *, support: bool = False) -> Path:
        """Where the features of a picture lie, if they were written."""
        return self.folder / f"{self.digest(number, support)}.safetensors"

    def read(self, number: int, *, support: bool = False) -> Features | None:
        """The features [1, C, h, w] on the CPU, or None.

        Raises InputError: the file is damaged.
        """
        path = self.path(number, support=support)
        return read_features(path) if path.is_file() else None

    def write(self, number: int, features: Features, *, support: bool = False) -> None:
        """Keeps the features of a picture, unless the budget is spent.

        Raises InputError: the folder cannot be written.
        """
        size = sum(value.nbytes for value in features.maps.values())
        if self._used + size > self.budget_bytes:
            return
        self._used += size
        write_features(self.path(number, support=support), features)


def read_features(path: Path) -> Features:
    """The features [1, C, h, w] of a file, on the CPU.

    Raises InputError: it is missing or damaged.
    """
    try:
        with open_tensors(path) as stored:
            about = stored.metadata()
            maps = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (no mapping)
        height, width = (int(side) for side in about["image_size"].split())
        unfit = [name for name, value in maps.items() if value.ndim != 4 or not value.is_floating_point()]
        unfit += [name for name, value in maps.items() if name not in unfit and not value.isfinite().all()]
        if unfit or not maps or not 0 < min(height, width) <= max(height, width) < 1 << 24:
            raise ValueError(f"{', '.join(unfit) or 'nothing'} where finite maps [1, C, h, w] are expected")
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} holds no features ({error}); delete it, and they are computed again") from error
    # The layout matters for the last bit of what is computed from the maps.
    last = about.get(CHANNELS_LAST, "").split()
    for name in set(last) & set(maps):
        maps[name] = maps[name].contiguous(memory_format=torch.channels_last)
    return Features(maps, (height, width))


def write_features(path: Path, features: Features) -> None:
    """Writes features [1, C, h, w], whole or not at all.

    Raises InputError: it cannot be written.
    """
    last = " ".join(name for name, value in sorted(features.maps.items()) if _is_channels_last(value))
    about = {"image_size": "{} {}".format(*features.image_size), CHANNELS_LAST: last}
    plain = {name: value.cpu().contiguous() for name, value in features.maps.items()}
    with written_beside(path, durable=False) as beside:
        beside.write_bytes(tensor_bytes(plain, about))


def _is_channels_last(value: Tensor) -> bool:
    return value.ndim == 4 and value.is_contiguous(memory_format=torch.channels_last) and not value.is_contiguous()
