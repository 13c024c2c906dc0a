"""Episodes assembled from pictures: labels, augmentation, and the same numbers by every way."""

import dataclasses
from pathlib import Path

import pytest
import torch
from PIL import Image

from sccan.classification.data.episodes import (
    ClassificationSource,
    TrainingEpisodes,
    augmented,
    resident_pixels,
    way_labels,
)
from sccan.classification.data.formats.trees import read_class_folder
from sccan.classification.data.transforms.augmentation import Augmentation
from sccan.classification.data.transforms.fixed import FixedTransform
from sccan.classification.evaluation.accuracy import score_accuracy
from sccan.episodes.ways import EpisodeShape, WayPlan
from sccan.errors import InputError
from tests.classification.made_up import made_up_pictures, noise_picture, small_can

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


@pytest.mark.parametrize("crop", ["padded", "resized"])
def test_pixels_from_the_loader_and_pixels_on_the_device_give_the_same_episode(crop: str) -> None:
    augmentation, plan = Augmentation(crop=crop, pad=2, jitter=0.4), _plan()
    read = TrainingEpisodes(PICTURES, plan, FIXED, augmentation, seed=4)
    kept = TrainingEpisodes(PICTURES, plan, FIXED, augmentation, seed=4, with_pixels=False)
    assert len(read) == 6
    keys = [(1, 4), (0, 2)]
    one = augmented(read.__getitems__(keys), FIXED, read.remaining)
    bare = kept.__getitems__(keys)
    assert bare.pixels is None
    resident = resident_pixels(PICTURES, FIXED, augmentation, "cpu")
    assert resident.shape == (24, 3, *((20, 24) if crop == "resized" else (20, 40)))
    other = augmented(bare, FIXED, kept.remaining, resident=resident)
    for field in dataclasses.fields(one):
        first, second = getattr(one, field.name), getattr(other, field.name)
        assert (first is None and second is None) or torch.equal(first, second)
    assert one.support_images.shape == (2, 6, 3, 20, 40)
    assert one.query_images.shape == (2, 4, 3, 20, 40)
    assert one.classes.min() >= 1
    with pytest.raises(ValueError, match="no pixels"):
        augmented(bare, FIXED, augmentation)


def test_pictures_of_different_sizes_are_cropped_where_they_are_read(tmp_path: Path) -> None:
    for name, count in (("ant", 5), ("bee", 6)):
        for number in range(count):
            path = tmp_path / name / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(noise_picture(50 + number, 60 - number)).save(path)
    pictures, augmentation = read_class_folder(tmp_path), Augmentation(crop="resized", flip=0, erase=0)
    plan = WayPlan(pictures.class_pictures(), EpisodeShape(2, 3, 2), n_episodes=4, seed=1)
    items = TrainingEpisodes(pictures, plan, FIXED, augmentation, seed=4)
    assert items.remaining.crop == "centre"
    batch = items.__getitems__([(0, 1), (2, 3)])
    assert batch.pixels is not None
    assert batch.pixels.shape == (2, 10, 3, 20, 40)
    images = augmented(batch, FIXED, items.remaining).support_images
    for image, pixels in zip(images.flatten(0, 1), batch.pixels[:, :6].flatten(0, 1), strict=True):
        torch.testing.assert_close(image, FIXED(pixels.permute(1, 2, 0).numpy()))
    with pytest.raises(InputError, match="different sizes, but .* DATA.ON_DEVICE"):
        TrainingEpisodes(pictures, plan, FIXED, augmentation, seed=4, with_pixels=False)
    shorter = FixedTransform((20, 40), resize=(44,))
    with pytest.raises(InputError, match="different sizes, but PICTURE.CROP padded"):
        TrainingEpisodes(pictures, plan, shorter, Augmentation(), seed=4)
    with pytest.raises(InputError, match="different sizes"):
        resident_pixels(pictures, FIXED, augmentation, "cpu")


def test_without_chance_an_image_is_the_fixed_transform_of_its_picture() -> None:
    still = Augmentation(pad=0, flip=0, erase=0)
    batch = TrainingEpisodes(PICTURES, _plan(), FIXED, still, seed=4).__getitems__([(0, 3)])
    episode = augmented(batch, FIXED, still)
    images = torch.cat([episode.support_images[0], episode.query_images[0]])
    for image, number in zip(images, batch.pictures[0].tolist(), strict=True):
        torch.testing.assert_close(image, FIXED(PICTURES.read(number)))


def test_an_episode_depends_on_seed_epoch_and_number_alone() -> None:
    def drawn(seed: int, *keys: tuple[int, int]) -> torch.Tensor:
        items = TrainingEpisodes(PICTURES, _plan(), FIXED, Augmentation(), seed=seed, with_pixels=False)
        return items.__getitems__(keys).drawn[-1]

    assert torch.equal(drawn(4, (1, 2)), drawn(4, (0, 0), (0, 1), (1, 2)))
    assert not torch.equal(drawn(4, (1, 2)), drawn(5, (1, 2)))
    assert not torch.equal(drawn(4, (1, 2)), drawn(4, (2, 2)))
    assert not torch.equal(drawn(4, (1, 2)), drawn(4, (1, 3)))


def test_a_padded_crop_starts_from_the_resized_picture_and_a_centre_is_that_of_testing() -> None:
    larger, quiet = FixedTransform((20, 40), resize=(24, 43)), {"flip": 0.0, "erase": 0.0}
    keys = [(0, number) for number in range(6)]
    random_part = Augmentation(pad=0, **quiet)
    batch = TrainingEpisodes(PICTURES, _plan(), larger, random_part, seed=4).__getitems__(keys)
    assert batch.pixels is not None
    assert batch.pixels.shape == (6, 10, 3, 24, 43)
    corners = batch.drawn[..., :2].flatten(0, 1)
    assert corners.amin(0).tolist() == [0, 0]
    assert corners.amax(0).tolist() == [4, 3]
    still = Augmentation(crop="centre", **quiet)
    for resize in ((24, 43), (48,)):
        fixed = FixedTransform((20, 40), resize=resize)
        batch = TrainingEpisodes(PICTURES, _plan(), fixed, still, seed=4).__getitems__(keys[:1])
        images = augmented(batch, fixed, still).support_images[0]
        for image, number in zip(images, batch.pictures[0].tolist(), strict=False):
            torch.testing.assert_close(image, fixed(PICTURES.read(number)))
