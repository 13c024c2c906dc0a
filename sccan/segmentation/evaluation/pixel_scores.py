"""Counts of a pixel classifier over a list of pictures."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.data import DataLoader

from sccan.segmentation.data.sampling.training import PixelDataset, collate_pixels, prepare_pixels, start_worker
from sccan.segmentation.evaluation.iou import Counts, count_labels


def count_pixels(
    model: nn.Module,
    dataset: PixelDataset,
    *,
    n_labels: int,
    device: torch.device,
    batch_size: int = 1,
    workers: int = 0,
    rank: int = 0,
    world_size: int = 1,
) -> Counts:
    """Counts per label at the size of the network's input, over this rank's share of the pictures.

    Args:
        model: from a `PixelBatch` to logits [B, n_labels, H, W]; put into eval mode, and back afterwards.
        dataset: with a fixed transform.
        n_labels: base classes and background.
        device: where the model is.
        batch_size: pictures together; batches are cut before they are dealt to ranks.
        workers: loader processes.
        rank, world_size: of this process, and their number. The counts add up over ranks.
    """
    keys = [(0, number) for number in range(len(dataset))]
    batches = [keys[first : first + batch_size] for first in range(0, len(keys), batch_size)]
    loader = DataLoader(
        dataset,
        batch_sampler=batches[rank::world_size],
        collate_fn=collate_pixels,
        num_workers=workers,
        worker_init_fn=start_worker,
    )
    zeros = torch.zeros(n_labels, dtype=torch.int64, device=device)
    total = Counts(zeros, zeros.clone(), zeros.clone())
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            for batch in loader:
                ready = prepare_pixels(batch, device)
                total = total + count_labels(model(ready).argmax(1), ready.labels, n_labels)
    finally:
        model.train(was_training)
    return total
