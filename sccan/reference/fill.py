"""Deterministic weights and inputs for the reference cases.

A reference case records what a published implementation computes for weights and inputs that anyone can
rebuild: every tensor is drawn from a generator seeded by the tensor's own name, so neither the weights nor the
inputs have to be stored.  `case.json` names the tensors (the published implementation's parameter names) and the
inputs; `case.npz` holds what came out.

Names are part of the recipe: a weight is filled under the name that the published checkpoint gives it, and is then
mapped to whatever this project calls it.  That is the same path a user's downloaded checkpoint takes.
"""

import math
import zlib

import numpy as np


def generator(name: str, seed: int = 0) -> np.random.Generator:
    """A generator that depends on nothing but `name` and `seed`."""
    return np.random.default_rng([zlib.crc32(name.encode()), seed])


def weight(name: str, shape: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> np.ndarray:
    """The value of the parameter or buffer `name` of a published checkpoint.

    Counters (integer buffers) are 0; running variances lie in [0.5, 1.5]; vectors whose name ends in `weight`
    (norm scales) lie near 1; other vectors and scalars near 0; matrices and kernels are normal with standard
    deviation sqrt(1 / fan_in), so that activations keep their size through the network.
    """
    rng = generator(name, seed)
    if not np.issubdtype(np.dtype(dtype), np.floating):
        return np.zeros(shape, dtype)
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "running_var":
        value = rng.uniform(0.5, 1.5, shape)
    elif len(shape) <= 1 and leaf == "weight":
        value = 1 + 0.1 * rng.standard_normal(shape)
    elif len(shape) <= 1:
        value = 0.1 * rng.standard_normal(shape)
    else:
        fan_in = math.prod(shape[1:])
        value = rng.standard_normal(shape) * math.sqrt(1 / fan_in)
    return value.astype(dtype)


def state_dict(manifest: dict[str, list], seed: int = 0) -> dict[str, np.ndarray]:
    """All weights of a case: `manifest` maps a name to [shape, dtype], as `case.json` holds it."""
    return {name: weight(name, tuple(shape), dtype, seed) for name, (shape, dtype) in manifest.items()}


def image(name: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Normalised images (..., 3, H, W), float32: standard normal noise smoothed over 8x8 blocks, plus fine noise."""
    rng = generator(name, seed)
    *lead, channels, height, width = shape
    coarse = rng.standard_normal((*lead, channels, -(-height // 8), -(-width // 8)))
    coarse = coarse.repeat(8, axis=-2).repeat(8, axis=-1)[..., :height, :width]
    return (coarse + 0.25 * rng.standard_normal(shape)).astype("float32")


def mask(name: str, shape: tuple[int, ...], ignore: bool = False, seed: int = 0) -> np.ndarray:
    """Binary masks (..., H, W), int64: one filled ellipse each on 0; with `ignore`, a rim of 255 around it."""
    rng = generator(name, seed)
    *lead, height, width = shape
    out = np.zeros(shape, "int64")
    rows, cols = np.mgrid[:height, :width]
    for index in np.ndindex(*lead):
        cy, cx = rng.uniform(0.35, 0.65, 2) * (height, width)
        ry, rx = rng.uniform(0.15, 0.35, 2) * (height, width)
        distance = ((rows - cy) / ry) ** 2 + ((cols - cx) / rx) ** 2
        out[index][distance <= 1] = 1
        if ignore:
            out[index][(distance > 1) & (distance <= 1.15)] = 255
    return out


def label(name: str, shape: tuple[int, ...], classes: int, seed: int = 0) -> np.ndarray:
    """Class indices in [0, classes), int64."""
    return generator(name, seed).integers(0, classes, shape)


def feature(name: str, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Feature maps or vectors of any shape, float32: rectified normal noise, as a backbone's last ReLU gives."""
    return np.maximum(generator(name, seed).standard_normal(shape), 0).astype("float32")


def scene(name: str, size: tuple[int, int], object_share: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A picture with regions, normalised RGB (3, H, W) float32, and the mask of its object, (H, W) int64.

    Three vertical bands of background, a rectangle in the top left corner whose colour is near the object's, and one
    ellipse, the object; a band, the rectangle and the object have the same colours in every scene of one seed.
    `object_share` scales the ellipse's half axes.
    """
    height, width = size
    colours = 1.5 * generator("scene_colours", seed).standard_normal((5, 3))  # 3 bands, the rectangle, the object
    colours[3] = 0.6 * colours[4] + 0.4 * colours[3]
    rng = generator(name, seed)
    bands = np.minimum(np.arange(width) * 3 // width, 2) + rng.integers(0, 3)
    regions = np.broadcast_to(bands % 3, (height, width)).copy()
    regions[: height // 4, : width // 4] = 3
    centre, half = rng.uniform(0.4, 0.65, 2) * size, rng.uniform(0.18, 0.3, 2) * size * max(object_share, 1e-9)
    rows, cols = np.mgrid[:height, :width]
    inside = ((rows - centre[0]) / half[0]) ** 2 + ((cols - centre[1]) / half[1]) ** 2 <= 1
    regions[inside] = 4
    noise = image(name, (3, height, width), seed)
    return (colours[regions].transpose(2, 0, 1) + 0.35 * noise).astype("float32"), inside.astype("int64")


def toy_tokens(images: np.ndarray, channels: int, patch: int = 16, position: float = 1.0) -> np.ndarray:
    """What a made-up frozen encoder makes of pictures (N, 3, H, W): float32 maps (N, C, H / patch, W / patch).

    A patch embedding (weight "toy.patch.weight") plus `position` times five smooth functions of the place (y, x, y x,
    cos pi y, cos pi x with y, x in [-1, 1], weight "toy.position"), as a transformer's tokens carry their position.
    """
    number, _, height, width = images.shape
    rows, cols = height // patch, width // patch
    kernel = weight("toy.patch.weight", (channels, 3 * patch * patch)).astype("float64")
    cells = images.reshape(number, 3, rows, patch, cols, patch).transpose(0, 2, 4, 1, 3, 5)
    tokens = cells.reshape(number, rows, cols, -1).astype("float64") @ kernel.T
    y, x = np.meshgrid(np.linspace(-1, 1, rows), np.linspace(-1, 1, cols), indexing="ij")
    smooth = np.stack([y, x, y * x, np.cos(np.pi * y), np.cos(np.pi * x)], -1)
    tokens = tokens + position * smooth @ (5**0.5 * weight("toy.position", (channels, 5)).astype("float64").T)
    return tokens.transpose(0, 3, 1, 2).astype("float32")
