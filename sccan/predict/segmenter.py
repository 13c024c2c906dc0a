"""Pictures segmented from a few annotated examples: three lines for a user of the library.

>>> import sccan
>>> segmenter = sccan.load("runs/coco_mini_split0")  # doctest: +SKIP
>>> result = segmenter(sccan.Supports.from_folder("examples"), "photo.jpg")  # doctest: +SKIP

Letters: N classes, h w picture size.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from sccan.builders.backbones import backbone_name, require_sides
from sccan.builders.checkpoints import sha256
from sccan.builders.feature_files import kept_maps
from sccan.builders.released.trained import Trained
from sccan.builders.segmentation.data import input_side, protocol_of
from sccan.engine.lanes import side_by_side
from sccan.episodes.episode import Features
from sccan.episodes.index import IGNORE
from sccan.errors import InputError
from sccan.files.formats import MapsOrigin
from sccan.files.tally import Tally
from sccan.files.writing import write_bytes_atomically
from sccan.pictures.photos import Failure, File, Photo, Pictures, find_photos, is_single, readable
from sccan.predict.kept_maps import FORMAT, KeptMaps
from sccan.predict.picture_model import PictureModel
from sccan.predict.publishing import push
from sccan.predict.supports import Example, Supports
from sccan.report.label_overlay import label_overlay
from sccan.report.pictures import encode, resize_image, resize_mask
from sccan.report.sheets import fitted_size
from sccan.segmentation.data.labels.palette import indexed_png
from sccan.segmentation.finding.class_maps import ClassMaps
from sccan.segmentation.finding.segmenting import (
    ClassState,
    Found,
    Region,
    Segmenting,
    Shot,
    label_map,
    region_scores,
)
from sccan.segmentation.finding.transduction import Candidate, candidate, taught

SMALLEST_SIDE = 32
KINDS: dict[str, Literal["png", "webp", "jpeg"]] = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}
"""Suffix of an overlay -> what it is."""


@dataclass(frozen=True, eq=False)
class SegmentedPicture:
    """What was found in a picture.

    Attributes:
        picture: its name.
        path: its file, or its place in a shard; None for arrays.
        image: RGB uint8, [h, w, 3].
        labels: 0 background, c for ``class_names[c - 1]``, uint8 [h, w], at the picture's own size.
        maps: probability of every class at every pixel, float32 [N, h, w]; each against the background alone. Where
        they
            are many and large, they are made when they are asked for.
        class_names: the N classes of the supports.
        unlike: those that are probably absent: nothing was marked, or something that hardly resembles the examples.
    """

    picture: str
    path: File | None
    image: np.ndarray
    labels: np.ndarray
    maps: np.ndarray | ClassMaps
    class_names: tuple[str, ...]
    unlike: tuple[str, ...] = ()

    def mask(self, class_name: str = "") -> np.ndarray:
        """Where a class is, or any class if none is named, bool [h, w].

        Raises InputError: there is no such class.
        """
        if not class_name:
            return self.labels > 0
        if class_name not in self.class_names:
            raise InputError(f"there is no class {class_name!r}; the supports show {', '.join(self.class_names)}")
        return self.labels == self.class_names.index(class_name) + 1

    @functools.cached_property
    def regions(self) -> dict[str, Region]:
        """Pixels, share of the picture, mean probability and confidence of every class."""
        return dict(region_scores(self.maps, self.labels, self.class_names))

    @property
    def probabilities(self) -> np.ndarray:
        """The maps as one array, float32 [N, h, w]."""
        return np.asarray(self.maps)

    @property
    def confidence(self) -> float:
        """How sure the masks are: mean confidence of the classes, weighted by their pixels; 0 if none is there."""
        there = [region for region in self.regions.values() if region.pixels]
        pixels = sum(region.pixels for region in there)
        return sum(region.confidence * region.pixels for region in there) / pixels if pixels else 0.0

    @property
    def absent(self) -> bool:
        """Whether the picture probably shows none of the classes."""
        return len(self.unlike) == len(self.class_names)

    def __repr__(self) -> str:
        found = ", ".join(
            f"{name} {100 * region.share:.1f} %" for name, region in self.regions.items() if region.pixels
        )
        doubt = f", probably absent: {', '.join(self.unlike)}" if self.unlike else ""
        return f"SegmentedPicture({self.picture}: {found or 'nothing'}{doubt})"

    def overlay(self, largest: int = 0) -> np.ndarray:
        """The picture with the classes tinted and outlined, RGB uint8 [h, w, 3].

        Args:
            largest: longer side that it is made smaller to, in pixels; 0: its own size.
        """
        if not 0 < largest < max(self.labels.shape):
            return label_overlay(self.image, self.labels, self.class_names)
        size = fitted_size(self.labels.shape, (largest, largest))
        return label_overlay(resize_image(self.image, size), resize_mask(self.labels, size), self.class_names)

    def save(self, path: str | Path, *, overlay: str | Path | None = None) -> Path:
        """Writes the label map as a PNG with a palette, and the overlay if a file (.jpg, .png, .webp) is named for it.

        Raises InputError: a suffix is another, or a file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".png":
            raise InputError(f"a label map is saved as PNG, which keeps its numbers; {path} should end in .png")
        kind = KINDS[".png"] if overlay is None else KINDS.get(Path(overlay).suffix.lower())
        if kind is None:
            raise InputError(f"an overlay is saved as {', '.join(KINDS)}, not as {overlay}")
        write_bytes_atomically(path, indexed_png(self.labels))
        if overlay is not None:
            write_bytes_atomically(overlay, encode(self.overlay(), kind))
        return path


