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
BAM_SQUARES = 36
"""Weights of BAM's meta learner for each square of its channels, at the very least: three dilated convolutions and one
more, 3x3 each."""
CGROUP = Path("/sys/fs/cgroup/memory.max")


def machine_bytes(device: torch.device) -> int:
    """The memory of a device; of the CPU, no more than this process may have."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    bound = CGROUP.read_text().strip() if CGROUP.is_file() else ""
    return min(there, int(bound)) if bound.isdigit() else there


def require_memory(cfg: CfgNode, device: torch.device, *, classification: bool, learns_backbone: bool) -> None:
    """Refuses a training whose batches or weights alone are larger than the memory.

    It is a lower bound: what passes may still be too large.

    Args:
        classification: whether the task is that of labels.
        learns_backbone: whether the backbone is trained too.

    Raises InputError: they are.
    """
    there = machine_bytes(device)
    for what, needed, advice in (_batch(cfg, classification), *_weights(cfg, learns_backbone)):
        if needed > there:
            raise InputError(
                f"{what} takes more than {needed / 1e9:.3g} GB, but {device} has {there / 1e9:.3g} GB; {advice}"
            )


Need = tuple[str, float, str]
"""What it is, bytes that it takes at least, and what would take fewer."""


def _batch(cfg: CfgNode, classification: bool) -> Need:
    episode, train = cfg.EPISODE, cfg.TRAIN
    pictures = train.BATCH_SIZE * (episode.SHOTS + 1)
    height, width = train.SIZE
    if classification:
        pictures = train.BATCH_SIZE * episode.WAYS * (episode.SHOTS + episode.TRAIN_QUERIES)
        height, width = cfg.PICTURE.SIZE
    what = f"a batch of {pictures} pictures of {height}x{width}"
    return what, 4 * 3 * height * width * pictures * MAPS, "lower TRAIN.BATCH_SIZE or the size"


def _weights(cfg: CfgNode, learns_backbone: bool) -> list[Need]:
    """The square layers of a method, and of a backbone that is stated by its widths."""
    found: list[Need] = []
    method, name = cfg.METHOD.NAME, cfg.BACKBONE.NAME.upper()
    if method == "sccan":
        node = cfg.METHOD.SCCAN
        numbers = node.DEPTH * node.CHANNELS**2 * (8 + 4 * node.MLP_RATIO)
        what = f"a model of {node.DEPTH} blocks and {node.CHANNELS} channels"
        found.append((what, 4 * COPIES * numbers, "lower METHOD.SCCAN.CHANNELS or DEPTH"))
    if method == "bam":
        channels = cfg.METHOD.BAM.CHANNELS
        numbers = BAM_SQUARES * channels**2
        found.append((f"a model of {channels} channels", 4 * COPIES * numbers, "lower METHOD.BAM.CHANNELS"))
    stated = cfg.BACKBONE.get(name, {})
    widths = stated.get("WIDTHS", ())
    numbers = 9 * sum(n * width**2 for n, width in zip(stated.get("BLOCKS", [1] * len(widths)), widths, strict=True))
    what = f"a backbone of {' '.join(map(str, widths))} channels"
    found.append((what, 4 * (COPIES if learns_backbone else 1) * numbers, f"lower BACKBONE.{name}.WIDTHS"))
    return found
