"""The COCO json of a folder of one's own: which file it is, and the classes it holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sccan.errors import InputError, nearest
from sccan.files.kinds import LABEL_FOLDERS, LABELME_FOLDERS
from sccan.segmentation.data.annotations.instances import Instances

VARIANT = "layered"
"""How COCO annotations of one's own are painted: everything, crowds ignored, small objects over large ones."""


def find_coco(root: Path) -> Path:
    """The one json file of instances.

    Raises InputError: there is none, or there are several.
    """
    files = [*sorted(root.glob("*.json")), *sorted((root / "annotations").glob("*.json"))]
    if not files:
        raise InputError(
            f"{root} has pictures but no labels: expected label PNGs in {LABEL_FOLDERS[0]}/, one COCO json, or LabelMe "
            f"json files in {LABELME_FOLDERS[0]}/"
        )
    if len(files) > 1:
        shown = ", ".join(str(file.relative_to(root)) for file in files[:4])
        raise InputError(f"{root} has {len(files)} json files ({shown}); keep the one that holds the instances")
    return files[0]


def coco_classes(instances: Instances, names: Sequence[str]) -> tuple[dict[int, int], Sequence[str]]:
    """Category id -> class number, and the class names: the given ones, or all categories by their ids."""
    if not names:
        ranked = {category: number for number, category in enumerate(instances.categories, start=1)}
        return ranked, list(instances.categories.values())
    ids = {name: category for category, name in instances.categories.items()}
    unknown = next((name for name in names if name not in ids), None)
    if unknown is not None:
        raise InputError(f"class {unknown!r} is no category of {instances.path}{nearest(unknown, ids)}")
    return {ids[name]: number for number, name in enumerate(names, start=1)}, names
