"""What a file in a user's folder is, by its name."""

from __future__ import annotations

from pathlib import PurePath

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""Of pictures, in any case."""
TO_CONVERT = (
    *(".heic", ".heif", ".avif", ".gif", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2"),
    *(".jp2", ".psd", ".svg", ".pdf"),
)
"""Of pictures in forms that are not read."""
MASK_ENDINGS = ("", "_mask", ".mask", "-mask", "_label")
"""What may stand between a picture's name and .png in the name of its mask."""
IMAGE_FOLDERS = ("images", "JPEGImages", "img")
LABEL_FOLDERS = ("labels", "masks", "SegmentationClassAug", "SegmentationClass")
OBJECT_FOLDERS = ("SegmentationObject",)
"""Of masks that tell objects apart, without classes."""
LABELME_FOLDERS = ("labelme", "annotations", "ann", *IMAGE_FOLDERS)
BACKGROUND_NAMES = ("_background_", "background")
"""What tools call the pixels of no class."""
SIDE_FOLDERS = ("__macosx", "@eadir", "$recycle.bin", "system volume information")
"""Folders that systems leave among pictures, in lower case."""
SIDE_FILES = ("thumbs.db", "desktop.ini", "icon\r")
"""Files that they leave, likewise."""


JOURNAL = ".segment.jsonl"
"""In a folder with results of ``sccan segment``."""
OWN = (".sccan_export", ".made_by_sccan", JOURNAL, ".sccan")
"""Files and folders that this tool leaves; nobody needs to hear of them."""


def is_picture(path: PurePath) -> bool:
    """Whether a file's name is that of a picture (not whether it is one)."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def is_hidden(name: str) -> bool:
    """Whether the name of a file or folder says that it is none of the user's: hidden, or left there by a system."""
    return name.startswith(".") or name.lower() in (*SIDE_FOLDERS, *SIDE_FILES)
