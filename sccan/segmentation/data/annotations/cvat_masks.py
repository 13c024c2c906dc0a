"""CVAT's "Segmentation mask 1.1": coloured masks in ``SegmentationClass/``, and their colours in ``labelmap.txt``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sccan.errors import InputError
from sccan.files.kinds import BACKGROUND_NAMES
from sccan.files.plain import plain
from sccan.files.reading import read_lines
from sccan.files.tally import Note
from sccan.pictures.decoding import open_label, upright_of
from sccan.segmentation.data.annotations.annotated import Annotations, Marked, ordered_classes
from sccan.segmentation.data.annotations.mask_pngs import masks_of, require_size
from sccan.segmentation.data.annotations.places import Place
from sccan.segmentation.data.annotations.shapes import IGNORE_NAMES

LABELMAP = "labelmap.txt"
HOW = "coloured masks of CVAT"
IGNORE = 255
IGNORED = (*IGNORE_NAMES, "ignored", "void")


@dataclass(frozen=True)
class ColourDraw:
    """Gives the label of a coloured mask, see `Draw`.

    Attributes:
        source: the mask.
        colours: packed colour -> class name.
    """

    source: Path
    colours: Mapping[int, str]

    def __call__(self, size: tuple[int, int], numbers: Mapping[str, int]) -> tuple[np.ndarray, list[Note]]:
        picture, head, _ = open_label(self.source, "mask")
        pixels = upright_of(np.asarray(picture.convert("RGB")), head)
        require_size(pixels[..., 0], self.source, size)
        packed = (pixels.astype(np.uint32) * np.array([1 << 16, 1 << 8, 1], np.uint32)).sum(-1)
        found, places = np.unique(packed, return_inverse=True)
        notes: list[Note] = []
        values = np.zeros(len(found), np.uint8)
        for place, colour in enumerate(found.tolist()):
            name = self.colours.get(colour)
            if name is None:
                notes.append((f"ignored where a mask has a colour that {LABELMAP} does not name", self.source.name))
            known = name is not None and name not in IGNORED
            values[place] = numbers.get(name or "", 0) if known else IGNORE
        return values[places].reshape(packed.shape), notes


def read(place: Place) -> Annotations | None:
    """The coloured masks of a folder.

    Raises InputError: the colours are unfit, or the pictures are not there.
    """
    table = place.named(LABELMAP)
    if table is None:
        return None
    colours = _colours(table)
    masks = {image: mask for image, mask in masks_of(place).items() if mask.parent != image.parent}
    pngs = place.ending(".png")
    if pngs and not masks:
        raise InputError(
            f"{place.root} has masks of CVAT, but not their pictures ({plain(pngs[0].stem)} ...); export with "
            f"images, or put "
            f"them into {place.root}/images"
        )
    names = [name for name in dict.fromkeys(colours.values()) if name not in (*BACKGROUND_NAMES, *IGNORED)]
    marked = [Marked(image, ColourDraw(mask, colours)) for image, mask in masks.items()]
    beside = [
        file for file in place.files if {"SegmentationObject", "ImageSets"} & set(file.relative_to(place.root).parts)
    ]
    used = frozenset((table, *masks.values(), *beside))
    return Annotations(HOW, ordered_classes(names, place, table), marked, used=used)


def _colours(table: Path) -> dict[int, str]:
    """Packed colour -> name, of lines ``name:red,green,blue:parts:actions``."""
    found: dict[int, str] = {}
    for number, line in read_lines(table, "labelmap"):
        if line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        channels = rest.partition(":")[0].split(",")
        if len(channels) != 3 or not all(channel.strip().isdigit() and int(channel) < 256 for channel in channels):
            raise InputError(
                f"labelmap {table}, line {number}: {plain(line)!r} is no name:red,green,blue; export it again"
            )
        red, green, blue = (int(channel) for channel in channels)
        found[red << 16 | green << 8 | blue] = name.strip()
    return found
