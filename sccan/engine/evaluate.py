"""Running a method over the episodes of a plan, each picture encoded as seldom as memory allows.

One process and several compute the same numbers: batches are cut before they are dealt, each picture is encoded on its
own, and rows of integers are gathered in the order of the episodes. Nothing waits for the device between episodes.

Letters: B episodes in a batch, R numbers in a row, C channels, H W picture size, h w map size.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

import torch
from torch import Tensor

from sccan.engine.distributed import Runtime
from sccan.engine.feature_files import FeatureFiles
from sccan.engine.features import FutureCache, foretell_misses
from sccan.engine.folded import folded_backbones
from sccan.engine.loading import Picture, load_in_order
from sccan.engine.modes import autocast, check_precision, evaluation_mode
from sccan.engine.order import EpisodeBatch, SupportSet, dealt, episode_batches, support_sets
from sccan.engine.progress import Progress
from sccan.episodes.episode import Episode, EpisodeSpec, Features
from sccan.errors import InputError
from sccan.faults import InHalves
from sccan.method import Method

PictureT = TypeVar("PictureT", bound=Picture)

Score = Callable[[Tensor, Sequence[EpisodeSpec], Mapping[int, Any]], Tensor]
"""Outputs, B episodes and their pictures by number -> int64 rows [B, R]; a row begins with the episode's number."""
Sink = Callable[[Sequence[EpisodeSpec], Mapping[int, Any], Tensor], None]
"""Gets the episodes, pictures and outputs of every batch on the process that computed it."""


class EpisodeSource(Protocol[PictureT]):
    """The episodes of a plan and the pictures they are made of."""

    @property
    def specs(self) -> Sequence[EpisodeSpec]:
        """Every episode, in order."""

    def load(self, number: int) -> PictureT:
        """One picture, decoded and transformed without chance; may run in loader workers."""

    def assemble(
        self, specs: Sequence[EpisodeSpec], pictures: Mapping[int, PictureT], features: Mapping[int, Features]
    ) -> Episode:
        """A batch of episodes without images, from pictures and features [1, C, h, w] by number."""


def evaluate(
    method: Method,
    source: EpisodeSource[PictureT],
    score: Score,
    *,
    runtime: Runtime,
    batch_size: int = 1,
    encode_batch: int = 1,
    cache_bytes: int = 4 << 30,
    workers: int = 0,
    store: torch.device | None = None,
    known: Mapping[int, Features] | None = None,
    files: FeatureFiles | None = None,
    fold: bool = True,
    precision: str = "float32",
    sink: Sink | None = None,
    progress: str = "",
) -> Tensor:
    """Scores a method on every episode of a source.

    Args:
        method: is put into evaluation mode, and back afterwards.
        source: the episodes.
        score: rows of a batch.
        runtime: all its processes must call; each computes a part of the batches.
        batch_size: episodes predicted together; which ones is chosen so that they share what they can (`engine.order`).
        encode_batch: pictures encoded together. Above 1 the last digits of a result can depend on which pictures
            come together, and so on the number of processes.
        cache_bytes: memory for pictures and features that will be needed again; what is in work comes on top.
        workers: processes that load pictures ahead.
        store: where features are kept between uses; None: on the device.
        known: features computed earlier for some pictures, which are then not encoded.
        files: features on a disk, read where they are there and written where they are not.
        fold: fold the norms of frozen backbones meanwhile (`engine.folded`).
        precision: float32 | bf16 | fp16 (autocast); outputs are float32 in any case.
        sink: gets each batch's outputs, in the order of computing.
        progress: what the progress is called; empty: none is shown.

    Returns:
        Rows [number of episodes, R], int64, in the order of the episodes, on every process.

    Raises InputError: there are no episodes, or a picture cannot be loaded.
    """
    specs = source.specs
    if not specs:
        raise InputError("there are no episodes to evaluate; ask for at least one")
    batches = dealt(episode_batches(specs, batch_size), runtime.rank, runtime.world_size)
    check_precision(precision)
    supports = support_numbers(method, specs)
    encoder = _Encoder(
        method, runtime.device, store or runtime.device, encode_batch, known or {}, precision, files, supports
    )
    predictor = _Predictor(method, source, runtime.device, precision)
    rows: list[Tensor] = []
    # Not inference mode: what a method computes once and keeps (window indices, say) is used in training later.
    with (
        evaluation_mode(method),
        folded_backbones(method, enabled=fold),
        torch.no_grad(),
        Progress(len(batches), progress, unit="batch", shown=runtime.is_main) as bar,
    ):
        for batch, held in zip(batches, _with_features(source, batches, encoder, cache_bytes, workers), strict=True):
            pictures = {number: picture for number, (picture, _) in held.items()}
            outputs = predictor(batch, pictures, {number: maps for number, (_, maps) in held.items()})
            own = [specs[place] for place in batch.places]
            rows.append(_checked(score(outputs, own, pictures), len(own)))
            if sink is not None:
                sink(own, pictures, outputs)
            bar.advance()
    return _in_order(rows, [place for batch in batches for place in batch.places], runtime)


