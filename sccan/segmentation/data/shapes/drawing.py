"""Pictures of the embedded data set `shapes`: outlines, textures, and the scenes made of them.

A class is a pair of an outline and a texture; neither alone tells the class, and colours are drawn without looking at
it. Coordinates are (x, y) in pixels, x to the right and y downwards; textures are functions of coordinates (u, v) that
turn with the object.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
Contour = NDArray[np.float64]
Pattern = NDArray[np.bool_]

IGNORE = 255
LEAST_VISIBLE = 0.6  # of an object's area, whatever is drawn over it
FIXED_POINT_BITS = 4  # of OpenCV's polygon coordinates
SUPERSAMPLING = 4  # small pixels along the side of a pixel, for smooth edges


def _polygon(radii: NDArray[np.float64], angles: NDArray[np.float64]) -> Contour:
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)


def _regular(corners: int, radius: float = 1.0) -> Contour:
    return _polygon(np.full(corners, radius), np.linspace(0, 2 * np.pi, corners, endpoint=False))


def _zigzag_radius(points: int, outer: float, inner: float) -> Contour:
    radii = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    return _polygon(radii, np.linspace(0, 2 * np.pi, 2 * points, endpoint=False))


def _cross(arm: float) -> Contour:
    a = arm
    corners = [
        (-a, -1),
        (a, -1),
        (a, -a),
        (1, -a),
        (1, a),
        (a, a),
        (a, 1),
        (-a, 1),
        (-a, a),
        (-1, a),
        (-1, -a),
        (-a, -a),
    ]
    return np.array(corners, dtype=np.float64)


def _crescent() -> Contour:
    """Between a circle and a larger one through its horns."""
    outer = np.linspace(0.25 * np.pi, 1.75 * np.pi, 40)
    horn = np.sqrt(0.5)
    inner = np.linspace(1.5 * np.pi, 0.5 * np.pi, 24)
    return np.concatenate(
        [_polygon(np.ones(40), outer), np.stack([horn + 0.75 * np.cos(inner), horn * np.sin(inner)], axis=1)[1:-1]]
    )


def _gear() -> Contour:
    step = np.linspace(0, 2 * np.pi, 8, endpoint=False)[:, None] + np.array([-0.22, -0.16, 0.16, 0.22])
    radii = np.tile([0.68, 1.0, 1.0, 0.68], 8)
    return _polygon(radii, step.ravel())


def _heart() -> Contour:
    t = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x, y + 2.5], axis=1)


ARROW = np.array(
    [(-1, -0.35), (0.05, -0.35), (0.05, -0.95), (1.1, 0), (0.05, 0.95), (0.05, 0.35), (-1, 0.35)], np.float64
)

# Contours; a point is inside where it lies in an odd number of them.
OUTLINES: dict[str, list[Contour]] = {
    "disc": [_regular(48)],
    "triangle": [_regular(3)],
    "star": [_zigzag_radius(5, 1.0, 0.42)],
    "cross": [_cross(0.33)],
    "ring": [_regular(48), _regular(40, 0.52)],
    "square": [_regular(4)],
    "crescent": [_crescent()],
    "heart": [_heart()],
    "gear": [_gear()],
    "arrow": [ARROW],
}


def _area(contour: Contour) -> float:
    x, y = contour.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def _unit_area(contours: list[Contour]) -> list[Contour]:
    """Scaled to the area of the unit circle, so that size does not tell the outline."""
    area = _area(contours[0]) - sum(_area(hole) for hole in contours[1:])
    return [contour * np.sqrt(np.pi / area) for contour in contours]


UNIT_OUTLINES = {name: _unit_area(contours) for name, contours in OUTLINES.items()}


def _wrap(x: Array) -> Array:
    """Distance to the nearest integer, in [0, 0.5]."""
    return np.abs(x - np.rint(x))


def _speckle(u: Array, v: Array, random: np.random.Generator) -> Pattern:
    """Irregular spots about half a period wide, made of blurred noise."""
    noise = random.standard_normal(u.shape).astype(np.float32)
    period = 1.0 / max(float(np.hypot(u[0, 1] - u[0, 0], u[1, 0] - u[0, 0])), 1e-3)
    return cv2.GaussianBlur(noise, (0, 0), 0.22 * period, borderType=cv2.BORDER_REFLECT) > 0


Texture = Callable[[Array, Array, np.random.Generator], Pattern]

# Pattern at (u, v), in periods of the pattern from the middle of the object: True for the second colour.
TEXTURES: dict[str, Texture] = {
    "stripes": lambda u, v, random: _wrap(u) < 0.25,
    "dots": lambda u, v, random: np.hypot(_wrap(u), _wrap(v)) < 0.33,
    "checks": lambda u, v, random: (_wrap(u / 1.5) < 0.25) ^ (_wrap(v / 1.5) < 0.25),
    "ripples": lambda u, v, random: _wrap(np.hypot(u, v)) < 0.25,
    "speckle": _speckle,
    "zigzag": lambda u, v, random: _wrap(u + 1.2 * _wrap(v / 1.6)) < 0.25,
    "grid": lambda u, v, random: np.minimum(_wrap(u), _wrap(v)) < 0.14,
    "bricks": lambda u, v, random: (_wrap(v) < 0.13) | (_wrap(u / 2 + 0.5 * (np.floor(v) % 2)) < 0.075),
    "spokes": lambda u, v, random: _wrap(np.arctan2(v, u) * 5 / np.pi) < 0.25,
    "plaid": lambda u, v, random: (_wrap(u / 2) < 0.25) & (_wrap(v) < 0.5 * _wrap(u) + 0.15),
}


@dataclass(frozen=True)
class Look:
    """What may appear in the pictures of one universe of classes.

    Attributes:
        outlines: outline names.
        textures: texture names.
        classes: outline and texture of class 1, 2, ...
    """

    outlines: tuple[str, ...]
    textures: tuple[str, ...]
    classes: tuple[tuple[str, str], ...]

    def relatives(self, label: int) -> list[int]:
        """The other classes with the same outline or the same texture."""
        outline, texture = self.classes[label - 1]
        return [
            other
            for other, (its_outline, its_texture) in enumerate(self.classes, start=1)
            if other != label and (its_outline == outline or its_texture == texture)
        ]


@dataclass
class Canvas:
    """A picture in the making.

    Attributes:
        image: RGB in [0, 255], float32 [H, W, 3].
        label: class numbers, 0 for background, uint8 [H, W].
        owner: number of the object that a pixel shows, 0 for none, uint8 [H, W].
        areas: area of each object before others covered it.
    """

    image: Array
    label: NDArray[np.uint8]
    owner: NDArray[np.uint8]
    areas: list[int]


def draw_scene(look: Look, size: int, random: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A picture and its label.

    Returns:
        RGB uint8 [size, size, 3]; label uint8 [size, size]: 0 background, class numbers, 255 along every contour.
    """
    canvas = Canvas(
        background(size, random), np.zeros((size, size), np.uint8), np.zeros((size, size), np.uint8), areas=[]
    )
    for _ in range(random.integers(1, 5)):
        draw_clutter(canvas, look, random)
    for label in choose_classes(look, random):
        place_object(canvas, look, label, random)
    return finish(canvas.image, random), with_rims(canvas.label, canvas.owner)


