"""Pictures are decoded once, and episodes assembled from them hold what the specs say."""

import dataclasses
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sccan.episodes.episode import EpisodeSpec, Features
from sccan.episodes.index import ClassIndex
from sccan.errors import InputError
from sccan.pictures.decoding import read_image, read_label
from sccan.segmentation.data.labels.masks import boxed_mask
from sccan.segmentation.data.sampling.pictures import PictureStore, SegmentationSource
from sccan.segmentation.data.transforms.published import KeepAspect

SPECS = (
    EpisodeSpec(4, (2,), ((5, 3),), ((7,),)),
    EpisodeSpec(5, (6,), ((0, 7),), ((5,),)),
    EpisodeSpec(6, (1,), ((9, 1),), ((2,),)),
)


def make(index: ClassIndex, annotation: str = "mask") -> SegmentationSource:
    return SegmentationSource(PictureStore(index), SPECS, KeepAspect(65), annotation=annotation)


def test_a_picture_is_the_transformed_file(tiny_index: ClassIndex) -> None:
    picture = make(tiny_index).load(7)
    image = read_image(tiny_index.image_path(7))
    label = read_label(tiny_index.label_path(7))
    transform = KeepAspect(65)
    assert picture.number == 7
    assert picture.name == "t0007"
    assert torch.equal(picture.image, transform.image(image))
    assert (picture.label == transform.label(label)).all()
    assert (picture.original_label == label).all()
    assert picture.content_size == transform.content_size(*label.shape)


def test_assembled_masks_follow_the_specs(tiny_index: ClassIndex) -> None:
    source = make(tiny_index)
    pictures = {number: source.load(number) for spec in SPECS for number in spec.pictures}
    episode = source.assemble(SPECS, pictures)
    assert episode.support_labels.shape == (3, 2, 65, 65)
    assert episode.query_labels.shape == (3, 1, 65, 65)
    assert episode.support_labels.dtype == episode.query_labels.dtype == torch.int64
    assert episode.classes.tolist() == [[2], [6], [1]]
    assert episode.numbers.tolist() == [4, 5, 6]
    assert episode.n_shot == 2
    assert episode.support_images is not None
    assert episode.query_images is not None
    for row, spec in enumerate(SPECS):
        for shot, number in enumerate(spec.support[0]):
            label = torch.from_numpy(pictures[number].label).long()
            wanted = torch.where(label == 255, 255, (label == spec.classes[0]).long())
            assert torch.equal(episode.support_labels[row, shot], wanted)
            assert torch.equal(episode.support_images[row, shot], pictures[number].image)
        assert torch.equal(episode.query_images[row, 0], pictures[spec.query[0][0]].image)
        label = torch.from_numpy(pictures[spec.query[0][0]].label).long()
        assert torch.equal(episode.query_labels[row, 0] == 1, label == spec.classes[0])
        assert torch.equal(episode.query_labels[row, 0] == 255, label == 255)


def test_features_take_the_place_of_images(tiny_index: ClassIndex) -> None:
    source = make(tiny_index)
    pictures = {number: source.load(number) for spec in SPECS for number in spec.pictures}
    features = {
        number: Features({"a": torch.full((1, 2, 3, 4), float(number)), "b": torch.zeros(1, 5, 1, 2)}, (65, 65))
        for number in pictures
    }
    episode = source.assemble(SPECS, pictures, features)
    assert episode.support_images is None
    assert episode.query_images is None
    assert episode.support_features is not None
    assert episode.query_features is not None
    assert episode.support_features.maps["a"].shape == (3, 2, 2, 3, 4)
    assert episode.support_features.maps["b"].shape == (3, 2, 5, 1, 2)
    assert episode.support_features.image_size == (65, 65)
    assert episode.support_features.maps["a"][..., 0, 0, 0].tolist() == [[5, 3], [0, 7], [9, 1]]
    assert episode.query_features.maps["a"][..., 0, 0, 0].tolist() == [[7], [5], [2]]


def test_boxes_replace_support_masks_at_their_own_size(tiny_index: ClassIndex) -> None:
    source = make(tiny_index, "bbox")
    label = read_label(tiny_index.label_path(5))
    number = int(tiny_index.counts[5, 1:].argmax()) + 1
    spec = EpisodeSpec(0, (number,), ((5,),), ((7,),))
    pictures = {number: source.load(number) for number in (5, 7)}
    episode = source.assemble([spec], pictures)
    mask = np.where(label == 255, 255, label == number).astype(np.uint8)
    assert (episode.support_labels[0, 0].numpy() == KeepAspect(65).label(boxed_mask(mask))).all()
    assert torch.equal(episode.query_labels, make(tiny_index).assemble([spec], pictures).query_labels)


def test_unknown_annotation_is_refused(tiny_index: ClassIndex) -> None:
    with pytest.raises(InputError, match="EPISODE.ANNOTATION is 'box'; expected 'mask' or 'bbox'"):
        make(tiny_index, "box")


def test_source_travels_to_another_process(tiny_index: ClassIndex) -> None:
    source = pickle.loads(pickle.dumps(make(tiny_index)))
    assert torch.equal(source.load(3).image, make(tiny_index).load(3).image)


def test_store_keeps_pictures_within_its_budget(tiny_root: Path, tiny_index: ClassIndex, tmp_path: Path) -> None:
    root = Path(shutil.copytree(tiny_root, tmp_path / "data"))
    index = dataclasses.replace(tiny_index, root=root)
    one = int(index.sizes[0].prod()) * 4
    store = PictureStore(index, memory_bytes=one + 10)
    image, *_ = [store.read(number)[0] for number in range(5)]
    shutil.rmtree(root)
    assert store.read(0)[0] is image
    with pytest.raises(InputError, match=r"t0001.png does not exist"):
        store.read(1)


def test_image_of_another_size_than_its_label_is_refused(
    tiny_root: Path, tiny_index: ClassIndex, tmp_path: Path
) -> None:
    index = dataclasses.replace(tiny_index, root=Path(shutil.copytree(tiny_root, tmp_path / "data")))
    Image.fromarray(np.zeros((31, 44, 3), np.uint8)).save(index.image_path(2))
    height, width = index.sizes[2]
    with pytest.raises(InputError) as caught:
        PictureStore(index).read(2)
    assert str(caught.value) == (
        f"image {index.image_path(2)} and its label {index.label_path(2)} are of different size: "
        f"31x44 and {height}x{width} (height x width); they must be equal"
    )
