"""Which pixels of a mask are the object: decided for each mask by itself, and said where it was a guess.

0 and 255 (or any two values, a dark and a bright one) are background and object; 1, 2, 3 ... are class numbers, and 255
beside them is ignored. Where 255 outweighs the numbers beside it, or those are shades and no numbers, 255 is the
object and they are strays. Strays are ignored (255 in a label), and named.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sccan.errors import InputError
from sccan.files.tally import Tally
from sccan.pictures.decoding import open_label, upright_of

IGNORE = 255
LEVELS = 32
"""Larger values, and more of them, are shades of smoothed edges and no class numbers, unless they have names."""
FEW, SHARE = 3, 0.001
"""Pixels, and share of all that are marked, up to which a value is a stray."""
SMALL = 100
"""Marked pixels below which nothing is a stray."""
TRIMAP = 0.1
"""Share of a shade's pixels from which on 255 beside it is the object, and the shade what nobody is sure of."""
SHADES = 0.05
"""Share of shades beside class numbers, up to which they are strays."""
SHOWN = 3
"""Strays of a mask that are named."""


@dataclass(frozen=True, eq=False)
class Mask:
    """A mask as it was drawn.

    Attributes:
        values: grey value or number of the palette's colour, uint8 [h, w], upright.
        bright: where the brighter of two colours is, bool [h, w]; None where there are not two.
        counts: pixels of every value, int64 [256].
    """

    values: np.ndarray
    bright: np.ndarray | None
    counts: np.ndarray

    @functools.cached_property
    def numbers(self) -> list[int]:
        """The values besides 0 and 255 that are no strays."""
        marked = int(self.counts[1:].sum())
        few = max(FEW, SHARE * marked) if marked >= SMALL else 0
        there = [value for value in range(1, IGNORE) if self.counts[value] > few]
        if not there and self.counts[IGNORE] <= TRIMAP * self.counts[1:IGNORE].sum():
            there = [value for value in range(1, IGNORE) if self.counts[value]]  # many shades, few pixels of each
        low = [value for value in there if value <= LEVELS]
        shades = sum(int(self.counts[value]) for value in there if value > LEVELS)
        return low if low and shades <= SHADES * marked else there

    @property
    def is_plain(self) -> bool:
        """Whether it shows one object, whatever its value: it is no map of class numbers."""
        numbers, bright = self.numbers, int(self.counts[IGNORE])
        others = int(self.counts[1:IGNORE].sum())
        if bright > others or (bright > TRIMAP * others and min(numbers, default=IGNORE) > LEVELS):
            return True
        return self.bright is not None and not set(numbers) <= set(range(1, LEVELS + 1)) and len(numbers) <= 2

    def object(self) -> tuple[np.ndarray, list[int]]:
        """The only object as 1, strays as 255, uint8 [h, w]; and the strays."""
        if self.bright is not None and (self.is_plain or not self.counts[IGNORE]):
            return self.bright.astype(np.uint8), []
        value = IGNORE if self.is_plain else self.numbers[0]
        label = (self.values == value).astype(np.uint8)
        others = [stray for stray in np.flatnonzero(self.counts).tolist() if stray not in (0, value)]
        label[np.isin(self.values, others)] = IGNORE
        return label, others


def read_mask(path: Path) -> Mask:
    """A mask drawn by hand: grey, a palette, or what drawing programs make of two colours; transparency counts as 0.

    Raises InputError: the file is missing, truncated, no picture, or has more than two colours that are no shades of
    grey.
    """
    picture, head, step = open_label(path, "mask")
    if picture.mode == "P":
        values = upright_of(np.asarray(picture), head)
        colours = upright_of(np.asarray(picture.convert("RGB")), head)
        return _mask(values, _bright(values, np.asarray(Image.fromarray(colours).convert("L"))))
    if picture.mode in ("RGB", "RGBA", "LA", "PA", "CMYK"):
        return _of_colours(upright_of(np.asarray(picture.convert("RGBA")), head), path)
    values = upright_of(np.asarray(picture), head)
    if values.ndim == 2 and values.dtype != bool and not (values.min() >= 0 and values.max() <= IGNORE):
        found = np.unique(values)
        if len(found) != 2:
            raise InputError(
                f"mask {path} holds the value {values.max()}; expected 0 and 255, or class numbers up to 254"
            )
        return _mask(np.where(values == found[1], IGNORE, 0).astype(np.uint8), values == found[1])
    values = np.ascontiguousarray(values, dtype=np.uint8) // np.uint8(step)
    return _mask(values, _bright(values, values))


