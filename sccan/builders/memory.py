"""Whether a training can fit into the machine at all: the least that its settings ask for, against what there is."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from yacs.config import CfgNode

from sccan.errors import InputError

MAPS = 8
"""Bytes of maps of a network for each byte of its pictures, at the very least."""
COPIES = 4
"""A learned weight, its gradient, and an optimiser's two moments."""
CGROUP = Path("/sys/fs/cgroup/memory.max")


def machine_bytes(device: torch.device) -> int:
    """The memory of a device; of the CPU, no more than this process may have."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    bound = CGROUP.read_text().strip() if CGROUP.is_file() else ""
    return min(there, int(bound)) if bound.isdigit() else there


def require_memory(cfg: CfgNode, device: torch.device, *, classification: bool) -> None:
    """Refuses a training whose batches or weights alone are larger than the memory.

    It is a lower bound: what passes may still be too large.

    Raises InputError: they are.
    """
    episode, train = cfg.EPISODE, cfg.TRAIN
    pictures = train.BATCH_SIZE * (episode.SHOTS + 1)
    height, width = train.SIZE
    if classification:
        pictures = train.BATCH_SIZE * episode.WAYS * (episode.SHOTS + episode.TRAIN_QUERIES)
        height, width = cfg.PICTURE.SIZE
    batch = 4 * 3 * height * width * pictures * MAPS
    node = cfg.METHOD.SCCAN
    weights = 4 * COPIES * node.DEPTH * node.CHANNELS**2 * (8 + 4 * node.MLP_RATIO) if cfg.METHOD.NAME == "sccan" else 0
    there = machine_bytes(device)
    for what, needed, advice in (
        (f"a batch of {pictures} pictures of {height}x{width}", batch, "lower TRAIN.BATCH_SIZE or the size"),
        (
            f"a model of {node.DEPTH} blocks and {node.CHANNELS} channels",
            weights,
            "lower METHOD.SCCAN.CHANNELS or DEPTH",
        ),
    ):
        if needed > there:
            raise InputError(
                f"{what} takes more than {needed / 1e9:.3g} GB, but {device} has {there / 1e9:.3g} GB; {advice}"
            )