class Segmenter(PictureModel):
    """A trained few-shot segmentation method, applied to one's own pictures.

    The supports are encoded and conditioned once and kept until others are given.

    Attributes:
        size: longer side of the network's input, in pixels.
        tile: side of the tiles that larger pictures are cut into, in pixels of the picture; 0: never.
        maps: where the maps of all pictures are; None: they are computed.
    """

    task: Segmenting

    def __init__(
        self,
        trained: Trained,
        *,
        device: str = "auto",
        precision: str = "float32",
        size: int = 0,
        tile: int = 0,
        batch: int = 0,
        engine: str = "auto",
        maps: str | Path | None = None,
    ) -> None:
        """
        Args:
            trained: of a segmentation method.
            device: auto | cpu | cuda | cuda:N.
            precision: float32 | bf16 | fp16.
            size: see above; 0: that of the method's own tests.
            tile: see above.
            batch: pictures or tiles computed together; 0: as many as suit the device.
            engine: what computes the backbone: auto | torch | onnx.
            maps: folder of `keep_maps`, where the maps of all pictures are; None: pictures are encoded as they come.

        Raises InputError: the model is a classifier, the device is not there, a number is unfit, or the maps are of
            another model.
        """
        if trained.is_classifier:
            raise InputError(
                f"{trained.path} tells pictures apart ({trained.cfg.METHOD.NAME}) and makes no masks; "
                "use sccan classify, or name a model of a segmentation method"
            )
        super().__init__(trained, device=device, precision=precision, batch=batch, engine=engine)
        self.tile = tile
        self.size = size or input_side(trained.cfg)
        require_sides(trained.cfg, "the input", (self.size,))
        if self.size < SMALLEST_SIDE:
            raise InputError(f"an input of {self.size} pixels is too small; give at least {SMALLEST_SIDE}")
        self.task = Segmenting(
            trained.method,
            protocol_of(trained.cfg).transform(self.size),
            device=self.device,
            autocast=self.autocast,
            batch=self.batch,
            tile=tile,
        )
        if maps is not None and tile:
            raise InputError(f"the maps in {maps} are of whole pictures, not of tiles; leave out one of both")
        self.maps = KeptMaps(maps, *self._known_by) if maps is not None else None
        self._known: tuple[str, list[ClassState]] = "", []

    def __call__(self, supports: Supports, pictures: Pictures) -> SegmentedPicture | list[SegmentedPicture]:
        """What is where: one result for one picture, a list for a folder or a list (see also `each`).

        Raises InputError: the supports or a picture are unfit.
        """
        found = list(self.each(supports, pictures))
        return found[0] if is_single(pictures) else found

    def each(
        self,
        supports: Supports,
        pictures: Pictures,
        *,
        on_error: Failure | None = None,
        told: Tally | None = None,
    ) -> Iterator[SegmentedPicture]:
        """The results one after another, so that any number of pictures fits into memory.

        Args:
            on_error: gets pictures that cannot be read, which are then left out; None: the first ends the work.
            told: gets what was done to pictures while they were read.

        Raises InputError: the supports or a picture are unfit.
        """
        photos = find_photos(pictures)
        states, names = self.condition(supports), supports.class_names

        def work(group: list[tuple[Photo, np.ndarray]]) -> list[SegmentedPicture]:
            known = self.maps.read(group) if self.maps else None
            found = self.task.segment([image for _, image in group], states, known)
            return [_segmented(*one, names) for one in zip(group, found, strict=True)]

        for results in side_by_side(work, self.groups(photos, on_error, told), self.device):
            yield from results

    def transduced(self, supports: Supports, pictures: Pictures, most: int = 5) -> Supports:
        """The supports and the pictures that were found best from them, with the masks that were found.

        Every picture is looked at once, without tiles; those that cannot be read are passed over. Where nothing passes
        the round trip, the supports alone come back.

        Args:
            supports: what a person has marked.
            pictures: as of a call.
            most: pictures for each class.

        Raises InputError: the supports are unfit.
        """
        states, photos = self.condition(supports), {photo.name: photo for photo in find_photos(pictures)}
        shots = [self.task.encoded(shot) for shot in supports.shots()]

        def candidates() -> Iterator[Candidate]:
            for photo, image in readable(photos.values(), lambda photo, error: None):
                features = self.maps.read([(photo, image)]) if self.maps else self.task.encode([image])
                example = functools.partial(self.task.as_example, features, photo.read)
                yield candidate(self.task, features, photo.name, (image.shape[0], image.shape[1]), states, example)

        names = supports.class_names
        shown = taught(self.task, shots, names, candidates(), most)
        found = [
            Example(f"{shot.name} (as it was found)", photo.path or photo.read(), names, shot.label)
            for shot, photo in ((shot, photos[shot.name]) for shot in shown)
        ]
        return Supports([*supports.examples, *found], notes=supports.notes)

    def keep_maps(
        self,
        pictures: Pictures,
        folder: str | Path,
        *,
        on_error: Failure | None = None,
        told: Tally | None = None,
        advance: Callable[[int], object] = int,
    ) -> KeptMaps:
        """Whole maps of pictures, in a folder; those that are there already are not computed again.

        Args:
            pictures: as of a call.
            folder: is made, or holds maps of this model; see `KeptMaps`.
            on_error, told: see `each`.
            advance: is told how many pictures more are done.

        Raises InputError: a picture cannot be read, or the folder not be written or it holds maps of another model.
        """
        kept = KeptMaps.begin(folder, *self._known_by)
        for group in self.groups(find_photos(pictures), on_error, told):
            images = [image for _, image in group]
            if not all(image in kept for image in images):
                kept.write(images, self.task.encode(images))
            advance(len(group))
        return kept

    @property
    def _known_by(self) -> tuple[MapsOrigin, Features]:
        """What maps of this model are known by: what they are computed with, and those of a picture."""
        kept = f"{kept_maps(self.trained.cfg)} {self.task.transform!r}"
        name, digest = self.trained.cfg.METHOD.NAME, self.trained.digest
        how = self.size, self.precision, self.engine, kept
        origin = MapsOrigin(FORMAT, backbone_name(self.trained.cfg), digest, name, *how)
        return origin, self.task.encode([np.zeros((self.size, self.size, 3), np.uint8)])

    def push(self, address: str, *, license_name: str = "", private: bool = False) -> str:
        """Puts the model on the hub; see `sccan.predict.publishing.push`."""
        return push(self.trained, address, license_name=license_name, private=private)

    @property
    def together(self) -> int:
        """Pictures that are computed together."""
        return 1 if self.tile else self.batch

    def condition(self, supports: Supports) -> list[ClassState]:
        """The classes of the supports as the method keeps them; computed when they are new.

        Raises InputError: they are unfit for segmentation.
        """
        fingerprint = supports.fingerprint
        if self._known[0] != fingerprint:
            shots, names = supports.shots(), supports.class_names
            if not self.trained.method.parameter_groups():
                _require_background(shots, names)
            self._known = fingerprint, self.task.condition(shots, names)
        return self._known[1]

    @property
    def facts(self) -> dict[str, str | int]:
        """What the masks depend on besides the supports."""
        engine = {} if self.engine == "torch" else {"engine": self.engine}
        return {
            "model": self.trained.name,
            "model_digest": self.trained.digest,
            "method": self.trained.cfg.METHOD.NAME,
            "size": self.size,
            "tile": self.tile,
            "precision": self.precision,
            **engine,
        }

    @property
    def former_digest(self) -> str:
        """The model's digest as 0.1.0 took it: of the whole file, with what it says beside its weights."""
        path = self.trained.path
        return sha256(path)[:16] if path.is_file() else self.trained.digest

    def __repr__(self) -> str:
        name, backbone = self.trained.cfg.METHOD.NAME, backbone_name(self.trained.cfg)
        return f"Segmenter({name} on {backbone}, {self.size} pixels, {self.device})"


def _segmented(shown: tuple[Photo, np.ndarray], found: Found, names: tuple[str, ...]) -> SegmentedPicture:
    (photo, image), labels = shown, label_map(found.maps)
    unlike = tuple(name for name, told in zip(names, found.absent, strict=True) if told)
    return SegmentedPicture(photo.name, photo.file, image, labels, found.maps, names, unlike)


def _require_background(shots: Sequence[Shot], class_names: Sequence[str]) -> None:
    """Raises InputError: no example of a class shows anything else, which methods without training compare with."""
    for number, name in enumerate(class_names, 1):
        own = [shot for shot in shots if (shot.label == number).any()]
        if own and all(np.isin(shot.label, (number, IGNORE)).all() for shot in own):
            raise InputError(
                f"the examples of {name!r} are marked all over, as {own[0].name} is, and show no background to tell it "
                "from; mark a picture that shows something else too"
            )
