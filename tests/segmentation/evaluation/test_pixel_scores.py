"""Counts of a pixel classifier, and how they add up over ranks."""

import torch
from torch import nn

from sccan.segmentation.data.labels.masks import base_label_table
from sccan.segmentation.data.sampling.pictures import PictureStore
from sccan.segmentation.data.sampling.training import PixelDataset
from sccan.segmentation.data.sets.folds import fold_lists
from sccan.segmentation.data.transforms.published import KeepAspect, WithoutDraws
from sccan.segmentation.evaluation.pixel_scores import count_pixels
from sccan.segmentation.parts.pixel_batch import PixelBatch


class Brightness(nn.Module):
    """Label 2 where a picture is bright, else 0; logits [B, 3, H, W]."""

    def forward(self, batch: PixelBatch) -> torch.Tensor:
        bright = (batch.images.mean(1) > 0).float()
        return torch.stack([1 - bright, torch.zeros_like(bright) - 1, bright], dim=1)


def dataset(tiny_index) -> PixelDataset:
    lists = fold_lists(tiny_index, (2, 5), min_pixels=200, title="fold 0")
    return PixelDataset(PictureStore(tiny_index), lists, base_label_table((2, 5)), WithoutDraws(KeepAspect(40)), seed=0)


def test_counts_are_those_of_every_picture_once(tiny_index) -> None:
    pictures, model = dataset(tiny_index), Brightness().train()
    counts = count_pixels(model, pictures, n_labels=3, device=torch.device("cpu"), batch_size=3)
    wanted = torch.zeros(3, dtype=torch.int64)
    true = torch.zeros(3, dtype=torch.int64)
    for number in range(len(pictures)):
        image, label = pictures[0, number]
        predicted = 2 * (image.mean(0) > 0).long()
        for value in range(3):
            wanted[value] += int(((predicted == value) & (label == value)).sum())
            true[value] += int((label == value).sum())
    assert torch.equal(counts.intersection, wanted)
    assert torch.equal(counts.target, true)
    assert model.training


def test_ranks_add_up_to_the_whole(tiny_index) -> None:
    options = {"n_labels": 3, "device": torch.device("cpu"), "batch_size": 2}
    whole = count_pixels(Brightness(), dataset(tiny_index), **options)
    parts = [count_pixels(Brightness(), dataset(tiny_index), **options, rank=r, world_size=3) for r in range(3)]
    summed = parts[0] + parts[1] + parts[2]
    assert torch.equal(summed.union, whole.union)
    assert torch.equal(summed.intersection, whole.intersection)