def encode_all(
    method: Method,
    load: Callable[[int], Picture],
    numbers: Sequence[int],
    *,
    device: torch.device,
    encode_batch: int = 1,
    workers: int = 0,
    store: torch.device | None = None,
    files: FeatureFiles | None = None,
    supports: frozenset[int] = frozenset(),
    fold: bool = True,
    visit: Callable[[Any], None] | None = None,
    progress: str = "",
) -> dict[int, Features]:
    """Features of pictures, each encoded once; for training with a frozen backbone and no augmentation.

    Args:
        method: encodes in evaluation mode, without gradient.
        load: gives a picture by its number.
        numbers: which pictures, each once.
        device: where the method is.
        encode_batch: pictures encoded together.
        workers: processes that load pictures ahead.
        store: where features are kept; None: on the device.
        files, fold: as in `evaluate`.
        supports: see `support_numbers`.
        visit: called with every picture as it passes, for instance to keep its label.
        progress: what the progress is called; empty: none is shown.

    Returns:
        Number -> maps with a leading dimension of 1.
    """
    encoder = _Encoder(method, device, store or device, encode_batch, {}, "float32", files, supports)
    found: dict[int, Features] = {}
    with (
        evaluation_mode(method),
        folded_backbones(method, enabled=fold),
        torch.no_grad(),
        Progress(len(numbers), progress, unit="picture") as bar,
    ):
        for picture, features in encoder.encoded(load_in_order(load, numbers, workers)):
            found[picture.number] = features
            if visit is not None:
                visit(picture)
            bar.advance()
    return found


def support_numbers(method: Method, specs: Iterable[EpisodeSpec]) -> frozenset[int]:
    """Pictures that are to be encoded as supports; none where a method encodes all alike."""
    if not method.supports_differ:
        return frozenset()
    return frozenset(number for spec in specs for way in spec.support for number in way)


