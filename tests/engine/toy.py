"""A tiny method, its pictures and its training task: real, and small enough for tests of the engine.

Letters: B episodes, K shots, Q queries, C channels, H W picture size.
"""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sccan.engine.distributed import Runtime
from sccan.engine.optimizers import OptimizerSettings
from sccan.episodes.episode import Episode, EpisodeSpec, Features
from sccan.errors import InputError
from sccan.method import Method

HEIGHT, WIDTH, CHANNELS = 12, 10, 4
DEVICES = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
"""Where tests of what depends on the device run; on a machine with CUDA they cover it as well."""
RECIPE = {
    "head": OptimizerSettings("sgd", lr=0.05, schedule="poly"),
    "transformer": OptimizerSettings("adamw", lr=0.01, weight_decay=0.01),
}


class ToyMethod(Method):
    """Query maps beside the support's prototype, normalised, dropped out and classified."""

    def __init__(self, *, seed: int = 0, plain: bool = False) -> None:
        """
        Args:
            seed: of the initial weights.
            plain: without batch norm and dropout, so that a batch in two halves gives what the whole gives.
        """
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.backbone = nn.Conv2d(3, CHANNELS, 3, stride=2, padding=1)
            self.norm = nn.Identity() if plain else nn.BatchNorm2d(2 * CHANNELS)
            self.classifier = nn.Conv2d(2 * CHANNELS, 2, 1)
        self.dropout = nn.Identity() if plain else nn.Dropout(0.3)
        self.encoded: list[int] = []

    def encode(self, images: Tensor) -> Features:
        self.encoded.append(len(images))
        return Features({"map": self.backbone(images).relu()}, (images.shape[-2], images.shape[-1]))

    def condition(self, support: Features, labels: Tensor) -> Tensor:
        maps = support.maps["map"]  # [B, K, C, h, w]
        masks = F.interpolate((labels == 1).float(), maps.shape[-2:], mode="bilinear").unsqueeze(2)  # [B, K, 1, h, w]
        return (maps * masks).sum((1, 3, 4)) / (masks.sum((1, 3, 4)) + 1e-4)  # [B, C]

    def predict(self, query: Features, state: Tensor) -> Tensor:
        maps = query.maps["map"]  # [B, Q, C, h, w]
        beside = state[:, None, :, None, None].expand_as(maps)
        joined = torch.cat([maps, beside], 2).flatten(0, 1)  # [B * Q, 2 C, h, w]
        logits = self.classifier(self.dropout(self.norm(joined)))
        return F.interpolate(logits, query.image_size, mode="bilinear").view(*maps.shape[:2], 2, *query.image_size)

    def loss(self, outputs: Tensor, episode: Episode) -> dict[str, Tensor]:
        entropy = F.cross_entropy(outputs.flatten(0, 1), episode.query_labels.flatten(0, 1))
        size = outputs.square().mean()
        return {"total": entropy + 0.1 * size, "entropy": entropy, "size": size}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {
            "head": [*self.backbone.parameters(), *self.norm.parameters()],
            "transformer": list(self.classifier.parameters()),
        }


@dataclass(frozen=True)
class ToyPicture:
    number: int
    name: str
    image: Tensor
    label: Tensor
    original_label: np.ndarray


def toy_picture(number: int, *, width: int = WIDTH) -> ToyPicture:
    """A picture of noise with a brighter box, whose place depends on the number."""
    generator = torch.Generator().manual_seed(number)
    image = torch.randn(3, HEIGHT, width, generator=generator)
    label = torch.zeros(HEIGHT, width, dtype=torch.int64)
    top, left = number % 5, number % 4
    label[top : top + 6, left : left + 5] = 1
    image += 1.5 * label
    return ToyPicture(number, f"picture{number}", image, label, label.numpy().astype(np.uint8))


class ToySource:
    """Episodes of 2 shots and 1 query over a handful of pictures.

    Attributes:
        loaded: numbers in the order of loading (in this process).
    """

    def __init__(self, episodes: int, *, pictures: int = 6, broken: int = -1, wide: int | None = None) -> None:
        """
        Args:
            episodes: how many.
            pictures: to draw from.
            broken: number of a picture that cannot be read.
            wide: 0 or 1: pictures with even or odd numbers are wider, and no episode mixes them with the others.
        """
        generator = np.random.default_rng(3)
        self.broken, self.wide, self.loaded = broken, wide, list[int]()
        self.specs = []
        for number in range(episodes):
            pool = np.arange(number % 2, pictures, 2) if wide is not None else np.arange(pictures)
            query, *support = (int(value) for value in generator.permutation(pool)[:3])
            self.specs.append(EpisodeSpec(number, (number % 3,), (tuple(support),), ((query,),)))

    def load(self, number: int) -> ToyPicture:
        if number == self.broken:
            raise InputError(f"picture {number} is unreadable; fetch it again")
        self.loaded.append(number)
        return toy_picture(number, width=3 * WIDTH if number % 2 == self.wide else WIDTH)

    def assemble(
        self, specs: Sequence[EpisodeSpec], pictures: Mapping[int, ToyPicture], features: Mapping[int, Features]
    ) -> Episode:
        support, query = [[n for spec in specs for n in getattr(spec, side)[0]] for side in ("support", "query")]

        def joined(numbers: list[int]) -> Features:
            maps = torch.cat([features[n].maps["map"] for n in numbers])
            return Features({"map": maps}, features[numbers[0]].image_size).view(len(specs), -1)

        def labels(numbers: list[int]) -> Tensor:
            stacked = torch.stack([pictures[n].label for n in numbers])
            return stacked.view(len(specs), -1, *stacked.shape[-2:])

        return Episode(
            support_images=None,
            support_labels=labels(support),
            query_images=None,
            query_labels=labels(query),
            classes=torch.tensor([spec.classes for spec in specs]),
            numbers=torch.tensor([spec.number for spec in specs]),
            support_features=joined(support),
            query_features=joined(query),
        )


