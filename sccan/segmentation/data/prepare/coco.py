"""COCO 2014, from the official archives or what was unpacked from them, to label images and source lists.

train2014/*.jpg, val2014/*.jpg                    the pictures
annotations/{train,val}2014/*.png                 label images, variant ``compatible`` (the published place)
annotations/full/{train,val}2014/*.png            label images, variant ``full``
lists/{train,val}.txt, lists/full/{train,val}.txt every picture with an instance, by ascending id
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sccan.errors import InputError
from sccan.files.alone import alone_in
from sccan.files.archives import unpack
from sccan.files.download import Archive
from sccan.files.inside import real
from sccan.files.parallel import in_parallel
from sccan.files.writing import write_text_atomically
from sccan.segmentation.data.annotations.coco_labels import LabelTask, make_label
from sccan.segmentation.data.annotations.instances import Instances, Picture, read_instances
from sccan.segmentation.data.labels.raw_png import is_finished
from sccan.segmentation.data.prepare.lists import pair_lines
from sccan.segmentation.data.prepare.official import COCO_2014
from sccan.segmentation.data.prepare.own_lists import claim_lists
from sccan.segmentation.data.prepare.sources import locate, take_files
from sccan.segmentation.data.sets import record
from sccan.segmentation.data.sets.datasets import COCO_CATEGORY_IDS, COCO_CLASSES, DATASETS
from sccan.segmentation.data.sets.lists import Pairs

PARTS = ("train", "val")
CLASS_NUMBERS = {category: number for number, category in enumerate(COCO_CATEGORY_IDS, start=1)}
LABEL_FOLDERS = {"compatible": "annotations", "full": "annotations/full"}
LIST_FOLDERS = {"compatible": "lists", "full": "lists/full"}


@dataclass(frozen=True)
class Sources:
    """What the user names; everything else is looked for in the data root.

    Attributes:
        images: part -> archive or folder of its pictures.
        annotations: archive, or folder that holds the instances files.
        download: whether archives that are not there are fetched.
    """

    images: dict[str, Path]
    annotations: Path | None = None
    download: bool = False


def prepare_coco(
    root: Path,
    sources: Sources,
    *,
    variants: Sequence[str],
    parts: Sequence[str] = PARTS,
    workers: int,
    archives: dict[str, Archive] = COCO_2014,
) -> dict[str, int]:
    """Makes or completes the data set below `root`; what an earlier run finished is kept.

    Args:
        root: data root.
        sources: where the material is.
        variants: keys of `LABEL_FOLDERS`.
        parts: ``train`` and ``val``, or one of them.
        workers: processes.
        archives: the official archives.

    Returns:
        Pictures in each list that was written, by its path below the root.

    Raises InputError: the material is missing, damaged or not COCO's, or the disk is full.
    """
    names = {(variant, part): f"{LIST_FOLDERS[variant]}/{part}.txt" for variant in variants for part in parts}
    with alone_in(root, what="another process prepares"):
        claim_lists(root, names.values(), DATASETS["coco"].folds)
        written = {}
        annotations = _take_annotations(root, sources, parts, archives)
        for part in parts:
            _take_images(root, sources, part, archives)
            instances = read_instances(annotations / f"instances_{part}2014.json")
            _require_coco(instances)
            pictures = [picture for picture in instances.pictures() if picture.n_instances]
            _require_images(root / f"{part}2014", pictures)
            for variant in variants:
                pairs = make_labels(root, f"{part}2014", instances, pictures, variant, workers)
                name = names[variant, part]
                write_text_atomically(root / name, pair_lines(pairs))
                written[name] = len(pairs)
    return written


def make_labels(
    root: Path, folder: str, instances: Instances, pictures: Sequence[Picture], variant: str, workers: int
) -> Pairs:
    """The label images of one part in one variant, and the lines of its source list.

    Raises InputError: the label folder holds labels made otherwise, an annotation is unfit, or the disk is full.
    """
    labels = f"{LABEL_FOLDERS[variant]}/{folder}"
    if labels not in record.read_records(root) and any((root / labels).glob("*.png")):
        raise InputError(
            f"{root / labels} holds label images that this tool did not make; move them away, or find out with "
            f"'prepare identify' which variant they are"
        )
    record.begin(root, labels, variant, f"{instances.path.name} ({record.digest_of(instances.path)})")
    tasks = [
        LabelTask(
            instances.path, picture, variant, CLASS_NUMBERS, root / labels / f"{Path(picture.file_name).stem}.png"
        )
        for picture in pictures
    ]
    left = [task for task in tasks if not is_finished(task.target)]
    title = f"{variant} labels of {folder}"
    for _ in in_parallel(make_label, left, total=len(left), done=len(tasks) - len(left), workers=workers, title=title):
        pass
    record.finish(root, labels)
    return [(f"{folder}/{task.picture.file_name}", f"{labels}/{task.target.name}") for task in tasks]


def _take_annotations(root: Path, sources: Sources, parts: Sequence[str], archives: dict[str, Archive]) -> Path:
    """The folder of the instances files."""
    names = [f"instances_{part}2014.json" for part in parts]

    def unpacked(folder: Path) -> Path | None:
        places = (folder / "annotations", folder)
        return next((place for place in places if all((place / name).is_file() for name in names)), None)

    place = locate(
        root,
        sources.annotations,
        archives["annotations"],
        unpacked,
        download=sources.download,
        what=f"the annotations ({', '.join(names)})",
        option="--annotations",
    )
    if not place.is_file():
        return place
    unpack(place, root, lambda name: f"annotations/{Path(name).name}" if Path(name).name in names else None)
    found = unpacked(root)
    if found is None:
        raise InputError(f"{place} does not hold {' and '.join(names)}; check --annotations")
    return found


def _take_images(root: Path, sources: Sources, part: str, archives: dict[str, Archive]) -> None:
    folder = f"{part}2014"
    member = re.compile(rf"(?:.*/)?({folder}/[^/]+\.jpg)")

    def unpacked(place: Path) -> Path | None:
        places = (place / folder, place)
        return next((place for place in places if place.name == folder and place.is_dir()), None)

    place = locate(
        root,
        sources.images.get(part),
        archives[folder],
        unpacked,
        download=sources.download,
        what=f"the pictures of {folder}",
        option=f"--{part}-images",
    )
    if place.is_file():
        unpack(place, root, lambda name: match[1] if (match := member.fullmatch(name)) else None)
    elif real(place) != real(root / folder):
        take_files(sorted(place.glob("*.jpg")), root / folder)


def _require_coco(instances: Instances) -> None:
    """Raises InputError: the categories are not COCO's 80."""
    if tuple(instances.categories) != COCO_CATEGORY_IDS:
        raise InputError(
            f"{instances.path} has {len(instances.categories)} categories, but COCO has the {len(COCO_CLASSES)} with "
            f"ids {COCO_CATEGORY_IDS[0]}..{COCO_CATEGORY_IDS[-1]}; for data of your own set DATA.NAME folder"
        )


def _require_images(folder: Path, pictures: Sequence[Picture]) -> None:
    """Raises InputError: the annotations name pictures that are not there."""
    have = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
    absent = [picture.file_name for picture in pictures if picture.file_name not in have]
    if absent:
        raise InputError(
            f"{folder} lacks {len(absent)} of the {len(pictures)} annotated pictures, the first is {absent[0]}; "
            "unpack the whole archive"
        )
