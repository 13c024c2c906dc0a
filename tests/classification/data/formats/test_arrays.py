"""Pickles, npz files, archives and grids of the releases in use, made up in a temporary folder."""

import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sccan.classification.data.formats.arrays import read_cifar_archive, read_grids, read_pickles
from sccan.classification.data.splits.class_lists import cifar100_names, class_list
from sccan.classification.data.splits.pictures import SPLITS
from sccan.errors import InputError

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 6, 8, 3), dtype=np.uint8)


def _dump(path: Path, content: Any) -> None:
    path.write_bytes(pickle.dumps(content, 2))


def _png(image: np.ndarray) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "png")
    return np.frombuffer(stream.getvalue(), np.uint8)


@pytest.mark.parametrize("as_bytes", [False, True])
def test_pickles_of_gidaris_are_read_and_labels_made_dense(tmp_path: Path, as_bytes: bool) -> None:
    content = {"data": IMAGES, "labels": [70, 64, 70, 99]}
    keyed = {key.encode() if as_bytes else key: value for key, value in content.items()}
    _dump(tmp_path / "miniImageNet_category_split_val.pickle", keyed)
    _dump(tmp_path / "miniImageNet_category_split_train_phase_val.pickle", {"no": "split"})
    splits = read_pickles(tmp_path)
    assert list(splits) == ["val"]
    assert splits["val"].labels.tolist() == [1, 0, 1, 2]
    assert splits["val"].class_names == ("class_064", "class_070", "class_099")
    assert not splits["val"].named
    assert np.array_equal(splits["val"].read(3), IMAGES[3])


def test_sparse_labels_of_cifar_get_the_names_of_the_list_they_follow(tmp_path: Path) -> None:
    numbers = sorted(int(one.aliases[0]) for one in class_list("cifar-fs")["test"])
    images = np.zeros((20, 4, 4, 3), np.uint8)
    _dump(tmp_path / "CIFAR_FS_test.pickle", {"data": images, "labels": numbers[::-1]})
    pictures = read_pickles(tmp_path, list_name="cifar-fs")["test"]
    assert pictures.named
    assert pictures.class_names == tuple(cifar100_names()[number] for number in numbers)
    assert not read_pickles(tmp_path, list_name="fc100")["test"].named


def test_the_cache_of_ren_lists_rows_by_wordnet_id(tmp_path: Path) -> None:
    content = {"image_data": IMAGES, "class_dict": {"n02": [0, 3], "n01": [1, 2]}}
    _dump(tmp_path / "mini-imagenet-cache-validation.pkl", content)
    pictures = read_pickles(tmp_path)["val"]
    assert pictures.class_names == ("n01", "n02")
    assert pictures.labels.tolist() == [1, 0, 0, 1]
    _dump(tmp_path / "mini-imagenet-cache-validation.pkl", {**content, "class_dict": {"n02": [0]}})
    with pytest.raises(InputError, match="3 pictures belong to no class"):
        read_pickles(tmp_path)


def test_lists_of_png_and_their_two_kinds_of_labels_are_read(tmp_path: Path) -> None:
    _dump(tmp_path / "test_images_png.pkl", [_png(image) for image in IMAGES])
    words = ["ant, insect", "bee, insect", "cow"]
    ren = {
        "label_specific": np.array([2, 0, 2, 0], np.int32),
        "label_specific_str": words,
        "label_general": np.zeros(4),
    }
    _dump(tmp_path / "test_labels.pkl", ren)
    pictures = read_pickles(tmp_path)["test"]
    assert pictures.class_names == ("ant, insect", "cow")
    assert pictures.labels.tolist() == [1, 0, 1, 0]
    assert np.array_equal(pictures.read(2), IMAGES[2])
    _dump(tmp_path / "test_labels.pkl", {"labels": [1, 1, 0, 0]})
    assert read_pickles(tmp_path)["test"].class_names == ("class_000", "class_001")
    _dump(tmp_path / "test_labels.pkl", {"other": [1]})
    with pytest.raises(InputError, match="holds other; expected label_specific or labels"):
        read_pickles(tmp_path)
    _dump(tmp_path / "test_labels.pkl", {"labels": [1, 0]})
    with pytest.raises(InputError, match="4 pictures but 2 labels"):
        read_pickles(tmp_path)


