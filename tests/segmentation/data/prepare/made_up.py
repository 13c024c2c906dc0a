"""Made-up archives in the form of the official ones: VOC 2012, SBD with real .mat files, COCO 2014."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from scipy.io import savemat

from sccan.segmentation.data.sets.datasets import COCO_CATEGORY_IDS, COCO_CLASSES

VOC_TRAIN = ("2007_000032", "2007_000039", "2008_000008", "2008_000015")
VOC_VAL = ("2007_000033", "2007_000042", "2007_000061")
SBD_TRAIN = ("2008_000008", "2008_000019", "2008_000023", "2007_000033")
SBD_VAL = ("2008_000028", "2010_000002")
ONLY_IN_SBD = "2010_000002"
"""A picture that VOC's own JPEGImages lacks."""


def shape_of(name: str) -> tuple[int, int]:
    """Height and width of a picture; never square."""
    return 60 + sum(map(ord, name)) % 7, 90 + sum(map(ord, name)) % 11


def label_of(name: str, rim: bool) -> np.ndarray:
    """Class numbers: a large object, on every other name a second one; VOC's rim of 255 or none."""
    height, width = shape_of(name)
    label = np.zeros((height, width), np.uint8)
    number = 1 + sum(map(ord, name)) % 20
    label[5:-5, 5:60] = number
    if int(name[-1]) % 2:
        label[20:-8, 50:80] = 1 + (number + 6) % 20
    if rim:
        edges = cv2.morphologyEx(label, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
        label[edges] = 255
    return label


def jpeg(name: str) -> bytes:
    height, width = shape_of(name)
    picture = np.random.default_rng(int(name[-3:])).integers(0, 256, (height, width, 3), np.uint8)
    return bytes(cv2.imencode(".jpg", picture)[1].tobytes())


def palette_png(label: np.ndarray) -> bytes:
    image = Image.fromarray(label)
    image.putpalette([(7 * value) % 256 for value in range(768)])
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


def grey_png(label: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".png", label)[1].tobytes())


def mat(label: np.ndarray) -> bytes:
    """An SBD ``cls`` file: the structure GTcls with its three fields."""
    present = np.unique(label[label > 0]).reshape(-1, 1)
    stream = io.BytesIO()
    fields = {"Boundaries": np.zeros((20, 1), object), "Segmentation": label, "CategoriesPresent": present}
    savemat(stream, {"GTcls": fields}, do_compression=True)
    return stream.getvalue()


def lines(names: Iterable[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


def voc_members() -> dict[str, bytes]:
    """Member name -> content of the trainval archive, in the order of the real one (pictures before labels)."""
    top = "VOCdevkit/VOC2012"
    splits = {"train": VOC_TRAIN, "val": VOC_VAL, "trainval": VOC_TRAIN + VOC_VAL}
    pictures = sorted({*VOC_TRAIN, *VOC_VAL, *SBD_TRAIN, *SBD_VAL} - {ONLY_IN_SBD})
    return {
        f"{top}/Annotations/{VOC_TRAIN[0]}.xml": b"<annotation/>",
        **{f"{top}/ImageSets/Segmentation/{split}.txt": lines(names) for split, names in splits.items()},
        f"{top}/ImageSets/Main/cat_train.txt": b"2007_000032 -1\n",
        **{f"{top}/JPEGImages/{name}.jpg": jpeg(name) for name in pictures},
        **{
            f"{top}/SegmentationClass/{name}.png": palette_png(label_of(name, rim=True))
            for name in (*VOC_TRAIN, *VOC_VAL)
        },
        f"{top}/SegmentationObject/{VOC_TRAIN[0]}.png": palette_png(np.zeros((4, 5), np.uint8)),
    }


def sbd_members() -> dict[str, bytes]:
    top = "benchmark_RELEASE/dataset"
    names = (*SBD_TRAIN, *SBD_VAL)
    return {
        f"{top}/train.txt": lines(SBD_TRAIN),
        f"{top}/val.txt": lines(SBD_VAL),
        **{f"{top}/cls/{name}.mat": mat(label_of(name, rim=False)) for name in names},
        **{f"{top}/inst/{name}.mat": b"not needed" for name in names},
        **{f"{top}/img/{name}.jpg": jpeg(name) for name in names},
        "benchmark_RELEASE/benchmark_code_RELEASE/readme.m": b"% code",
    }


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def write_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def unpack_into(folder: Path, members: dict[str, bytes]) -> Path:
    for name, content in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


# COCO


def square(x: float, y: float, side: float) -> list[float]:
    return [x, y, x + side, y, x + side, y + side, x, y + side]


def annotation(number: int, image: int, category: int, segmentation: Any, area: float, crowd: int = 0) -> dict:
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "segmentation": segmentation,
        "area": area,
        "iscrowd": crowd,
        "bbox": [0, 0, 1, 1],
    }


def coco_instances(part: str, n_pictures: int = 6, *, seed: int = 0) -> dict[str, Any]:
    """Pictures of 70 x 100 with one to three instances; the last picture has only a crowd, the one before nothing.

    The annotations are not sorted by picture, as in the real files.
    """
    random = np.random.default_rng([seed, part == "train"])
    height, width = 70, 100
    images = [
        {"id": 100 + 7 * n, "file_name": f"COCO_{part}2014_{100 + 7 * n:012d}.jpg", "height": height, "width": width}
        for n in range(n_pictures)
    ]
    annotations = []
    for n, image in enumerate(images[:-2]):
        for _ in range(1 + n % 3):
            side = float(random.uniform(46, 60))
            x, y = random.uniform(0, width - side), random.uniform(0, height - side)
            category = int(random.choice(COCO_CATEGORY_IDS))
            polygons = [square(x, y, side), square(2.5, 2.5, 9.3)]
            annotations.append(annotation(len(annotations), image["id"], category, polygons, side * side))
    run = {"counts": [0, 400, height * width - 400], "size": [height, width]}
    annotations.append(annotation(900, images[0]["id"], 1, run, 400, crowd=1))
    annotations.append(annotation(901, images[-1]["id"], 3, run, 400, crowd=1))
    random.shuffle(annotations)  # type: ignore[arg-type]
    names = zip(COCO_CATEGORY_IDS, COCO_CLASSES, strict=True)
    return {
        "info": {"description": f"made up: {part}"},
        "images": images[::-1],
        "licenses": [],
        "annotations": annotations,
        "categories": [{"id": category, "name": name, "supercategory": "thing"} for category, name in names],
    }


def coco_archives(folder: Path, n_pictures: int = 6) -> dict[str, dict[str, Any]]:
    """The three official archives in a folder; returns part -> instances."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = {part: coco_instances(part, n_pictures) for part in ("train", "val")}
    for part, content in parts.items():
        pictures = {
            f"{part}2014/{image['file_name']}": bytes(
                cv2.imencode(".jpg", np.full((image["height"], image["width"], 3), image["id"] % 256, np.uint8))[
                    1
                ].tobytes()
            )
            for image in content["images"]
        }
        write_zip(folder / f"{part}2014.zip", pictures)
    jsons = {f"annotations/instances_{part}2014.json": json.dumps(content).encode() for part, content in parts.items()}
    write_zip(folder / "annotations_trainval2014.zip", {**jsons, "annotations/captions_val2014.json": b"{}"})
    return parts