def toy_score(outputs: Tensor, specs: Sequence[EpisodeSpec], pictures: Mapping[int, ToyPicture]) -> Tensor:
    """Rows (number, class, intersection, union, logits in millionths): the last one shows the slightest change."""
    rows = []
    for logits, spec in zip(outputs, specs, strict=True):
        prediction = logits[0].argmax(0)
        truth = pictures[spec.query[0][0]].label.to(logits.device)
        both = (prediction * truth).sum()
        rows.append(
            torch.stack(
                [
                    torch.tensor(spec.number, device=logits.device),
                    torch.tensor(spec.classes[0], device=logits.device),
                    both,
                    prediction.sum() + truth.sum() - both,
                    (logits.double().sum() * 1e6).round().long(),
                ]
            )
        )
    return torch.stack(rows)


@dataclass
class ToyTask:
    """Episodes drawn for (epoch, batch); a process takes its share of each batch.

    Attributes:
        batch_size: episodes per batch over all processes.
        events: step (batches prepared, from 0) -> what happens then: a signal sent to this process, or ``nan``.
        scores: what the validations give, in turn; then the last one again.
        seen: positions whose batches were prepared.
    """

    steps_per_epoch: int = 6
    batch_size: int = 4
    rank: int = 0
    world_size: int = 1
    events: dict[int, signal.Signals | str] = field(default_factory=dict)
    scores: list[float] = field(default_factory=list)
    seen: list[tuple[int, int]] = field(default_factory=list)
    validated: list[float] = field(default_factory=list)

    def batches(self, epoch: int, first_step: int) -> Iterator[tuple[tuple[int, int], Episode]]:
        torch.rand(1)  # as torch's loader does when it starts: a draw that must not change the training
        for step in range(first_step, self.steps_per_epoch):
            yield (epoch, step), self._episode(epoch, step)

    def prepare(self, batch: tuple[tuple[int, int], Episode], device: torch.device) -> Episode:
        position, episode = batch
        event = self.events.get(position[0] * self.steps_per_epoch + position[1])
        self.seen.append(position)
        if isinstance(event, signal.Signals):
            os.kill(os.getpid(), event)
        if event == "nan":
            assert episode.query_images is not None
            episode.query_images.fill_(float("nan"))
        return episode.to(device)

    def validate(self, method: nn.Module) -> dict[str, float]:
        assert not method.training
        torch.rand(7)
        score = self.scores[min(len(self.validated), len(self.scores) - 1)] if self.scores else _sum(method)
        self.validated.append(score)
        return {"score": score, "other": 1.0}

    def _episode(self, epoch: int, step: int) -> Episode:
        generator = torch.Generator().manual_seed(1000 * epoch + step)
        numbers = torch.randint(0, 40, (self.batch_size, 3), generator=generator)
        numbers = numbers[self.rank * self.batch_size // self.world_size :][: self.batch_size // self.world_size]
        pictures = [[toy_picture(int(number)) for number in row] for row in numbers]
        images = torch.stack([torch.stack([p.image for p in row]) for row in pictures])  # [B, K + Q, 3, H, W]
        labels = torch.stack([torch.stack([p.label for p in row]) for row in pictures])
        return Episode(
            support_images=images[:, :2],
            support_labels=labels[:, :2],
            query_images=images[:, 2:],
            query_labels=labels[:, 2:],
            classes=torch.zeros(len(numbers), 1, dtype=torch.int64),
            numbers=torch.arange(len(numbers)),
        )


def _sum(method: nn.Module) -> float:
    """A number that shows every change of weights and buffers."""
    return float(sum(value.detach().double().sum() for value in method.state_dict().values()))


def cpu() -> Runtime:
    return on("cpu")


def on(device: str) -> Runtime:
    return Runtime(torch.device(device, 0) if device == "cuda" else torch.device(device))
