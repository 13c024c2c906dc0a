"""Few-shot segmentation and classification: SCCAN and its relatives, from a config to an honest number.

import sccan
segmenter = sccan.load("runs/coco_mini_split0")
result = segmenter(sccan.Supports.from_folder("examples"), "photo.jpg")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sccan.predict import Embedding, Supports, load

__version__ = "0.1.0"
__all__ = ["Embedding", "Supports", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """What is imported when it is asked for, as it takes torch with it, which takes seconds."""
    if name in ("Embedding", "Supports", "load"):
        from sccan import predict

        return getattr(predict, name)
    raise AttributeError(f"module 'sccan' has no attribute {name!r}")
