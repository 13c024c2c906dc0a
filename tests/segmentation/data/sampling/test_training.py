"""Training items depend on (seed, epoch, number) alone, whatever loader asks for them."""

from collections.abc import Iterable

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from sccan.backbones.pixels import normalize
from sccan.episodes.episode import Episode
from sccan.episodes.index import ClassIndex
from sccan.episodes.plan import TrainingPlan
from sccan.errors import InputError
from sccan.segmentation.data.labels.masks import base_label_table, boxed_mask, class_mask
from sccan.segmentation.data.sampling.pictures import PictureStore
from sccan.segmentation.data.sampling.training import (
    EpisodeDataset,
    PixelDataset,
    collate_episodes,
    collate_pixels,
    prepare_episode,
    prepare_pixels,
    start_worker,
)
from sccan.segmentation.data.sets.folds import fold_lists
from sccan.segmentation.data.transforms.fast import FastTransform
from sccan.segmentation.data.transforms.object_crops import CropsNearObjects
from sccan.segmentation.data.transforms.published import KeepAspect, PublishedTransform, TrainTransform, WithoutDraws

SIZE = (65, 81)
KEYS = [(epoch, number) for epoch in (0, 3) for number in range(6)]


def episodes(index: ClassIndex, transform: TrainTransform, annotation: str = "mask", seed: int = 5) -> EpisodeDataset:
    lists = fold_lists(index, range(1, 9), min_pixels=500)
    plan = TrainingPlan(lists, n_shot=2, seed=1, skip_small=True)
    return EpisodeDataset(PictureStore(index), plan, transform, seed=seed, annotation=annotation)


def tensors(batches: Iterable[Episode]) -> list[torch.Tensor]:
    names = ("support_images", "support_labels", "query_images", "query_labels", "classes", "numbers")
    batches = list(batches)
    return [torch.cat([getattr(batch, name) for batch in batches]) for name in names]


@pytest.mark.parametrize("kind", [PublishedTransform, FastTransform])
def test_batches_do_not_depend_on_the_loader(tiny_index: ClassIndex, kind: type) -> None:
    dataset = episodes(tiny_index, kind(SIZE))
    alone = DataLoader(dataset, batch_size=1, sampler=KEYS, collate_fn=collate_episodes)
    many = DataLoader(
        dataset, batch_size=4, sampler=KEYS, collate_fn=collate_episodes, num_workers=2, worker_init_fn=start_worker
    )
    for one, other in zip(tensors(alone), tensors(many), strict=True):
        assert torch.equal(one, other)


def test_items_hold_what_the_plan_says(tiny_index: ClassIndex) -> None:
    transform = WithoutDraws(KeepAspect(65))
    dataset = episodes(tiny_index, transform)
    assert len(dataset) == len(dataset.plan)
    for key in KEYS[:4]:
        item, spec = dataset[key], dataset.plan.episode(*key)
        assert item.support_labels.shape == (1, 2, 65, 65)
        assert item.query_labels.shape == (1, 1, 65, 65)
        assert item.support_images is not None
        assert item.support_images.shape == (1, 2, 3, 65, 65)
        label = dataset.store.read(spec.support[0][1])[1]
        mask = class_mask(label, spec.classes[0])
        assert (item.support_labels[0, 1].numpy() == KeepAspect(65).label(mask)).all()
        assert item.classes.tolist() == [[spec.classes[0]]]
        assert item.numbers.tolist() == [key[1]]


def test_draws_differ_between_pictures_numbers_epochs_and_seeds(tiny_index: ClassIndex) -> None:
    class Same:
        """A transform whose result is its first draw."""

        def __call__(self, image: np.ndarray, label: np.ndarray, draws: object) -> tuple[torch.Tensor, torch.Tensor]:
            drawn = torch.tensor([draws.random()], dtype=torch.float64)  # type: ignore[attr-defined]
            return drawn, torch.zeros(1, 1, dtype=torch.uint8)

    values = []
    for seed in (5, 6):
        dataset = episodes(tiny_index, Same(), seed=seed)
        for key in KEYS:
            item = dataset[key]
            assert item.support_images is not None
            assert item.query_images is not None
            values += [*item.support_images.flatten().tolist(), *item.query_images.flatten().tolist()]
    assert len(set(values)) == 2 * len(KEYS) * 3


def test_boxes_are_for_supports_only(tiny_index: ClassIndex) -> None:
    transform = WithoutDraws(KeepAspect(65))
    plain, boxed = episodes(tiny_index, transform), episodes(tiny_index, transform, "bbox")
    for key in KEYS[:3]:
        spec = plain.plan.episode(*key)
        mask = class_mask(plain.store.read(spec.support[0][0])[1], spec.classes[0])
        assert (boxed[key].support_labels[0, 0].numpy() == KeepAspect(65).label(boxed_mask(mask))).all()
        assert torch.equal(boxed[key].query_labels, plain[key].query_labels)
    with pytest.raises(InputError, match="expected 'mask' or 'bbox'"):
        episodes(tiny_index, transform, "boxes")