def test_npz_files_may_hold_blue_green_red(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "train_images.npz", images=IMAGES[..., ::-1])
    _dump(tmp_path / "train_labels.pkl", {"labels": [0, 0, 1, 1]})
    assert np.array_equal(read_pickles(tmp_path, stored_channels="bgr")["train"].read(1), IMAGES[1])
    assert np.array_equal(read_pickles(tmp_path)["train"].read(1), IMAGES[1][..., ::-1])
    np.savez(tmp_path / "train_images.npz", other=IMAGES)
    with pytest.raises(InputError, match="holds other arrays; expected the array images"):
        read_pickles(tmp_path)
    (tmp_path / "train_images.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(InputError, match="cannot be read as npz"):
        read_pickles(tmp_path)


def test_two_releases_in_one_folder_and_unknown_content_are_refused(tmp_path: Path) -> None:
    _dump(tmp_path / "train.pickle", {"pictures": 1})
    with pytest.raises(InputError, match="holds pictures; expected data and labels"):
        read_pickles(tmp_path)
    _dump(tmp_path / "FC100_train.pickle", {})
    with pytest.raises(InputError, match="two forms of the train split"):
        read_pickles(tmp_path)


def test_the_official_cifar_archive_is_dealt_to_a_list(tmp_path: Path) -> None:
    fine = np.arange(100)
    for name, value in (("train", 1), ("test", 2)):
        data = np.full((100, 3072), value, np.uint8)
        data[:, :1024] = fine[:, None]  # the red plane tells the class
        _dump(tmp_path / name, {b"data": data, b"fine_labels": fine.tolist(), b"filenames": [b"x"]})
    for name in ("cifar-fs", "fc100"):
        splits = read_cifar_archive(tmp_path, name)
        for split in SPLITS:
            pictures = splits[split]
            assert set(pictures.class_names) == {one.name for one in class_list(name)[split]}
            for number in range(len(pictures)):
                picture = pictures.read(number)
                assert picture.shape == (32, 32, 3)
                assert cifar100_names()[picture[5, 7, 0]] == pictures.class_names[pictures.labels[number]]
            assert sorted({int(pictures.read(n)[0, 0, 1]) for n in range(len(pictures))}) == [1, 2]
    _dump(tmp_path / "test", {"data": 1})
    with pytest.raises(InputError, match="expected data and fine_labels of CIFAR-100"):
        read_cifar_archive(tmp_path, "fc100")


def test_grids_are_cut_row_by_row(tmp_path: Path) -> None:
    cells = np.random.default_rng(1).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    grid = cells.reshape(2, 20, 32, 32, 3).transpose(0, 2, 1, 3, 4).reshape(64, 640, 3)
    for name in ("cat", "ant"):
        (tmp_path / "val").mkdir(exist_ok=True)
        Image.fromarray(grid).save(tmp_path / "val" / f"{name}.webp", lossless=True)
    pictures = read_grids(tmp_path)["val"]
    assert pictures.class_names == ("ant", "cat")
    assert pictures.counts == (40, 40)
    assert all(np.array_equal(pictures.read(number), cells[number]) for number in range(40))
    Image.fromarray(grid[:, :600]).save(tmp_path / "val" / "cow.webp", lossless=True)
    with pytest.raises(InputError, match=r"cow\.webp is 64x600; expected 20 columns"):
        read_grids(tmp_path)
    (tmp_path / "val" / "cow.webp").unlink()
    os.mkfifo(tmp_path / "val" / "cow.webp")
    with pytest.raises(InputError, match=r"grid .*cow\.webp is a pipe; expected a file"):
        read_grids(tmp_path)


def test_tasnets_files_hold_pictures_and_labels_together(tmp_path: Path) -> None:
    np.savez(tmp_path / "few-shot-val.npz", features=IMAGES, targets=np.array([1, 0, 1, 1]))
    pictures = read_pickles(tmp_path, stored_channels="bgr")["val"]
    assert pictures.labels.tolist() == [1, 0, 1, 1]
    assert np.array_equal(pictures.read(2), IMAGES[2, ..., ::-1])
