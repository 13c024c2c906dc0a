"""Whole maps of pictures in a folder, so that they need not be encoded again to be segmented from other examples.

>>> import sccan
>>> sccan.load("segment").keep_maps("photos", "maps")  # doctest: +SKIP
>>> segmenter = sccan.load("segment", maps="maps")  # doctest: +SKIP

FOLDER/maps.json             what they were computed with
FOLDER/DIGEST.safetensors    the maps of a picture, by a digest of its pixels: whatever it is called, wherever it lies
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from sccan.engine.feature_files import read_features, write_features
from sccan.episodes.episode import Features
from sccan.episodes.stacking import joined
from sccan.errors import InputError
from sccan.files.formats import MapsOrigin
from sccan.files.made import Made, made_before, says
from sccan.files.structured import read_json
from sccan.files.writing import write_json
from sccan.pictures.photos import Photo

ABOUT = "maps.json"
FORMAT = "sccan-maps-1"
ADVICE = "name another folder"


class KeptMaps:
    """A folder of maps.

    Attributes:
        folder: the folder.
    """

    def __init__(self, folder: str | Path, origin: MapsOrigin, like: Features, *, made: Made | None = None) -> None:
        """
        Args:
            folder: holds maps.
            origin: of the model that is to use them.
            like: that model's features of any picture.
            made: which files of the folder are ours; None: nothing is added to it.

        Raises InputError: it holds none, or those of another model.
        """
        self.folder, self._forms, self._made = Path(folder), _forms(like), made
        path = self.folder / ABOUT
        if not path.is_file():
            raise InputError(f"{folder} is no folder of maps: there is no {path}; make one with sccan embed --maps")
        _require(path, origin, "make them again with sccan embed --maps and this model")

    @classmethod
    def begin(cls, folder: str | Path, origin: MapsOrigin, like: Features) -> KeptMaps:
        """A folder that maps can be added to; what it holds already is kept.

        Raises InputError: it holds those of another model or a file of somebody else's, or cannot be written.
        """
        path = Path(folder) / ABOUT
        made = made_before(path.parent, [ABOUT], lambda place: says(place / ABOUT, _is_ours), advice=ADVICE)
        if path.exists():
            _require(path, origin, ADVICE)
        else:
            write_json(made.claim(ABOUT), msgspec.to_builtins(origin))
        return cls(folder, origin, like, made=made)

    def __contains__(self, image: np.ndarray) -> bool:
        return self._path(image).is_file()

    def read(self, pictures: Sequence[tuple[Photo, np.ndarray]]) -> Features:
        """Maps of pictures, in their order.

        Raises InputError: there are none of a picture, or they are damaged.
        """
        missing = next((photo for photo, image in pictures if image not in self), None)
        if missing is not None:
            raise InputError(
                f"there are no maps of {missing.name}, as it is now, in {self.folder}; add them with sccan embed --maps"
            )
        return joined([self._read(self._path(image)) for _, image in pictures])

    def _read(self, path: Path) -> Features:
        features = read_features(path)
        if (found := _forms(features)) != self._forms:
            raise InputError(f"{path} holds {found}, but the model makes {self._forms}; delete it, and make it again")
        return features

    def write(self, images: Sequence[np.ndarray], features: Features) -> None:
        """Keeps the maps of pictures RGB uint8 [h, w, 3] that are not there yet; features have the dimension [n] first.

        Raises InputError: they cannot be written.
        """
        assert self._made is not None, "the folder was opened to be read"
        for place, image in enumerate(images):
            if image in self:
                continue
            own = {name: value[place : place + 1] for name, value in features.maps.items()}
            write_features(self._made.claim(self._path(image).name), Features(own, features.image_size))

    def __repr__(self) -> str:
        sizes = [path.stat().st_size for path in self.folder.glob("*.safetensors")]
        return f"KeptMaps({len(sizes)} different pictures, {sum(sizes) / 1e6:.1f} MB)"

    def _path(self, image: np.ndarray) -> Path:
        pixels = hashlib.sha256(repr(image.shape).encode())
        pixels.update(np.ascontiguousarray(image).data)
        return self.folder / f"{pixels.hexdigest()[:32]}.safetensors"


def _is_ours(about: dict[str, Any]) -> bool:
    """Whether it is the description of a folder of maps, as versions wrote it that kept no record of their files."""
    return about.get("format") == FORMAT


def _forms(features: Features) -> dict[str, str]:
    """What the maps of a picture are."""
    return {name: f"{value.dtype} {list(value.shape[1:])}" for name, value in sorted(features.maps.items())}


def _require(path: Path, origin: MapsOrigin, advice: str) -> None:
    """Raises InputError: the maps beside this file are of another origin, or it is damaged."""
    stored: MapsOrigin = read_json(path, MapsOrigin, "maps")
    for what in stored.__struct_fields__:
        found, wanted = getattr(stored, what), getattr(origin, what)
        if found != wanted:
            raise InputError(
                f"the maps in {path.parent} were made with {what} {found!r}, but the model has {wanted!r}; {advice}"
            )