def choose_classes(look: Look, random: np.random.Generator) -> list[int]:
    """One to four different classes; a companion often shares the outline or the texture of the first."""
    first = int(random.integers(1, len(look.classes) + 1))
    chosen = [first]
    for _ in range(random.choice(4, p=[0.15, 0.35, 0.3, 0.2])):
        pool = look.relatives(first) if random.random() < 0.5 else range(1, len(look.classes) + 1)
        left = [label for label in pool if label not in chosen]
        if left:
            chosen.append(int(random.choice(left)))
    return [int(label) for label in random.permutation(chosen)]


def background(size: int, random: np.random.Generator) -> Array:
    """Soft colours under grain of several sizes."""
    image = np.empty((size, size, 3), np.float32)
    image[:] = random.uniform(40, 215, 3)
    for cells, spread in ((4, 35.0), (12, 18.0), (40, 12.0)):
        noise = random.standard_normal((cells, cells, 3)).astype(np.float32)
        image += spread * random.uniform(0.3, 1.0) * cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    return image


def two_colours(random: np.random.Generator) -> tuple[Array, Array]:
    """Colours that can be told apart, without regard to what is drawn with them."""
    while True:
        first, second = random.uniform(0, 255, (2, 3)).astype(np.float32)
        if np.abs(first - second).mean() > 60:
            return first, second


def textured(texture: str, size: int, centre: tuple[float, float], period: float, random: np.random.Generator) -> Array:
    """The whole picture filled with one texture, [size, size, 3]."""
    angle = random.uniform(0, 2 * np.pi)
    x = np.arange(size, dtype=np.float32)[None, :] - centre[0]
    y = np.arange(size, dtype=np.float32)[:, None] - centre[1]
    cosine, sine = np.float32(np.cos(angle) / period), np.float32(np.sin(angle) / period)
    pattern = TEXTURES[texture](cosine * x + sine * y, cosine * y - sine * x, random)[..., None]
    first, second = two_colours(random)
    return np.where(pattern, second, first)


def random_outline(
    outline: str, radius: float, centre: tuple[float, float], random: np.random.Generator
) -> list[Contour]:
    """Contours in pixels, turned by any angle, one side up to 18 % longer than it should be."""
    angle, stretch = random.uniform(0, 2 * np.pi), np.exp(random.uniform(-0.165, 0.165))
    skew = random.uniform(0, 2 * np.pi)
    squeeze = rotation(skew) @ np.diag([stretch, 1 / stretch]) @ rotation(-skew)
    transform = radius * (squeeze @ rotation(angle))
    return [contour @ transform.T + np.array(centre) for contour in UNIT_OUTLINES[outline]]


