"""Files of torchmeta and LibFewShot, made up in a temporary folder."""

import json
import pickle
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from sccan.classification.data.datasets import Source, find_form
from sccan.classification.data.formats.toolkits import read_libfewshot, read_torchmeta
from sccan.classification.data.splits.pictures import ArrayPictures, EncodedPictures
from sccan.errors import InputError
from tests.classification.made_up import noise_picture

IMAGES = np.stack([noise_picture(6, 8, seed) for seed in range(5)])


def _torchmeta(root: Path, names: tuple[str, ...] = ("n02", "n01")) -> None:
    with h5py.File(root / "val_data.hdf5", "w") as file:
        group = file.create_group("datasets")
        group.create_dataset(names[0], data=IMAGES[:3])
        group.create_dataset(names[1], data=IMAGES[3:])
    (root / "val_labels.json").write_text(json.dumps(["n01", "n02"]))


def _memory_file(root: Path, pictures: list[Image.Image]) -> Path:
    path = root / "test.pth"
    path.write_bytes(pickle.dumps((pictures, [4, 2, 4], {"bee": 2, "cow": 3, "ant": 4})))
    return path


def test_torchmetas_arrays_are_labelled_by_the_order_of_their_names(tmp_path: Path) -> None:
    _torchmeta(tmp_path)
    assert find_form(Source(tmp_path)).name == "torchmeta's hdf5 files"
    splits = read_torchmeta(tmp_path)
    assert list(splits) == ["val"]
    assert splits["val"].class_names == ("n01", "n02")
    assert splits["val"].labels.tolist() == [0, 0, 1, 1, 1]
    assert np.array_equal(splits["val"].read(0), IMAGES[3])
    assert np.array_equal(splits["val"].read(4), IMAGES[2])


def test_unfit_hdf5_files_are_one_clear_line(tmp_path: Path) -> None:
    _torchmeta(tmp_path, names=("n02", "n03"))
    with pytest.raises(InputError, match=r"val_labels\.json names other classes"):
        read_torchmeta(tmp_path)
    path = tmp_path / "val_data.hdf5"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read as hdf5"):
        read_torchmeta(tmp_path)
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=IMAGES)
    with pytest.raises(InputError, match="holds 'images'; expected the group datasets"):
        read_torchmeta(tmp_path)
    with h5py.File(path, "w") as file:
        file.create_group("datasets").create_dataset("n01", data=IMAGES.astype(np.float32))
    with pytest.raises(InputError, match=r"n01: float32 \[5, 6, 8, 3\], expected uint8"):
        read_torchmeta(tmp_path)


def test_without_h5py_the_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _torchmeta(tmp_path)
    monkeypatch.setitem(sys.modules, "h5py", None)  # what Python itself does with a package that is not there
    with pytest.raises(InputError, match=r"needs the package h5py, .* pip install 'sccan\[hdf5\]'"):
        read_torchmeta(tmp_path)


def test_libfewshots_pictures_of_one_size_become_an_array(tmp_path: Path) -> None:
    _memory_file(tmp_path, [Image.fromarray(image) for image in IMAGES[:3]])
    assert find_form(Source(tmp_path)).name == "LibFewShot's memory files"
    pictures = read_libfewshot(tmp_path)["test"]
    assert isinstance(pictures, ArrayPictures)
    assert pictures.class_names == ("bee", "ant")  # by label; cow has no picture
    assert pictures.labels.tolist() == [1, 0, 1]
    assert all(np.array_equal(pictures.read(number), IMAGES[number]) for number in range(3))


def test_libfewshots_pictures_of_several_sizes_keep_them(tmp_path: Path) -> None:
    images = [noise_picture(5, 7), noise_picture(9, 4), noise_picture(5, 7, 1)]
    _memory_file(tmp_path, [Image.fromarray(image) for image in images])
    pictures = read_libfewshot(tmp_path)["test"]
    assert isinstance(pictures, EncodedPictures)
    assert all(np.array_equal(pictures.read(number), image) for number, image in enumerate(images))


def test_a_file_of_torchs_own_form_is_opened_with_weights_alone(tmp_path: Path) -> None:
    tensors = [torch.from_numpy(image) for image in IMAGES[:2]]
    torch.save((tensors, [1, 0], {"ant": 0, "bee": 1}), tmp_path / "val.pth")
    assert np.array_equal(read_libfewshot(tmp_path)["val"].read(1), IMAGES[1])
    torch.save(([Path("a")], [0], {"ant": 0}), tmp_path / "val.pth")
    with pytest.raises(InputError, match="no file of tensors and plain containers alone"):
        read_libfewshot(tmp_path)


class _Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("run",)


def test_code_and_other_content_are_refused_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _memory_file(tmp_path, [_Evil()] * 3)  # type: ignore[list-item]
    with pytest.raises(InputError, match=r"asks for builtins\.print, which is never run"):
        read_libfewshot(tmp_path)
    assert capsys.readouterr().out == ""
    for content, line in (
        ([1, 2], "does not hold a list of pictures"),
        (([IMAGES[0]], [7], {"ant": 0}), "label 7 has no class name"),
        (([3], [0], {"ant": 0}), "holds int where a picture"),
        (([Image.new("L", (4, 4))], [0], {"ant": 0}), "mode 'L'; RGB is expected"),
    ):
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(InputError, match=line):
            read_libfewshot(tmp_path)
