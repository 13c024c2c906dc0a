"""Every structured file of ours, declared: its fields, their types and their ranges.

What is read from one of them has gone through its declaration (`sccan.files.structured`); whatever else the file says
is kept by those who want it. Training states, which hold tensors, are declared in `sccan.engine.training_state`.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from sccan.files.structured import Count, Finite, Id, Name

Positive = Annotated[int, msgspec.Meta(ge=1, le=2**53)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Rate = Annotated[float, msgspec.Meta(gt=0, le=1.7e308)]
Side = Annotated[int, msgspec.Meta(ge=1, le=2**24)]
FileName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$", max_length=200)]
"""The name of a file beside the one that names it."""


class ManifestHeader(msgspec.Struct):
    """First line of a manifest of episodes."""

    format: str
    dataset: Annotated[str, msgspec.Meta(max_length=1024)]
    fold: Count
    shots: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    protocol: Name
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
    episodes: Positive
    index: Name
    hash: Name
    repeated_supports: bool = False


class ManifestEpisode(msgspec.Struct):
    """Every other line of it: pictures by name, a list per way."""

    number: Count
    classes: Annotated[list[Positive], msgspec.Meta(min_length=1)]
    support: list[Annotated[list[Name], msgspec.Meta(min_length=1)]]
    query: list[Annotated[list[Name], msgspec.Meta(min_length=1)]]


class PreparedLabels(msgspec.Struct):
    """An entry of ``lists/prepared.json``: how the label images of one folder were made."""

    variant: Name
    source: str
    complete: bool


class PreparedSplit(msgspec.Struct):
    """A split in ``dataset.json`` of prepared pictures."""

    pictures: Count
    classes: list[Name]
    named: bool
    files: dict[FileName, Count]


class PreparedPictures(msgspec.Struct):
    """``dataset.json`` of prepared pictures."""

    format: str
    splits: dict[Name, PreparedSplit]


class StoredFeaturesIndex(msgspec.Struct):
    """``SPLIT.json`` beside stored features."""

    format: str
    backbone: Name
    data: Name
    picture: dict[str, Any]
    stage: Name
    image_size: tuple[Side, Side]


class MapsOrigin(msgspec.Struct, frozen=True):
    """``maps.json`` of a folder of maps (`sccan.predict.kept_maps`).

    Attributes:
        format: of the folder.
        backbone: its name.
        weights: digest of the model's weights.
        method: the method's name.
        size: longer side of the network's input, in pixels.
        precision: that the network computed in.
        engine: what computed the backbone.
        kept: settings that decide which maps the method keeps, and how pictures become its input.
    """

    format: str
    backbone: Name
    weights: Name
    method: Name
    size: Side
    precision: Name
    engine: Name
    kept: Name


class SegmentedRegion(msgspec.Struct):
    """What a journal of segmented pictures says of a class in one of them."""

    pixels: Count
    share: Share
    probability: Share | None
    confidence: Share | None
    absent: bool
    counts: str


class SegmentedRecord(msgspec.Struct):
    """A line of a journal of segmented pictures that is done; see `sccan.predict.segment_folder`."""

    mask: Name
    stamp: Annotated[list[int], msgspec.Meta(max_length=3)]
    height: Side
    width: Side
    confidence: Share
    absent: bool
    regions: dict[str, SegmentedRegion]
    source: str | None = None


class SegmentedClaim(msgspec.Struct):
    """A line of that journal of a picture whose result is about to be written."""

    mask: Name
    stamp: None
    source: str | None = None


class WordsOrigin(msgspec.Struct):
    """Where word vectors come from."""

    source: str
    size: Side


class WordsIndex(msgspec.Struct):
    """``words.json`` beside word vectors."""

    format: str
    words: list[str]
    origin: WordsOrigin


class Spread(msgspec.Struct):
    """A measured rate, with the quartiles around it."""

    median: Rate
    lower: Rate
    upper: Rate


class Measured(msgspec.Struct):
    """A line of a stored benchmark."""

    config: str
    part: str
    variant: str
    per_second: Spread


class Machine(msgspec.Struct):
    """What a benchmark says of the machine it ran on."""

    device: str
    cpu: str
    threads: Count
    time: str
    revision: str | None


class BenchmarkFile(msgspec.Struct):
    """A stored benchmark."""

    format: str
    environment: Machine
    results: list[Measured]


class LogEntry(msgspec.Struct):
    """A line of a run's log, as far as it is drawn."""

    step: Count | None = None
    epoch: Finite | None = None


class ReferenceOutput(msgspec.Struct):
    """An output of a reference case, whose numbers lie in the npz file beside it."""

    tolerance: dict[str, Any] | Finite
    slice: str | None = None


class ReferenceValue(msgspec.Struct):
    """A value of a reference case."""

    value: Any
    tolerance: dict[str, Any] | Finite


class ReferenceCase(msgspec.Struct):
    """Recorded numbers of a published implementation."""

    schema: Id
    system: Name
    part: Name
    config: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    inputs: dict[str, dict[str, Any]] = {}
    outputs: dict[str, ReferenceOutput] = {}
    values: dict[str, ReferenceValue] = {}
