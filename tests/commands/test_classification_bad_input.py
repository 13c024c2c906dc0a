"""What a user can get wrong about data of classification: one clear line, exit code 2, nothing half-written."""

import io
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from sccan.builders.classification.data import build_classifier
from sccan.classification.data.formats.prepared import read_prepared
from sccan.commands import prepare_classification
from sccan.commands import test as test_command
from sccan.commands import train as train_command
from sccan.commands.entry import Main
from sccan.settings.loading import load_config
from tests.classification.data.formats.test_trees import put
from tests.classification.made_up import noise_picture
from tests.classification.noise_run import noise_options, write_noise

Refusal = Callable[[Main, list[str]], str]
"""Fixture: the one line that a command ends with, with exit code 2."""
CONFIG = "config/cifar_fs/can_cpu_5w1s.yaml"


def _folders(root: Path) -> None:
    for split, names in (("train", "ant bee cow"), ("val", "dog elk fox"), ("test", "gnu hen ibis")):
        for number, name in enumerate(names.split()):
            for picture in range(4):
                put(root / split / name / f"{picture}.png", 20 * number + picture)


def _broken(root: Path) -> None:
    _folders(root)
    (root / "val" / "elk" / "2.png").write_bytes(b"no picture")


def _cut_short(root: Path) -> None:
    _folders(root)
    stream = io.BytesIO()
    Image.fromarray(noise_picture(30, 40)).save(stream, "jpeg")
    (root / "test" / "hen" / "9.jpg").write_bytes(stream.getvalue()[:600])


def _overlapping(root: Path) -> None:
    _folders(root)
    put(root / "test" / "bee" / "0.png")


def _empty_class(root: Path) -> None:
    _folders(root)
    (root / "val" / "yak").mkdir()


def _fractions(root: Path) -> None:
    _folders(root)
    Image.fromarray(np.full((4, 4), -1.5, np.float32)).save(root / "train" / "ant" / "9.tif")
    (root / "train" / "ant" / "9.tif").rename(root / "train" / "ant" / "9.png")


class _Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return print, ("run",)


def _code(root: Path) -> None:
    (root / "train.pickle").write_bytes(pickle.dumps({"data": _Evil(), "labels": [0]}))


def _code_in_pth(root: Path) -> None:
    (root / "val.pth").write_bytes(pickle.dumps(([_Evil()], [0], {"a": 0})))


def _short_labels(root: Path) -> None:
    (root / "train.pickle").write_bytes(pickle.dumps({"data": np.zeros((3, 4, 4, 3), np.uint8), "labels": [0, 1]}))


def _two_releases(root: Path) -> None:
    for name in ("train.pickle", "mini-imagenet-cache-train.pkl"):
        (root / name).write_bytes(pickle.dumps({}))


def _broken_npz(root: Path) -> None:
    (root / "few-shot-train.npz").write_bytes(b"PK no archive")


def _floats_in_npz(root: Path) -> None:
    np.savez(root / "few-shot-train.npz", features=np.zeros((2, 640), np.float32), targets=np.zeros(2, int))


def _no_group(root: Path) -> None:
    with h5py.File(root / "train_data.hdf5", "w") as file:
        file.create_group("images")


def _csv_without_pictures(root: Path) -> None:
    (root / "train.csv").write_text("filename,label\nn0153282900000005.jpg,n01532829\n")


def _csv_of_another_split(root: Path) -> None:
    (root / "train.csv").write_text("filename,class\nn04201297_10028.JPEG,n04201297\n")