def rotation(angle: float) -> NDArray[np.float64]:
    """2 x 2 matrix."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def fill(contours: list[Contour], size: int) -> Array:
    """Coverage in [0, 1] of the inside of the contours, [size, size]."""
    # Drawn larger and averaged: OpenCV's own smooth edges add half a pixel all around.
    mask = np.zeros((SUPERSAMPLING * size, SUPERSAMPLING * size), np.uint8)
    scale = SUPERSAMPLING << FIXED_POINT_BITS
    offset = 0.5 - 0.5 / SUPERSAMPLING  # between the centres of a large pixel and of its first small one
    fixed = [np.rint((contour + offset) * scale).astype(np.int32) for contour in contours]
    cv2.fillPoly(mask, fixed, 255, shift=FIXED_POINT_BITS)
    return cv2.resize(mask, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def paint(canvas: Canvas, coverage: Array, colours: Array) -> None:
    """Colours over the picture where coverage is 1, mixed at the edge."""
    canvas.image += coverage[..., None] * (colours - canvas.image)


def draw_clutter(canvas: Canvas, look: Look, random: np.random.Generator) -> None:
    """Something that belongs to no class: a texture without outline, an outline without texture, a patch or a line."""
    size = len(canvas.image)
    centre = (random.uniform(0, size), random.uniform(0, size))
    kind = random.choice(["texture", "outline", "patch", "line"], p=[0.3, 0.25, 0.25, 0.2])
    if kind == "line":
        width = int(random.integers(1, 4))
        ends = [tuple(int(value) for value in random.integers(-10, size + 10, 2)) for _ in range(2)]
        mask = np.zeros((size, size), np.uint8)
        cv2.line(mask, ends[0], ends[1], 255, width, lineType=cv2.LINE_AA)
        paint(canvas, mask.astype(np.float32) / 255, two_colours(random)[0])
        return
    radius = random.uniform(0.11, 0.23) * size
    if kind == "outline":
        contours = random_outline(str(random.choice(look.outlines)), radius, centre, random)
    else:
        angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(5, 9)))
        contours = [_polygon(radius * random.uniform(0.6, 1.5, len(angles)), angles) + np.array(centre)]
    if kind == "texture":
        colours = textured(str(random.choice(look.textures)), size, centre, random_period(radius, random), random)
    else:
        colours = background(size, random)
    paint(canvas, fill(contours, size), colours)


def random_period(radius: float, random: np.random.Generator) -> float:
    """Pixels from one repetition of a texture to the next; grows a little with what it covers."""
    return float(random.uniform(0.85, 1.2) * (3.0 + 0.18 * radius))


def place_object(canvas: Canvas, look: Look, label: int, random: np.random.Generator) -> None:
    """One object of a class, at a place where it hides nobody's better part; left out if there is none."""
    size = len(canvas.image)
    outline, texture = look.classes[label - 1]
    number = len(canvas.areas) + 1
    for _ in range(12):
        radius = np.exp(random.uniform(np.log(0.125), np.log(0.25))) * size
        centre = tuple(random.uniform(0.8 * radius, size - 0.8 * radius, 2))
        coverage = fill(random_outline(outline, radius, centre, random), size)
        inside = coverage > 0.5
        owner = np.where(inside, number, canvas.owner).astype(np.uint8)
        visible = np.bincount(owner.ravel(), minlength=number + 1)[1:number]
        if np.all(visible >= LEAST_VISIBLE * np.array(canvas.areas)):
            break
    else:
        return
    colours = textured(texture, size, centre, random_period(radius, random), random)
    paint(canvas, coverage, shaded(colours, random))
    canvas.owner = owner
    canvas.label[inside] = label
    canvas.areas.append(int(inside.sum()))


def shaded(colours: Array, random: np.random.Generator) -> Array:
    """Light that falls off from one side of the picture to the other."""
    size = len(colours)
    angle, strength = random.uniform(0, 2 * np.pi), random.uniform(0, 0.5)
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    light = 1 + strength * (float(np.cos(angle)) * ramp[None, :] + float(np.sin(angle)) * ramp[:, None])
    return colours * light[..., None]


def finish(image: Array, random: np.random.Generator) -> NDArray[np.uint8]:
    """Blur, contrast, brightness and sensor noise."""
    image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.4, 0.9))
    image = 127 + (image - 127) * random.uniform(0.75, 1.1) + random.uniform(-15, 15)
    image = image + random.uniform(2, 9) * random.standard_normal(image.shape, dtype=np.float32)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def with_rims(label: NDArray[np.uint8], owner: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The label with 255 on both sides of every contour of an object, two pixels wide in all."""
    kernel = np.ones((3, 3), np.uint8)
    return np.where(cv2.dilate(owner, kernel) != cv2.erode(owner, kernel), np.uint8(IGNORE), label)
