"""Pictures for a first look: spots on leaves, drawn from a seed, and one of them marked.

What an inspector or a biologist has: many pictures of one subject, no two alike in light, shape and place.
Letters: H W picture size.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sccan.files.made import made_before
from sccan.files.writing import write_bytes_atomically

SIZE = (240, 320)
"""Height and width of a picture."""
MARKED = "leaf_00"
"""Name of the picture that is marked."""
MASK = f"examples/{MARKED}_mask.png"

Array = NDArray[np.float64]


def write_leaves(folder: Path, *, count: int = 12, seed: int = 0) -> tuple[Path, Path]:
    """A folder of pictures, and a folder of one marked example.

    Args:
        folder: gets ``photos/`` and ``examples/``.
        count: pictures.
        seed: of all pictures; the same seed gives the same bytes.

    Returns:
        The folder of pictures, and that of the example.

    Raises InputError: the folder cannot be written.
    """
    photos = [f"photos/leaf_{number:02d}.png" for number in range(1, count + 1)]
    names = [f"examples/{MARKED}.png", *photos, MASK]
    made = made_before(folder, names, lambda place: (place / MASK).is_file(), advice="choose another --output")
    *pictures, mask = made.claim_all(names)
    for number, path in enumerate(pictures):
        image, spots = draw_leaf(np.random.default_rng([seed, number]))
        _write(path, image[..., ::-1])
        if number == 0:
            _write(mask, np.where(spots, 255, 0))
    return folder / "photos", folder / "examples"


def draw_leaf(random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A leaf with brown spots on a bench: RGB uint8 [H, W, 3], and where the spots are, [H, W]."""
    height, width = SIZE
    bench = random.uniform(150, 215) + 6 * grain(random, 40)
    image = bench[..., None] * random.uniform(0.93, 1.0, 3)
    centre = height / 2 + random.uniform(-15, 15), width / 2 + random.uniform(-25, 25)
    leaf = blob(random, centre, random.uniform(72, 88), stretch=random.uniform(1.25, 1.55), rough=0.1)
    green = np.array([72.0, 128.0, 54.0]) * random.uniform(0.8, 1.2)
    image[leaf] = (green + 9 * grain(random, 30)[..., None])[leaf]
    vein = cv2.morphologyEx(leaf.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    image[vein] *= 0.8
    spots = np.zeros(SIZE, bool)
    while spots.mean() < 0.02:
        for _ in range(random.integers(3, 7)):
            place = centre[0] + random.normal(0, 35), centre[1] + random.normal(0, 55)
            spot = blob(random, place, random.uniform(8, 17), stretch=random.uniform(1, 1.4), rough=0.25) & leaf
            halo = (cv2.dilate(spot.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0) & leaf
            image[halo] = np.array([158.0, 152.0, 70.0])
            image[spot] = (np.array([104.0, 70.0, 40.0]) + 10 * grain(random, 8)[..., None])[spot]
            spots |= spot
    light = random.uniform(0.85, 1.1) * (1 + 0.1 * np.linspace(-1, 1, width) * random.choice([-1, 1]))
    noisy = cv2.GaussianBlur(image * light[None, :, None], (0, 0), 0.8) + random.normal(0, 3, (height, width, 1))
    return np.clip(noisy, 0, 255).astype(np.uint8), spots


def grain(random: np.random.Generator, coarse: int) -> Array:
    """Smooth noise of deviation near 1, [H, W]; `coarse`: pixels from bump to bump."""
    height, width = SIZE
    small = random.normal(size=(height // coarse + 2, width // coarse + 2))
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def blob(
    random: np.random.Generator, centre: tuple[float, float], radius: float, *, stretch: float, rough: float
) -> NDArray[np.bool_]:
    """A closed outline that wobbles around an ellipse, filled, [H, W].

    Args:
        centre: row and column.
        radius: of the shorter side, in pixels.
        stretch: longer over shorter side.
        rough: size of the wobble, a share of the radius.
    """
    turn, angles = random.uniform(0, np.pi), np.linspace(0, 2 * np.pi, 90, endpoint=False)
    wobble = sum(rough / k * np.sin(k * angles + random.uniform(0, 2 * np.pi)) for k in (2, 3, 5))
    along, across = radius * stretch * (1 + wobble) * np.cos(angles), radius * (1 + wobble) * np.sin(angles)
    columns = centre[1] + along * np.cos(turn) - across * np.sin(turn)
    rows = centre[0] + along * np.sin(turn) + across * np.cos(turn)
    mask = np.zeros(SIZE, np.uint8)
    cv2.fillPoly(mask, [np.stack([columns, rows], axis=1).round().astype(np.int32)], 1)
    return mask > 0


def _write(path: Path, pixels: NDArray[np.generic]) -> None:
    write_bytes_atomically(path, cv2.imencode(".png", np.ascontiguousarray(pixels).astype(np.uint8))[1].tobytes())