def _nothing(root: Path) -> None:
    (root / "notes.txt").write_text("no data set")


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (_broken, "elk/2 .*is no picture of a known format; replace the file"),
        (_cut_short, "hen/9 .*cannot be decoded"),
        (_overlapping, "class 'bee' is in both the train and the test split"),
        (_empty_class, "class folder .*yak holds no picture"),
        (_fractions, r"ant/9.*fractions \(float\)"),
        (_code, r"asks for builtins\.print, which is never run"),
        (_code_in_pth, r"asks for builtins\.print, which is never run"),
        (_short_labels, "3 pictures but 2 labels"),
        (_two_releases, "two forms of the train split"),
        (_broken_npz, "cannot be read as npz"),
        (_floats_in_npz, r"pictures are float32 \[2, 640\], expected uint8"),
        (_no_group, "expected the group datasets"),
        (_csv_without_pictures, "put the pictures there, or name ImageNet's training folder"),
        (_csv_of_another_split, "the older miniImageNet split"),
        (_nothing, "has none of the known forms"),
    ],
)
def test_unfit_data_are_refused_by_the_preparing_command(
    make: Callable[[Path], None], line: str, tmp_path: Path, refusal: Refusal
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    make(source)
    words = ["--source", str(source), "--to", str(tmp_path / "out")]
    assert re.search(line, refusal(prepare_classification.main, words))
    assert not (tmp_path / "out").exists()


def test_grey_palette_cmyk_and_16_bit_pictures_are_converted(tmp_path: Path) -> None:
    grey = np.linspace(0, 255, 24).astype(np.uint8).reshape(4, 6)
    picture = Image.fromarray(np.repeat(grey[..., None], 3, 2))
    folder = tmp_path / "in" / "train" / "ant"
    folder.mkdir(parents=True)
    picture.convert("L").save(folder / "a.png")
    picture.quantize(24).save(folder / "b.png")
    picture.convert("CMYK").save(folder / "c.jpg", quality=100)
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "d.png")
    picture.convert("RGBA").save(folder / "e.png")
    words = ["--source", str(tmp_path / "in"), "--to", str(tmp_path / "out"), "--resize", "4", "6"]
    assert prepare_classification.main(words) == 0
    pictures = read_prepared(tmp_path / "out")["train"]
    for number in range(5):
        found = pictures.read(number).astype(int)
        assert np.abs(found - grey[..., None]).max() <= (6 if number in (1, 2) else 0)  # palette and JPEG are lossy


@pytest.mark.parametrize(
    ("make", "more", "line"),
    [
        (_folders, ("EPISODE.WAYS", "4"), "has 3 classes, but EPISODE.WAYS is 4; lower it"),
        (_folders, ("EPISODE.TRAIN_QUERIES", "5"), r"has 4 images of class 1 \(ant\).* need 6"),
        (_folders, ("EPISODE.QUERIES", "4"), r"has 4 images of class 1 \(dog\).* need 5"),
        (_folders, ("DATA.CLASS_LIST", "cifar-fs"), "does not hold the classes that cifar-fs lists"),
        (_folders, ("PICTURE.CROP", "resized", "DATA.ON_DEVICE", "True"), "different sizes, but"),
        (_folders, ("PICTURE.CROP", "resize"), "did you mean 'resized'"),
        (_overlapping, (), "class 'bee' is in both"),
        (_broken, (), "elk.2.png cannot be decoded: it is no picture of a known format"),
        (_code, (), "have to be converted once; run python tools/prepare_classification.py"),
        (_nothing, (), "has none of the known forms"),
    ],
)
def test_unfit_data_are_refused_by_the_training_command(
    make: Callable[[Path], None],
    more: tuple[str, ...],
    line: str,
    tmp_path: Path,
    refusal: Refusal,
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    make(source)
    small = ("EPISODE.QUERIES", "3", "VALIDATE.EPISODES", "8", "TRAIN.EPOCHS", "1", "DATA.ON_DEVICE", "False")
    words = ["--config", CONFIG, "--opts", *noise_options(source, tmp_path / "runs", *small, *more)]
    assert re.search(line, refusal(train_command.main, words))


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (("EPISODE.WAYS", "5"), "has 4 classes, but EPISODE.WAYS is 5; lower it"),
        (("EPISODE.QUERIES", "7"), "but 1 shots and 7 queries need 8"),
    ],
)
def test_unfit_data_are_refused_by_the_testing_command(
    more: tuple[str, ...], line: str, tmp_path: Path, refusal: Refusal
) -> None:
    options = noise_options(write_noise(tmp_path / "in"), tmp_path / "runs")
    weights = tmp_path / "weights.pth"
    torch.save(build_classifier(load_config(CONFIG, options), 5).state_dict(), weights)
    words = ["--config", CONFIG, "--weights", str(weights), "--opts", *options, "TEST.PROTOCOL", "uniform", *more]
    assert re.search(line, refusal(test_command.main, words))
