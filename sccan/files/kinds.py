"""What a file in a user's folder is, by its name."""

from __future__ import annotations

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
"""Of pictures of one's own."""
MASK_ENDINGS = ("", "_mask", ".mask", "-mask", "_label")
"""What may stand between a picture's name and .png in the name of its mask."""
IMAGE_FOLDERS = ("images", "JPEGImages")
LABEL_FOLDERS = ("labels", "masks", "SegmentationClassAug")
LABELME_FOLDERS = ("labelme", "annotations", *IMAGE_FOLDERS)
