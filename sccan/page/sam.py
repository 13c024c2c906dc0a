"""Boxes fitted by an ONNX pair of SAM's kind: an encoder that looks at a picture once, a decoder that answers prompts.

Kirillov et al., "Segment Anything" (2023); the pair is what its authors' export script, and MobileSAM's, write: the
encoder takes 1 x 3 x 1024 x 1024 (longer side 1024, zeros below and to the right), the decoder a box as two points
labelled 2 and 3.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from sccan.engine.onnx_graph import session_of
from sccan.errors import InputError
from sccan.page.fitting import Box, within
from sccan.report.pictures import resize_image

SIDE = 1024
MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Of SAM's own training, on the 0-255 scale."""
HELD = 8
"""Pictures whose embeddings are held, 4 MB each."""
PROMPTS = {"image_embeddings", "point_coords", "point_labels", "mask_input", "has_mask_input", "orig_im_size"}


class Sam:
    """A pair of files, as a `Fitter`."""

    def __init__(self, encoder: Path, decoder: Path) -> None:
        """Raises InputError: onnxruntime is missing, or a file is not the half that it should be."""
        self._encoder, self._decoder = _session(encoder), _session(decoder)
        if len(self._encoder.get_inputs()) != 1 or self._encoder.get_inputs()[0].shape[-2:] != [SIDE, SIDE]:
            raise InputError(f"{encoder} is no encoder of SAM's kind: expected one input, 1 x 3 x {SIDE} x {SIDE}")
        missing = PROMPTS - {one.name for one in self._decoder.get_inputs()}
        if missing:
            raise InputError(f"{decoder} is no decoder of SAM's kind: it has no input {', '.join(sorted(missing))}")
        self._known: OrderedDict[str, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def fit(self, image: np.ndarray, box: Box) -> np.ndarray:
        """See `Fitter`. The first box in a picture takes seconds, all others a moment."""
        height, width = image.shape[:2]
        corners = np.array([[box[0], box[1]], [box[2], box[3]]], np.float32) * (SIDE / max(height, width))
        with self._lock:
            masks = self._decoder.run(
                ["masks"],
                {
                    "image_embeddings": self._embedding(image),
                    "point_coords": corners[None],
                    "point_labels": np.array([[2, 3]], np.float32),
                    "mask_input": np.zeros((1, 1, 256, 256), np.float32),
                    "has_mask_input": np.zeros(1, np.float32),
                    "orig_im_size": np.array([height, width], np.float32),
                },
            )[0]
        return within(masks[0, 0] > 0, box)

    def _embedding(self, image: np.ndarray) -> np.ndarray:
        key = hashlib.sha256(np.ascontiguousarray(image).data).hexdigest()
        if key not in self._known:
            scale = SIDE / max(image.shape[:2])
            size = (max(1, round(image.shape[0] * scale)), max(1, round(image.shape[1] * scale)))
            canvas = np.zeros((1, 3, SIDE, SIDE), np.float32)
            pixels = (resize_image(image, size).astype(np.float32) - MEAN) / STD
            canvas[0, :, : size[0], : size[1]] = pixels.transpose(2, 0, 1)
            self._known[key] = self._encoder.run(None, {self._encoder.get_inputs()[0].name: canvas})[0]
            while len(self._known) > HELD:
                self._known.popitem(last=False)
        return self._known[key]


def _session(path: Path) -> Any:
    if not path.is_file():
        raise InputError(f"there is no file {path}; give the encoder's .onnx and the decoder's")
    return session_of(path, threads=0, what="a pair of files of SAM's kind", extra="sam")
