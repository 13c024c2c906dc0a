"""The public face for pictures of one's own: `load` a trained model, show it `Supports`, ask it about pictures.

import sccan
segmenter = sccan.load("runs/coco_mini_split0")
supports = sccan.Supports.from_folder("examples")
result = segmenter(supports, "photo.jpg")
"""

from sccan.predict.classifier import ClassifiedPicture, Classifier
from sccan.predict.embedding import Embedding
from sccan.predict.loading import load
from sccan.predict.segmenter import SegmentedPicture, Segmenter
from sccan.predict.supports import Example, Supports

__all__ = [
    "ClassifiedPicture",
    "Classifier",
    "Embedding",
    "Example",
    "SegmentedPicture",
    "Segmenter",
    "Supports",
    "load",
]
