"""Pictures with one class each, in every form that they are handed around in, and as we prepare them."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import h5py
import numpy as np
import torch

from sccan.commands import prepare_classification
from tests.fuzz.campaign import Case
from tests.fuzz.mutations import BYTES, JSON, TEXT

SPLITS = ("train", "val", "test")
PICTURES = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
LABELS = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
KINDS = {".json": JSON, ".csv": TEXT}
ARGV = ("prepare_classification", "--source", "{}", "--to", "{}/to")


def _names(split: str) -> list[str]:
    return [f"{split}{number}" for number in range(4)]


def _rows(split: str) -> dict[str, list[int]]:
    return {name: list(range(3 * number, 3 * number + 3)) for number, name in enumerate(_names(split))}


# One function for each form: writes a split of it


def _pickle(protocol: int) -> Callable[[Path, str], None]:
    def write(where: Path, split: str) -> None:
        (where / f"{split}.pickle").write_bytes(pickle.dumps({"data": PICTURES, "labels": LABELS}, protocol))

    return write


def _cache(where: Path, split: str) -> None:
    content = {"image_data": PICTURES, "class_dict": _rows(split)}
    (where / f"mini-imagenet-cache-{split}.pkl").write_bytes(pickle.dumps(content))


def _npz(save: Callable[..., None]) -> Callable[[Path, str], None]:
    def write(where: Path, split: str) -> None:
        save(where / f"{split}_images.npz", images=PICTURES)
        (where / f"{split}_labels.pkl").write_bytes(pickle.dumps({"labels": LABELS}))

    return write


def _hdf5(where: Path, split: str) -> None:
    with h5py.File(where / f"{split}_data.hdf5", "w") as stored:
        for name, rows in _rows(split).items():
            stored[f"datasets/{name}"] = PICTURES[rows]
    (where / f"{split}_labels.json").write_text(json.dumps(_names(split)))


def _memory_file(where: Path, split: str) -> None:
    numbers = {name: number for number, name in enumerate(_names(split))}
    torch.save([[torch.from_numpy(one) for one in PICTURES], LABELS, numbers], where / f"{split}.pth")


def _pictures(where: Path) -> list[str]:
    where.mkdir(exist_ok=True)
    for number, picture in enumerate(PICTURES):
        cv2.imwrite(str(where / f"p{number}.jpg"), picture)
    return [f"p{number}.jpg" for number in range(len(PICTURES))]


def _csv(where: Path, split: str) -> None:
    named = zip(_pictures(where / "images"), LABELS, strict=True)
    with (where / f"{split}.csv").open("w") as table:
        csv.writer(table).writerows([("filename", "label"), *((name, f"{split}{label}") for name, label in named)])


def _json_list(where: Path, split: str) -> None:
    listed = {"label_names": _names(split), "image_names": _pictures(where), "image_labels": LABELS}
    (where / f"{split}.json").write_text(json.dumps(listed))


def _class_folders(where: Path, split: str) -> None:
    for number, (picture, label) in enumerate(zip(PICTURES, LABELS, strict=True)):
        (where / split / f"{split}{label}").mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(where / split / f"{split}{label}" / f"p{number}.jpg"), picture)


FORMS: dict[str, tuple[str, Callable[[Path, str], None]]] = {
    "pickle of protocol 2": ("train.pickle", _pickle(2)),
    "pickle of protocol 5": ("train.pickle", _pickle(5)),
    "cache": ("mini-imagenet-cache-train.pkl", _cache),
    "npz plain": ("train_images.npz", _npz(np.savez)),
    "npz compressed": ("train_images.npz", _npz(np.savez_compressed)),
    "labels of npz": ("train_labels.pkl", _npz(np.savez)),
    "hdf5": ("train_data.hdf5", _hdf5),
    "names of hdf5": ("train_labels.json", _hdf5),
    "memory file": ("train.pth", _memory_file),
    "csv": ("train.csv", _csv),
    "json list": ("train.json", _json_list),
    "class folders": ("train/train0/p0.jpg", _class_folders),
}
"""Form -> a file of it, and what writes a split."""


def cases(folder: Path) -> list[Case]:
    found = []
    for name, (target, write) in FORMS.items():
        where = folder / name
        where.mkdir(parents=True)
        for split in SPLITS:
            write(where, split)
        found.append(Case(name, where, target, ARGV, KINDS.get(Path(target).suffix, BYTES)))
    return found + [case for name in ("csv", "npz plain") for case in _prepared(folder, name)]


def _prepared(folder: Path, name: str) -> list[Case]:
    """Every file of a split as we store it."""
    to = folder / f"prepared {name}"
    assert prepare_classification.main(["--source", str(folder / name), "--to", str(to)]) == 0
    shutil.rmtree(folder / name / "to", ignore_errors=True)
    targets = ["dataset.json", *sorted(path.name for path in to.iterdir() if path.name.startswith("train"))]
    return [
        Case(f"{target} prepared of {name}", to, target, ARGV, KINDS.get(Path(target).suffix, BYTES))
        for target in targets
    ]