@dataclasses.dataclass(frozen=True)
class _Encoder:
    """How pictures become features.

    Attributes:
        method: encodes.
        device: where it does.
        store: where the features are kept.
        together: pictures per call.
        known: features that need not be computed.
        precision: float32 | bf16 | fp16.
        files: features on a disk.
        supports: see `support_numbers`.
    """

    method: Method
    device: torch.device
    store: torch.device
    together: int
    known: Mapping[int, Features]
    precision: str
    files: FeatureFiles | None
    supports: frozenset[int]

    def encoded(self, pictures: Iterable[PictureT]) -> Iterator[tuple[PictureT, Features]]:
        """The pictures in their order, each with its features [1, C, h, w]."""
        for group in self._runs_encoded_alike(pictures):
            found = {picture.number: self._found(picture.number) for picture in group}
            new = [picture for picture in group if found[picture.number] is None]
            for picture, features in zip(new, self._encode(new), strict=True):
                found[picture.number] = features
                if self.files is not None:
                    self.files.write(picture.number, features, support=self._role(picture))
            for picture in group:
                yield picture, cast(Features, found[picture.number])

    def _runs_encoded_alike(self, pictures: Iterable[PictureT]) -> Iterator[list[PictureT]]:
        """The pictures in their order, cut into runs of one image size and role, at most `together` in each."""
        run: list[PictureT] = []
        for picture in pictures:
            if run and (picture.image.shape != run[0].image.shape or self._role(picture) != self._role(run[0])):
                yield run
                run = []
            run.append(picture)
            if len(run) == self.together:
                yield run
                run = []
        if run:
            yield run

    def _role(self, picture: Picture) -> bool:
        return picture.number in self.supports

    def _found(self, number: int) -> Features | None:
        """Features that were computed before."""
        if number in self.known or self.files is None:
            return self.known.get(number)
        features = self.files.read(number, support=number in self.supports)
        return None if features is None else self._stored(features.maps, features.image_size)

    @functools.cached_property
    def _fitting(self) -> InHalves:
        return InHalves(self.device, "pictures")

    def _encode(self, pictures: Sequence[PictureT]) -> list[Features]:
        return [features for some in self._fitting(self._encode_some, pictures) for features in some]

    def _encode_some(self, pictures: Sequence[PictureT]) -> list[Features]:
        images = torch.stack([picture.image for picture in pictures])  # [N, 3, H, W]
        if self.device.type == "cuda":
            images = images.pin_memory()  # else the copy waits for what the device does
        images = images.to(self.device, non_blocking=True)
        with autocast(self.device, self.precision):
            encode = self.method.encode_support if self._role(pictures[0]) else self.method.encode
            together = encode(images)
        if len(pictures) == 1:
            return [self._stored(together.maps, together.image_size)]
        # Copies: a view of one picture would keep the maps of all of them in memory.
        each = ({name: maps[i : i + 1].clone() for name, maps in together.maps.items()} for i in range(len(pictures)))
        return [self._stored(maps, together.image_size) for maps in each]

    def _stored(self, maps: Mapping[str, Tensor], image_size: tuple[int, int]) -> Features:
        # Waits for a copy to the host: the maps are used there next, or the device's memory is needed.
        return Features({name: value.to(self.store) for name, value in maps.items()}, image_size)

    def size(self, entry: tuple[Picture, Features]) -> int:
        """Bytes that an entry takes: its picture's arrays, and its features unless somebody else keeps them."""
        picture, features = entry
        values = [getattr(picture, field.name) for field in dataclasses.fields(cast(Any, picture))]
        if picture.number not in self.known:
            values += features.maps.values()
        return sum(int(value.nbytes) for value in values if hasattr(value, "nbytes"))