def test_prepared_episodes_are_normalised_and_int64(tiny_index: ClassIndex) -> None:
    batch = collate_episodes([episodes(tiny_index, FastTransform(SIZE))[key] for key in KEYS[:2]])
    ready = prepare_episode(batch, "cpu")
    assert batch.support_images is not None
    assert ready.support_images is not None
    assert ready.query_images is not None
    assert batch.support_images.dtype == torch.uint8
    assert torch.equal(ready.support_images, normalize(batch.support_images))
    assert ready.query_images.dtype == torch.float32
    assert ready.support_labels.dtype == ready.query_labels.dtype == torch.int64
    again = prepare_episode(ready, "cpu")
    assert again.support_images is not None
    assert torch.equal(again.support_images, ready.support_images)  # normalised once


def pixels(index: ClassIndex, transform: TrainTransform) -> PixelDataset:
    lists = fold_lists(index, (2, 5, 7), min_pixels=300)
    table = base_label_table((2, 5, 7))
    return PixelDataset(PictureStore(index, memory_bytes=10**7), lists, table, transform, seed=4)


def test_pixel_labels_are_positions_of_base_classes(tiny_index: ClassIndex) -> None:
    dataset = pixels(tiny_index, WithoutDraws(KeepAspect(65)))
    seen = set()
    for number in range(len(dataset)):
        _, label = dataset[0, number]
        seen |= set(label.unique().tolist())
    assert seen == {0, 1, 2, 3, 255}
    order = dataset.items[dataset._permutation(0)]
    label = KeepAspect(65).label(dataset.store.read(int(order[1]))[1])
    wanted = np.select([label == 2, label == 5, label == 7, label == 0, label == 255], [1, 2, 3, 0, 255])
    assert (dataset[0, 1][1].numpy() == wanted).all()


def test_every_picture_comes_once_per_epoch_in_a_new_order(tiny_index: ClassIndex) -> None:
    dataset = pixels(tiny_index, WithoutDraws(KeepAspect(65)))
    orders = [dataset._permutation(epoch).tolist() for epoch in (0, 1, 0)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(len(dataset)))
    assert orders[0] == orders[2] != orders[1]


def test_pixel_batches_do_not_depend_on_the_loader(tiny_index: ClassIndex) -> None:
    dataset = pixels(tiny_index, CropsNearObjects((49, 49)))
    keys = [(2, number) for number in range(6)]
    whole = collate_pixels([dataset[key] for key in keys])
    loader = DataLoader(dataset, batch_size=3, sampler=keys, collate_fn=collate_pixels, num_workers=2)
    batches = list(loader)
    for name in ("images", "labels"):
        assert torch.equal(torch.cat([getattr(batch, name) for batch in batches]), getattr(whole, name))
    ready = prepare_pixels(whole, "cpu")
    assert torch.equal(ready.images, normalize(whole.images))
    assert ready.labels.dtype == torch.int64


def test_empty_lists_are_refused(tiny_index: ClassIndex) -> None:
    lists = fold_lists(tiny_index, (2,), min_pixels=10**9, title="the training list of fold 0")
    with pytest.raises(InputError, match="the training list of fold 0 is empty"):
        PixelDataset(PictureStore(tiny_index), lists, base_label_table((2,)), WithoutDraws(KeepAspect(65)), seed=0)


@pytest.mark.parametrize("kind", [PublishedTransform, FastTransform])
def test_base_labels_of_the_queries_leave_everything_else_as_it_is(tiny_index: ClassIndex, kind: type) -> None:
    plain, base = episodes(tiny_index, kind(SIZE)), (2, 3, 5, 6, 7, 8)
    lists = fold_lists(tiny_index, base, min_pixels=500)
    plan = TrainingPlan(lists, n_shot=2, seed=1, skip_small=True)
    plain.plan = plan
    labelled = EpisodeDataset(plain.store, plan, plain.transform, seed=5, base_classes=base)
    seen = set()
    for key in KEYS:
        without, item = plain[key], labelled[key]
        assert without.query_base_labels is None
        for one, other in zip(tensors([without]), tensors([item]), strict=True):
            assert torch.equal(one, other)
        assert item.query_base_labels is not None
        own = base.index(int(item.classes[0, 0])) + 1
        assert torch.equal(item.query_base_labels == own, item.query_labels == 1)
        assert torch.equal(item.query_base_labels == 255, item.query_labels == 255)
        seen |= set(item.query_base_labels.unique().tolist())
    assert len(seen - {0, 255}) > 1
    batch = prepare_episode(collate_episodes([labelled[key] for key in KEYS[:3]]), "cpu")
    assert batch.query_base_labels is not None
    assert batch.query_base_labels.shape == batch.query_labels.shape
    assert batch.query_base_labels.dtype == torch.int64


def test_base_labels_are_those_of_a_table_where_nothing_is_drawn(tiny_index: ClassIndex) -> None:
    fixed, base = KeepAspect(65), (2, 3, 5, 6, 7, 8)
    plan = TrainingPlan(fold_lists(tiny_index, base, min_pixels=500), n_shot=1, seed=1, skip_small=True)
    dataset = EpisodeDataset(PictureStore(tiny_index), plan, WithoutDraws(fixed), seed=5, base_classes=base)
    for key in KEYS:
        label = dataset.store.read(plan.episode(*key).query[0][0])[1]
        found = dataset[key].query_base_labels
        assert found is not None
        assert (found[0, 0].numpy() == fixed.label(base_label_table(base)[label])).all()
