"""Features of a folder's pictures in one file: for `classify`, for clustering and search, and for other programs.

>>> import sccan
>>> features = sccan.load("classify").embed("photos")  # doctest: +SKIP
>>> features.save("features.safetensors")  # doctest: +SKIP

A safetensors file: the tensor ``vectors`` float32 [n, C], and as metadata the pictures' names in the same order (a JSON
list) and what they were computed with. Whoever can read safetensors can read it.
Letters: n pictures, C channels.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor

from sccan.backbones.tensor_files import open_tensors, tensor_bytes
from sccan.builders.backbones import backbone_name
from sccan.builders.released.trained import Trained
from sccan.episodes.episode import Features
from sccan.episodes.stacking import picture_vectors
from sccan.errors import InputError
from sccan.files.reading import regular_file
from sccan.files.writing import written_beside
from sccan.pictures.photos import Photo

FORMAT = "sccan-embedding-1"
VECTORS = "vectors"


@dataclass(frozen=True)
class Origin:
    """What features are features of; those of another origin cannot be compared.

    Attributes:
        backbone: its name.
        weights: digest of the model's weights.
        stage: whose map was averaged over its positions.
        side: height and width of the network's input, in pixels.
        precision: that the network computed in.
    """

    backbone: str
    weights: str
    stage: str
    side: tuple[int, int]
    precision: str


@dataclass(frozen=True, eq=False)
class Embedding:
    """One vector per picture.

    Attributes:
        names: of the pictures, each once.
        vectors: float32 [n, C], in their order.
        origin: what they were computed with.
    """

    names: tuple[str, ...]
    vectors: Tensor
    origin: Origin

    def save(self, path: str | Path) -> Path:
        """Writes the file, whole or not at all.

        Raises InputError: it cannot be written.
        """
        about = {
            "format": FORMAT,
            "names": json.dumps(self.names, ensure_ascii=False),
            "backbone": self.origin.backbone,
            "weights": self.origin.weights,
            "stage": self.origin.stage,
            "side": "{} {}".format(*self.origin.side),
            "precision": self.origin.precision,
        }
        with written_beside(path) as beside:
            beside.write_bytes(tensor_bytes({VECTORS: self.vectors.contiguous()}, about))
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Reads the file.

        Raises InputError: it is missing, damaged, or no such file.
        """
        regular_file(Path(path), "features")
        try:
            with open_tensors(Path(path)) as stored:
                about = stored.metadata() or {}
                if about.get("format") != FORMAT:
                    raise ValueError(f"its format is {str(about.get('format', 'not named'))[:40]!r}, not {FORMAT}")
                vectors = stored.get_tensor(VECTORS)
            names = json.loads(about["names"])
            height, width = (int(side) for side in about["side"].split())
            origin = Origin(about["backbone"], about["weights"], about["stage"], (height, width), about["precision"])
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise InputError(f"{path} holds no features of pictures ({error}); make them with sccan embed") from error
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{path} names its pictures by something else than a list of texts; make it again")
        fits = vectors.dtype == torch.float32 and vectors.ndim == 2 and vectors.shape[1] > 0
        if not fits or len(vectors) != len(names) or len(set(names)) != len(names) or not names:
            raise InputError(
                f"{path} holds {vectors.dtype} {list(vectors.shape)} for {len(set(names))} names; expected a float32 "
                "vector for each of at least one picture; make it again"
            )
        if not vectors.isfinite().all():
            raise InputError(f"{path} holds numbers that are not finite; make it again")
        return cls(tuple(names), vectors, origin)

    def require(self, origin: Origin) -> None:
        """Raises InputError: these features are not those of a model that computes with `origin`."""
        for what in ("backbone", "weights", "stage", "side", "precision"):
            found, wanted = getattr(self.origin, what), getattr(origin, what)
            if found != wanted:
                raise InputError(
                    f"the features were made with {what} {found}, but the model has {wanted}; make them again with "
                    "sccan embed and this model"
                )

    def of(self, names: Sequence[str]) -> Self:
        """The features of some pictures, in the order of their names.

        Raises InputError: there are none of a picture.
        """
        places = {name: place for place, name in enumerate(self.names)}
        missing = [name for name in names if name not in places]
        if missing:
            raise InputError(
                f"there are no features of {len(missing)} of {len(names)} pictures ({missing[0]}); make them again "
                "with sccan embed"
            )
        return type(self)(tuple(names), self.vectors[[places[name] for name in names]], self.origin)

    @property
    def features(self) -> Features:
        """As a method on frozen vectors keeps them: maps [n, C, 1, 1] of a single cell."""
        return Features({self.origin.stage: self.vectors[..., None, None]}, self.origin.side)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"Embedding({len(self)} pictures, {self.vectors.shape[1]} numbers each, {self.origin.backbone})"


def embedded(
    trained: Trained,
    encode: Callable[[list[np.ndarray]], Features],
    groups: Iterable[list[tuple[Photo, np.ndarray]]],
    *,
    precision: str,
    advance: Callable[[int], object] = int,
) -> Embedding:
    """The deepest maps of pictures, averaged over their positions.

    Args:
        trained: whose backbone computes them.
        encode: gives features of pictures RGB uint8 [h, w, 3].
        groups: of pictures that are encoded together, with their names, each once.
        precision: of the network.
        advance: is told how many pictures more are done.

    Raises InputError: there is no picture.
    """
    names, vectors, stage, side = [], [], "", (0, 0)
    for group in groups:
        features = encode([image for _, image in group])
        names += [photo.name for photo, _ in group]
        vectors.append(picture_vectors(features))
        stage, side = features.deepest, features.image_size
        advance(len(group))
    if not names:
        raise InputError("none of the pictures can be read, so there are no features to keep")
    origin = Origin(backbone_name(trained.cfg), trained.digest, stage, side, precision)
    return Embedding(tuple(names), torch.cat(vectors), origin)