class _Predictor:
    """Outputs of batches in a row; what was learned from a support set serves the next batch as well."""

    def __init__(self, method: Method, source: EpisodeSource[Any], device: torch.device, precision: str) -> None:
        self._method, self._source, self._device, self._precision = method, source, device, precision
        self._latest: tuple[tuple[SupportSet, ...], Any] | None = None
        self._episodes_fitting, self._queries_fitting = InHalves(device, "episodes"), InHalves(device, "queries")

    def __call__(self, batch: EpisodeBatch, pictures: Mapping[int, Any], features: Mapping[int, Features]) -> Tensor:
        """Float32 outputs with one leading entry per episode."""

        def some(specs: Sequence[EpisodeSpec]) -> Tensor:
            if not batch.merged or len(specs) > 1:
                return self._outputs(specs, batch.merged, pictures, features).float()
            [spec] = specs
            parts = self._queries_fitting(
                lambda query: self._outputs([_asking(spec, query)], True, pictures, features).float(), spec.query[0]
            )
            return torch.cat(parts, 1) if len(parts) > 1 else parts[0]

        with autocast(self._device, self._precision):
            parts = self._episodes_fitting(some, batch.specs)
        outputs = torch.cat(parts) if len(parts) > 1 else parts[0]  # [B, Q, ...]
        return outputs.flatten(0, 1).unsqueeze(1) if batch.merged else outputs

    def _outputs(
        self,
        specs: Sequence[EpisodeSpec],
        merged: bool,
        pictures: Mapping[int, Any],
        features: Mapping[int, Features],
    ) -> Tensor:
        sets = support_sets(specs)
        if merged and self._latest is not None and self._latest[0] == sets:
            # The support is not needed again; the queries stand in its place.
            queries = [dataclasses.replace(spec, support=spec.query) for spec in specs]
            _, query = self._method.encode_episode(self._assembled(queries, pictures, features))
            return self._method.predict(query, self._latest[1])
        self._latest = None  # frees its memory before the next one is made
        episode = self._assembled(specs, pictures, features)
        support, query = self._method.encode_episode(episode)
        state = self._method.condition_episode(support, episode)
        self._latest = sets, state
        return self._method.predict(query, state)

    def _assembled(
        self, specs: Sequence[EpisodeSpec], pictures: Mapping[int, Any], features: Mapping[int, Features]
    ) -> Episode:
        needed = {number for spec in specs for number in spec.pictures}
        here = {number: features[number].to(self._device) for number in needed}
        episode = self._source.assemble(specs, pictures, here)
        return (episode.pin_memory() if self._device.type == "cuda" else episode).to(self._device)


def _asking(spec: EpisodeSpec, query: Sequence[int]) -> EpisodeSpec:
    """The same support set with some of its queries."""
    return dataclasses.replace(spec, query=(tuple(query),))


def _with_features(
    source: EpisodeSource[PictureT],
    batches: Sequence[EpisodeBatch],
    encoder: _Encoder,
    cache_bytes: int,
    workers: int,
) -> Iterator[dict[int, tuple[PictureT, Features]]]:
    """For every batch its pictures with their features, by number."""
    needs = [list(dict.fromkeys(n for spec in batch.specs for n in spec.pictures)) for batch in batches]
    if not needs:
        return
    # The first picture tells how many fit into the cache, and so which will have to be loaded when.
    first = next(encoder.encoded([source.load(needs[0][0])]))
    misses = foretell_misses(needs, int(cache_bytes // max(encoder.size(first), 1)))
    foretold = list(itertools.chain.from_iterable(misses))
    stream = encoder.encoded(load_in_order(source.load, foretold[1:], workers))
    arriving = itertools.chain([first], stream)
    cache: FutureCache[tuple[PictureT, Features]] = FutureCache(needs, cache_bytes)
    for turn, numbers in enumerate(needs):
        held = {number: entry for number in numbers if (entry := cache.get(number)) is not None}
        fresh = {number: next(arriving) for number in misses[turn]}
        for number in numbers:
            if number not in held and number not in fresh:
                # Pictures of several sizes: the cache held fewer of them than the first one promised.
                fresh[number] = next(encoder.encoded([source.load(number)]))
        cache.settle(turn)
        for number, entry in fresh.items():
            cache.put(number, entry, encoder.size(entry), turn)
        yield {**held, **fresh}


def _checked(rows: Tensor, episodes: int) -> Tensor:
    if rows.dtype != torch.int64 or rows.ndim != 2 or len(rows) != episodes:
        raise ValueError(
            f"a score gave {rows.dtype} {list(rows.shape)} for {episodes} episodes; int64 [{episodes}, R] is expected"
        )
    return rows


def _in_order(rows: Sequence[Tensor], places: Sequence[int], runtime: Runtime) -> Tensor:
    """All rows of all processes by their places in the plan, on the CPU."""
    if rows:
        mine = torch.cat([torch.tensor(places)[:, None], torch.cat(list(rows)).cpu()], dim=1)  # [n, 1 + R]
    else:
        mine = torch.zeros(0, 0, dtype=torch.int64)
    gathered = runtime.gather_rows(mine)
    return gathered[gathered[:, 0].argsort(), 1:]
