"""Small models in files and small pictures of shapes, for the tests of what a user of the library does."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from sccan.builders.classification.data import build_classifier
from sccan.builders.released.checkpoint import model_settings
from sccan.builders.segmentation.models import build_method
from sccan.engine.checkpoint import write_weights
from sccan.settings.loading import config_of

SMALL = {"STEM": [4, 4, 8], "WIDTHS": [8, 8, 16, 16], "BLOCKS": [1, 1, 1, 1]}
SCCAN = {
    "METHOD": {"NAME": "sccan", "SCCAN": {"CHANNELS": 16, "GRID": [8, 8], "WINDOW": 4, "HEADS": 2, "DEPTH": 2}},
    "BACKBONE": {"NAME": "small", "SMALL": SMALL},
    "TEST": {"SIZE": 65},
}
CAN = {
    "METHOD": {"NAME": "can", "CAN": {"HIDDEN": 3}},
    "BACKBONE": {"NAME": "resnet12", "RESNET12": {"STEM": 4, "WIDTHS": [4, 6, 8, 10]}},
    "PICTURE": {"SIZE": [32, 48]},
}


def segmenter_file(folder: Path, name: str = "sccan.safetensors") -> Path:
    """A SCCAN with random weights whose settings stand in its header."""
    cfg = config_of(SCCAN, "made up")
    return _written(folder / name, build_method(cfg, (), pretrained=False), cfg)


def classifier_file(folder: Path, **can: object) -> Path:
    """A CAN with random weights, likewise."""
    cfg = config_of({**CAN, "METHOD": {"NAME": "can", "CAN": {"HIDDEN": 3, **can}}}, "made up")
    return _written(folder / "can.safetensors", build_classifier(cfg, 7), cfg)


def _written(path: Path, model: nn.Module, cfg) -> Path:  # type: ignore[no-untyped-def]
    generator = torch.Generator().manual_seed(1)
    for name, value in model.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5, generator=generator)
    write_weights(path, model.state_dict(), {"method": cfg.METHOD.NAME, "settings": model_settings(cfg)})
    return path


@contextlib.contextmanager
def little_memory(model: nn.Module, holds: int) -> Iterator[list[int]]:
    """Inside the block the model's backbone says that it holds so many pictures at most; how many it was given."""
    given: list[int] = []

    def look(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        given.append(len(inputs[0]))
        if len(inputs[0]) > holds:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")

    hook = model.get_submodule("backbone").register_forward_pre_hook(look)
    try:
        yield given
    finally:
        hook.remove()


def disc(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a bright disc: RGB uint8 [height, width, 3], and where the disc is, bool [height, width]."""
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 120, (height, width, 3), dtype=np.uint8)
    row, column = generator.uniform(0.35, 0.65, 2) * (height, width)
    rows, columns = np.ogrid[:height, :width]
    inside = (rows - row) ** 2 + (columns - column) ** 2 < (min(height, width) / 4) ** 2
    image[inside] = 255 - image[inside] // 4
    return image, inside


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    """An array as a picture file; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def white_on_black(mask: np.ndarray) -> np.ndarray:
    """A mask as drawing programs save it."""
    return mask.astype(np.uint8) * 255