def objects(
    masks: Mapping[str, Mask], names: Sequence[str], class_name: str, title: str
) -> tuple[tuple[str, ...], dict[str, np.ndarray], Tally]:
    """The classes that masks of one folder show, and their labels.

    Args:
        masks: by the name of their file.
        names: of the classes 1, 2, ...; empty: nobody named them.
        class_name: of the only class, where there is one.
        title: the folder, for messages.

    Returns:
        Names; label of every mask that marks something (0, 1 .. classes, 255 ignored); what was ignored or guessed.


    Raises InputError: they mark nothing, hold a value that is no class, or number classes here and show one object
    there.
    """
    told = Tally()
    marked = {file: mask for file, mask in masks.items() if mask.counts[1:].any()}
    told.extend(("left out, as the mask marks nothing", file) for file in masks if file not in marked)
    if not marked:
        raise InputError(f"the masks of {title} mark nothing; set the pixels of the object to 1 (or all to 255)")
    plain = {file for file, mask in marked.items() if mask.is_plain}
    values = sorted({number for file, mask in marked.items() if file not in plain for number in mask.numbers})
    if len(names) == 1 and len(values) <= 1:
        return tuple(names), _single(marked, told), told
    if not names and len(values) <= 1:
        return (class_name,), _single(marked, told), told
    if names:
        unmarked = [file for file in plain if max(marked[file].numbers, default=0) == 0]
        told.extend((f"left out, as 0 and 255 alone do not say which of {len(names)} classes", f) for f in unmarked)
        marked = {file: mask for file, mask in marked.items() if file not in unmarked}
        if not marked:
            raise InputError(
                f"the masks of {title} hold 0 and 255 alone, which does not say which of the {len(names)} classes of "
                "classes.txt they show; number them 1, 2, 3 ..., or give every class a folder"
            )
        return tuple(names), _numbered(marked, len(names), title, told), told
    if plain:
        shown, other = sorted(plain)[0], next(file for file in marked if file not in plain)
        raise InputError(
            f"of the masks of {title}, {shown} is 0 and 255 alone, but {other} holds class numbers "
            f"({', '.join(map(str, values[:5]))}); number the classes in all of them, or give every class a folder"
        )
    if len(values) > LEVELS or values[-1] > LEVELS:
        listed = ", ".join(map(str, values[:5])) + (" ..." if len(values) > 5 else "")
        raise InputError(
            f"the masks of {title} hold {len(values)} values ({listed}) that nobody named; use 0 and 255 without "
            f"smoothed edges, or 1, 2, 3 ... with their names in {title}/classes.txt, one per line"
        )
    names = tuple(f"class {number}" for number in range(1, values[-1] + 1))
    return names, _numbered(marked, len(names), title, told), told


def _single(masks: Mapping[str, Mask], told: Tally) -> dict[str, np.ndarray]:
    labels = {}
    for file, mask in masks.items():
        labels[file], strays = mask.object()
        beside = "class numbers" if IGNORE in strays else "the object"
        shown = ", ".join(map(str, strays[:SHOWN])) + f" ... ({len(strays)} values)" * (len(strays) > SHOWN)
        if strays:
            told.add(f"ignored where the mask is {shown}, beside {beside}", file)
    return labels


def _numbered(masks: Mapping[str, Mask], n_classes: int, title: str, told: Tally) -> dict[str, np.ndarray]:
    labels = {}
    for file, mask in masks.items():
        wrong = [number for number in mask.numbers if number > n_classes]
        if wrong:
            raise InputError(
                f"a mask of {title} holds the value {wrong[-1]}, but classes.txt names {n_classes} classes; name "
                f"every value from 1 on, a line each ({file})"
            )
        strays = [stray for stray in range(n_classes + 1, IGNORE) if mask.counts[stray]]
        told.extend((f"ignored where the mask is {stray}, which is no class", file) for stray in strays)
        if mask.counts[IGNORE]:
            told.add("ignored where the mask is 255, beside class numbers", file)
        labels[file] = np.where(np.isin(mask.values, strays), np.uint8(IGNORE), mask.values)
    return labels


def _mask(values: np.ndarray, bright: np.ndarray | None) -> Mask:
    return Mask(values, bright, np.bincount(values.reshape(-1), minlength=256))


def _bright(values: np.ndarray, shades: np.ndarray) -> np.ndarray | None:
    """Where the brighter of two values is; None where there are not two, or where they are no different."""
    found, first = np.unique(values, return_index=True)
    if len(found) != 2:
        return None
    low, high = (int(shade) for shade in shades.reshape(-1)[first])
    if low == high:
        return None
    return values == (found[1] if high > low else found[0])


def _of_colours(pixels: np.ndarray, path: Path) -> Mask:
    """A mask of three channels and opacity, uint8 [h, w, 4]."""
    opacity = pixels[..., 3]
    clear = opacity == 0
    colours = np.where(clear[..., None], 0, pixels[..., :3])
    red, green, blue = np.moveaxis(colours, -1, 0)
    if (red == green).all() and (green == blue).all():
        grey = np.ascontiguousarray(red)
        if clear.any() and not grey.any():  # black ink on a clear sheet
            grey = np.where(clear, 0, IGNORE).astype(np.uint8)
        return _mask(grey, _bright(grey, grey))
    packed = (colours.astype(np.uint32) * (1 << 16, 1 << 8, 1)).sum(-1)
    shades = np.asarray(Image.fromarray(np.ascontiguousarray(colours)).convert("L"))
    bright = _bright(packed, shades)
    if bright is None:
        raise InputError(
            f"mask {path} is coloured; paint the object white on black, or save it with a palette (and a picture that "
            "is no mask needs another name)"
        )
    return _mask(bright.astype(np.uint8) * np.uint8(IGNORE), bright)
