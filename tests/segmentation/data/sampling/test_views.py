"""Training on encoded views gives what encoding the same pictures anew would give."""

import numpy as np
import pytest
import torch

from sccan.backbones.small import SmallResNet
from sccan.engine.evaluate import encode_all
from sccan.episodes.plan import TrainingPlan
from sccan.segmentation.data.labels.masks import class_mask
from sccan.segmentation.data.sampling.pictures import PictureStore
from sccan.segmentation.data.sampling.views import EncodedViews, ViewEpisodes, ViewLoader
from sccan.segmentation.data.sets.folds import fold_lists
from sccan.segmentation.data.transforms.object_crops import CropsNearObjects
from sccan.segmentation.data.transforms.published import KeepAspect, WithoutDraws
from sccan.segmentation.methods.sccan import SCCAN

SIZE = 49
N_VIEWS = 3


@pytest.fixture(scope="module")
def method() -> SCCAN:
    torch.manual_seed(0)
    backbone = SmallResNet(stem=(4, 4, 8), widths=(8, 8, 8, 8), blocks=(1, 1, 1, 1))
    return SCCAN(backbone, channels=8, grid=(4, 4), window=2, heads=2, depth=2).eval()


@pytest.fixture
def loader(tiny_index) -> ViewLoader:
    crops = CropsNearObjects((SIZE, SIZE))
    return ViewLoader(PictureStore(tiny_index), [WithoutDraws(KeepAspect(SIZE)), crops, crops], seed=5)


@pytest.fixture
def plan(tiny_index) -> TrainingPlan:
    lists = fold_lists(tiny_index, (1, 2, 3, 4), min_pixels=200, title="fold 0")
    return TrainingPlan(lists, n_shot=2, seed=1, skip_small=True)


def encoded(method: SCCAN, loader: ViewLoader, plan: TrainingPlan) -> EncodedViews:
    labels: dict[int, torch.Tensor] = {}
    numbers = loader.numbers(plan.lists.items.tolist())
    keep = {"visit": lambda view: labels.update({view.number: view.label})}
    found = encode_all(method, loader.load, numbers, device=torch.device("cpu"), **keep)
    return EncodedViews.stack(found, labels)


def test_a_view_is_the_same_whenever_it_is_asked_for_and_views_differ(loader: ViewLoader) -> None:
    first, again = loader.load(7), loader.load(7)
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.label, again.label)
    numbers = loader.numbers([4])
    assert numbers == [12, 13, 14]
    images = [loader.load(number).image for number in numbers]
    assert not torch.equal(images[1], images[2])


def test_batches_hold_the_features_and_masks_of_the_plans_pictures(
    method: SCCAN, loader: ViewLoader, plan: TrainingPlan
) -> None:
    views = encoded(method, loader, plan)
    source = ViewEpisodes(views, plan, n_views=N_VIEWS, batch_size=2, seed=9)
    batch = next(source(3, 1))
    spec = plan.episode(3, 2)
    assert batch.numbers.tolist() == [2, 3]
    assert batch.support_labels.shape == (2, 2, SIZE, SIZE)
    assert batch.query_features is not None
    matches = []
    for number in loader.numbers(spec.query[0]):
        view = loader.load(number)
        maps = method.encode(view.image[None]).maps["layer3"]  # views are encoded with folded norms: other rounding
        same = torch.allclose(maps, batch.query_features.maps["layer3"][0], atol=2e-5 * float(maps.abs().max()))
        mask = class_mask(view.label.numpy(), spec.classes[0])
        matches.append(same and np.array_equal(mask, batch.query_labels[0, 0].numpy()))
    assert sum(matches) == 1


def test_batches_depend_on_epoch_and_step_alone_and_are_dealt_to_ranks(
    method: SCCAN, loader: ViewLoader, plan: TrainingPlan
) -> None:
    views = encoded(method, loader, plan)
    options = {"n_views": N_VIEWS, "batch_size": 2, "seed": 9}
    whole = ViewEpisodes(views, plan, **options)
    ranks = [ViewEpisodes(views, plan, **options, rank=rank, world_size=2) for rank in range(2)]
    assert ranks[0].steps_per_epoch == len(plan) // 4
    batches = list(whole(1, 0))
    second = next(ranks[1](1, 0))
    assert second.numbers.tolist() == batches[1].numbers.tolist()
    assert torch.equal(second.query_labels, batches[1].query_labels)
    later = next(whole(1, 2))
    assert torch.equal(later.support_labels, batches[2].support_labels)


def test_a_gradient_reaches_the_head_through_stored_features(
    method: SCCAN, loader: ViewLoader, plan: TrainingPlan
) -> None:
    batch = next(ViewEpisodes(encoded(method, loader, plan), plan, n_views=N_VIEWS, batch_size=2, seed=9)(0, 0))
    method.loss(method(batch), batch)["total"].backward()
    assert all(p.grad is not None for group in method.parameter_groups().values() for p in group)
    method.zero_grad()


def test_batches_carry_base_labels_where_classes_are_given(
    method: SCCAN, loader: ViewLoader, plan: TrainingPlan
) -> None:
    views = encoded(method, loader, plan)
    base = (1, 2, 3, 4)
    source = ViewEpisodes(views, plan, n_views=N_VIEWS, batch_size=2, seed=9, base_classes=base)
    batch = next(source(0, 0))
    assert batch.query_base_labels is not None
    for labels, mask, number in zip(batch.query_base_labels, batch.query_labels, batch.classes[:, 0], strict=True):
        assert torch.equal(labels == base.index(int(number)) + 1, mask == 1)


def test_some_views_are_flipped_with_their_labels(method: SCCAN, loader: ViewLoader, plan: TrainingPlan) -> None:
    views = encoded(method, loader, plan)
    options = {"n_views": N_VIEWS, "batch_size": 4, "seed": 9, "base_classes": (1, 2, 3, 4)}
    plain, mirrored, mixed = (next(ViewEpisodes(views, plan, **options, flip=flip)(0, 0)) for flip in (0.0, 1.0, 0.5))
    turned = 0
    for side in ("query", "support"):
        known = [getattr(batch, f"{side}_features").maps["layer3"].flatten(0, 1) for batch in (plain, mirrored, mixed)]
        masks = [getattr(batch, f"{side}_labels").flatten(0, 1) for batch in (plain, mirrored, mixed)]
        assert torch.equal(known[1], known[0].flip(-1))
        assert torch.equal(masks[1], masks[0].flip(-1))
        for own, other, mask, other_mask in zip(known[2], known[0], masks[2], masks[0], strict=True):
            flipped = torch.equal(own, other.flip(-1))
            assert flipped or torch.equal(own, other)
            assert torch.equal(mask, other_mask.flip(-1) if flipped else other_mask)
            turned += flipped
    assert 0 < turned < 12
    assert plain.query_base_labels is not None
    assert mirrored.query_base_labels is not None
    assert torch.equal(mirrored.query_base_labels, plain.query_base_labels.flip(-1))
