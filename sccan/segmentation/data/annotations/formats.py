"""Every form of annotation that is read, tried by what files hold and not by what they are called."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sccan.errors import InputError
from sccan.segmentation.data.annotations import (
    coco_files,
    cvat_masks,
    cvat_xml,
    label_studio,
    labelme,
    supervisely,
    via,
    yolo,
)
from sccan.segmentation.data.annotations.annotated import Annotations
from sccan.segmentation.data.annotations.contents import parsed
from sccan.segmentation.data.annotations.places import Place

Reader = Callable[[Place], Annotations | None]

READERS: Sequence[Reader] = (
    cvat_masks.read,
    labelme.read,
    supervisely.read,
    coco_files.read,
    via.read,
    cvat_xml.read,
    label_studio.read,
    yolo.read,
)
"""What finds a tool's annotations in a folder, or nothing; in the order in which they count for one picture."""


def read_annotations(place: Place) -> list[Annotations]:
    """What tools have left in a folder, besides masks.

    Raises InputError: an annotation is unfit, or a JSON file is none.
    """
    for file in place.ending(".json"):
        if problem := parsed(file).problem:
            raise InputError(f"{problem}; mend it, or take it away")
    return [found for reader in READERS if (found := reader(place)) is not None]
