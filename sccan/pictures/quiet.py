"""Decoders that say on stderr what they think of a file are silenced: what is wrong with it is an error of ours."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import logging

import cv2
from PIL import Image

SILENT = 0
"""OpenCV's level of messages at which it has none; its libtiff speaks through it."""


@functools.cache
def silence_decoders() -> None:
    """Silences OpenCV, Pillow and the libtiff that it is linked to, for the whole process, once.

    They raise or return nothing where they fail, which is what we go by. libjpeg and libpng within OpenCV cannot be
    silenced: `decoding` hands them only what has been decoded, or checked, before.
    """
    cv2.utils.logging.setLogLevel(SILENT)
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    with contextlib.suppress(OSError, AttributeError):  # a Pillow without libtiff, or with one that is built in
        set_handler = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler
        set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
        set_handler(None)
