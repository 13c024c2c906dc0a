"""Episodes assembled from pictures: labels, augmentation, and the same numbers by every way."""

import dataclasses

import pytest
import torch

from sccan.classification.data.episodes import (
    ClassificationSource,
    TrainingEpisodes,
    augmented,
    collate_drawn,
    resident_pixels,
    score_accuracy,
    way_labels,
)
from sccan.classification.data.transforms import Augmentation, FixedTransform
from sccan.episodes.ways import EpisodeShape, WayPlan
from tests.classification.made_up import made_up_pictures, small_can

PICTURES = made_up_pictures()
FIXED = FixedTransform((20, 40))


def _plan(n_episodes: int = 6) -> WayPlan:
    return WayPlan(PICTURES.class_pictures(), EpisodeShape(2, 3, 2), n_episodes=n_episodes, seed=1)


def test_labels_go_way_after_way() -> None:
    assert way_labels([((5, 6), (7, 8)), ((1, 2), (3, 4))]).tolist() == [[0, 0, 1, 1], [0, 0, 1, 1]]
    assert way_labels([((5,), (7, 8, 9))]).tolist() == [[0, 1, 1, 1]]


def test_images_and_features_give_the_same_scores_and_the_label_of_a_picture_is_its_class() -> None:
    source = ClassificationSource(PICTURES, _plan().episodes(), FIXED)
    specs = source.specs[:2]
    pictures = {number: source.load(number) for spec in specs for number in spec.pictures}
    episode = source.assemble(specs, pictures)
    flat = [[n for way in spec.support for n in way] for spec in specs]
    for row, numbers in enumerate(flat):
        for column, number in enumerate(numbers):
            assert torch.equal(episode.support_images[row, column], pictures[number].image)
            way = int(episode.support_labels[row, column])
            assert PICTURES.labels[number] + 1 == int(episode.classes[row, way])
    model = small_can().eval()
    with torch.no_grad():
        features = {number: model.encode(picture.image[None]) for number, picture in pictures.items()}
        cached = source.assemble(specs, pictures, features)
        assert cached.support_images is None
        outputs = model(episode)
        torch.testing.assert_close(model(cached), outputs, atol=1e-5, rtol=1e-5)
    rows = score_accuracy(outputs, specs, pictures)
    assert rows[:, 0].tolist() == [0, 1]
    assert rows[:, 2].tolist() == [4, 4]
    assert rows[:, 1].tolist() == [
        int((o.argmax(-1) == q).sum()) for o, q in zip(outputs, episode.query_labels, strict=True)
    ]


def test_pixels_from_the_loader_and_pixels_on_the_device_give_the_same_episode() -> None:
    augmentation, plan = Augmentation(pad=2), _plan()
    read = TrainingEpisodes(PICTURES, plan, FIXED, augmentation, seed=4)
    kept = TrainingEpisodes(PICTURES, plan, FIXED, augmentation, seed=4, with_pixels=False)
    assert len(read) == 6
    keys = [(1, 4), (0, 2)]
    one = augmented(collate_drawn([read[key] for key in keys]), FIXED, augmentation)
    bare = collate_drawn([kept[key] for key in keys])
    assert bare.pixels is None
    other = augmented(bare, FIXED, augmentation, resident=resident_pixels(PICTURES, FIXED, "cpu"))
    for field in dataclasses.fields(one):
        first, second = getattr(one, field.name), getattr(other, field.name)
        assert (first is None and second is None) or torch.equal(first, second)
    assert one.support_images.shape == (2, 6, 3, 20, 40)
    assert one.query_images.shape == (2, 4, 3, 20, 40)
    assert one.classes.min() >= 1
    with pytest.raises(ValueError, match="no pixels"):
        augmented(bare, FIXED, augmentation)


def test_without_chance_an_image_is_the_fixed_transform_of_its_picture() -> None:
    still = Augmentation(pad=0, flip=0, erase=0)
    batch = collate_drawn([TrainingEpisodes(PICTURES, _plan(), FIXED, still, seed=4)[0, 3]])
    episode = augmented(batch, FIXED, still)
    images = torch.cat([episode.support_images[0], episode.query_images[0]])
    for image, number in zip(images, batch.pictures[0].tolist(), strict=True):
        torch.testing.assert_close(image, FIXED(PICTURES.read(number)))


def test_an_item_depends_on_seed_epoch_and_number_alone() -> None:
    def drawn(seed: int, *key: int) -> torch.Tensor:
        items = TrainingEpisodes(PICTURES, _plan(), FIXED, Augmentation(), seed=seed, with_pixels=False)
        return items[key].drawn  # type: ignore[index]

    assert torch.equal(drawn(4, 1, 2), drawn(4, 1, 2))
    assert not torch.equal(drawn(4, 1, 2), drawn(5, 1, 2))
    assert not torch.equal(drawn(4, 1, 2), drawn(4, 2, 2))
    assert not torch.equal(drawn(4, 1, 2), drawn(4, 1, 3))
