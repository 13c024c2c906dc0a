"""Masks, score maps and errors drawn onto pictures, in colours that colour-blind readers can tell apart.

Pictures are RGB uint8 [H, W, 3]; masks are uint8 [H, W] with 1 foreground, 0 background and 255 ignored.
"""

import io
from typing import Literal

import cv2
import numpy as np
from PIL import Image

# Okabe and Ito's palette: distinct under every common colour blindness.
ORANGE = (230, 159, 0)
SKY = (86, 180, 233)
GREEN = (0, 158, 115)
YELLOW = (240, 228, 66)
BLUE = (0, 114, 178)
VERMILLION = (213, 94, 0)

SUPPORT = ORANGE
TRUTH = SKY
HIT = GREEN
FALSE_ALARM = VERMILLION
MISSED = YELLOW
IGNORED = (128, 128, 128)

FOREGROUND, IGNORE = 1, 255

Colour = tuple[int, int, int]


def overlay(image: np.ndarray, mask: np.ndarray, colour: Colour, opacity: float = 0.5) -> np.ndarray:
    """The picture with the mask's foreground tinted and outlined, and its ignored pixels hatched in grey.

    The outline is a bright line with a dark rim, so that it shows on light, dark and equally coloured backgrounds.

    Args:
        image: RGB uint8, [H, W, 3].
        mask: 0 background, 1 foreground, 255 ignored, [H, W].
        opacity: share of the colour inside the mask, in [0, 1].
    """
    _check(image, mask)
    foreground = mask == FOREGROUND
    drawn = hatch(image, mask == IGNORE, IGNORED)
    drawn = tint(drawn, foreground, colour, opacity)
    return outline(drawn, foreground, colour)


def errors(image: np.ndarray, prediction: np.ndarray, truth: np.ndarray, opacity: float = 0.6) -> np.ndarray:
    """The picture with hits, false alarms and missed pixels in three colours; ignored pixels are hatched in grey.

    Missed pixels are hatched too, in their own colour: what is not there can be told from what is wrongly there
    without seeing colour.

    Args:
        image: RGB uint8, [H, W, 3].
        prediction: 1 where foreground is predicted, [H, W].
        truth: 0 background, 1 foreground, 255 ignored, [H, W].
        opacity: share of the colour, in [0, 1].
    """
    _check(image, prediction)
    _check(image, truth)
    predicted, there, counted = prediction == FOREGROUND, truth == FOREGROUND, truth != IGNORE
    drawn = hatch(image, ~counted, IGNORED)
    drawn = tint(drawn, predicted & there, HIT, opacity)
    drawn = tint(drawn, predicted & ~there & counted, FALSE_ALARM, opacity)
    drawn = hatch(tint(drawn, ~predicted & there, MISSED, 0.25), ~predicted & there, MISSED, opacity=0.9)
    return outline(drawn, there, (255, 255, 255))


def heat_map(values: np.ndarray, image: np.ndarray | None = None) -> np.ndarray:
    """A map of scores in the colours of `cividis` (dark blue 0, yellow 1), over the grey picture if there is one.

    Args:
        values: scores in [0, 1], [h, w]; with a picture they are brought to its size.
        image: RGB uint8, [H, W, 3], or None.
    """
    if values.ndim != 2:
        raise ValueError(f"a heat map needs values [h, w], not {values.shape}")
    values = values.astype(np.float32)
    if image is not None:
        values = cv2.resize(values, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    levels = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    coloured = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_CIVIDIS), cv2.COLOR_BGR2RGB)
    if image is None:
        return coloured
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return _blend(grey, coloured, 0.75)


def tint(image: np.ndarray, where: np.ndarray, colour: Colour, opacity: float) -> np.ndarray:
    """The picture with `colour` laid over the pixels of a boolean mask [H, W]."""
    drawn = image.copy()
    drawn[where] = _blend(image[where], np.asarray(colour, np.uint8), opacity)
    return drawn


def hatch(image: np.ndarray, where: np.ndarray, colour: Colour, opacity: float = 0.8) -> np.ndarray:
    """The picture with diagonal stripes of `colour` over the pixels of a boolean mask [H, W]; half of them change."""
    rows, columns = np.arange(where.shape[0])[:, None], np.arange(where.shape[1])
    width = _line_width(image) + 1
    return tint(image, where & ((rows + columns) // width % 2 == 0), colour, opacity)


def outline(image: np.ndarray, where: np.ndarray, colour: Colour) -> np.ndarray:
    """The picture with the inner border of a boolean mask [H, W] in `colour`, and a dark rim around it."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    mask, width = where.astype(np.uint8), _line_width(image)
    # Beyond the picture the mask goes on: a mask that touches the edge is not closed by a line along it.
    inner = cv2.erode(mask, kernel, iterations=width, borderType=cv2.BORDER_REPLICATE)
    outer = cv2.dilate(mask, kernel, iterations=max(1, width // 2), borderType=cv2.BORDER_REPLICATE)
    drawn = tint(image, outer > mask, (0, 0, 0), 0.7)
    return tint(drawn, mask > inner, colour, 1.0)


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A picture at another (height, width): averaged when it shrinks, interpolated when it grows."""
    shrinks = size[0] * size[1] < image.shape[0] * image.shape[1]
    return cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask at another (height, width), every value one of the old ones."""
    return cv2.resize(mask.astype(np.uint8), (size[1], size[0]), interpolation=cv2.INTER_NEAREST_EXACT)


def encode(image: np.ndarray, kind: Literal["png", "webp", "jpeg"] = "png") -> bytes:
    """The bytes of a picture file: lossless PNG, or WebP or JPEG of high quality at about a tenth of the size."""
    buffer = io.BytesIO()
    if kind == "png":
        Image.fromarray(image).save(buffer, "PNG", optimize=True)
    elif kind == "jpeg":
        Image.fromarray(image).save(buffer, "JPEG", quality=90)
    else:
        Image.fromarray(image).save(buffer, "WEBP", quality=88, method=4)
    return buffer.getvalue()


def _blend(below: np.ndarray, above: np.ndarray, opacity: float) -> np.ndarray:
    mixed = below.astype(np.float32) * (1 - opacity) + above.astype(np.float32) * opacity
    return np.rint(mixed).astype(np.uint8)


def _line_width(image: np.ndarray) -> int:
    """Lines about 1 % of the picture's shorter side wide, never thinner than a pixel."""
    return max(1, round(min(image.shape[:2]) / 120))


def _check(image: np.ndarray, mask: np.ndarray) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"a picture is uint8 [H, W, 3], not {image.dtype} {image.shape}")
    if mask.shape != image.shape[:2]:
        raise ValueError(f"mask {mask.shape} and picture {image.shape[:2]} differ in size")
