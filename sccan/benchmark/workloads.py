"""What is measured: evaluation, training steps, the loader; each as a function that does some units of it.

Weights are random unless a checkpoint is given: time does not depend on them, but for choices such as the amount of
foreground, which come from the data.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from sccan.benchmark import plain_sccan
from sccan.benchmark.timing import PartClock
from sccan.builders.classification import data as classification
from sccan.builders.classification.class_words import tell_classes
from sccan.builders.classification.data import (
    build_classifier,
    data_source,
    episode_shape,
    fixed_transform,
    is_classification,
)
from sccan.builders.engine import TrainingJob, evaluator, optimizer_settings, train_settings
from sccan.builders.segmentation import training as segmentation_training
from sccan.builders.segmentation.checkpoint import load_checkpoint
from sccan.builders.segmentation.data import episode_source, logit_score, novel_plan, open_data
from sccan.builders.segmentation.models import build_method
from sccan.classification.data.datasets import open_splits, require_split
from sccan.classification.data.episodes import ClassificationSource
from sccan.classification.evaluation.accuracy import accuracy, score_accuracy
from sccan.engine.distributed import Runtime
from sccan.engine.modes import evaluation_mode
from sccan.engine.update import Updater
from sccan.episodes.ways import WayPlan
from sccan.errors import InputError
from sccan.method import Method
from sccan.segmentation.evaluation import iou
from sccan.segmentation.methods.sccan import SCCAN

PUBLISHED, UNCACHED, COMPILED = "published", "uncached", "compiled"
WORDS = {
    PUBLISHED: "the plain arithmetic of the published implementation, one episode at a time, nothing kept (sccan)",
    UNCACHED: "evaluation of one episode at a time, nothing kept",
    COMPILED: "torch.compile of forward and loss, in evaluation of the query side",
}
"""What a variant can be beside settings."""


@dataclass
class Workload:
    """Something to measure.

    Attributes:
        unit: of `run`'s count.
        run: does some of it, and returns how much.
        once: one unit alone, to count its operations; None where there is nothing to count.
        method: whose parts are timed; None where there is none.
        places: further parts, name -> (object, name of its function).
        notes: what a reader has to know.
        rows: rows of the latest evaluation.
        scores: what the latest evaluation found, in percent, so that variants can be seen to find the same.
    """

    unit: str
    run: Callable[[], int]
    once: Callable[[], Any] | None = None
    method: nn.Module | None = None
    places: dict[str, tuple[Any, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    rows: Callable[[], Tensor] | None = None
    scores: Callable[[], dict[str, float]] | None = None


PARTS = {
    "backbone": ("encode",),
    "support side": ("condition",),
    "query side": ("predict",),
    "prior": ("prior", "evidence"),
    "attention": ("transformer.condition", "transformer.forward", "attention.forward"),
    "head": ("head.forward", "base_head.forward"),
}
"""Part -> functions of a method whose time it is, where the method has them."""


def attach(workload: Workload, clock: PartClock) -> None:
    """Lets a clock count the parts of a workload from now on."""
    for name, (place, function) in workload.places.items():
        setattr(place, function, clock.wrapped(name, getattr(place, function)))
    for name, paths in PARTS.items():
        for path in paths:
            *outer, function = path.split(".")
            owner: Any = workload.method
            for step in outer:
                owner = getattr(owner, step, None)
            if callable(getattr(owner, function, None)):
                # Set past nn.Module, which keeps modules in tables of its own.
                object.__setattr__(owner, function, clock.wrapped(name, getattr(owner, function)))


def build(part: str, cfg: CfgNode, words: frozenset[str], runtime: Runtime, *, amount: int, weights: str) -> Workload:
    """The workload of a part (``evaluation``, ``training`` or ``loader``).

    Args:
        words: of `WORDS`.
        amount: units per run.
        weights: checkpoint for the evaluation; empty: random weights.

    Raises InputError: a word does not go with this part or method, or the data are missing.
    """
    if part == "evaluation":
        return _evaluation(cfg, words, runtime, amount, weights)
    if part == "training":
        return _training(cfg, words, runtime, amount)
    if words:
        raise InputError(f"the loader has no variant {' '.join(sorted(words))}; its variants are settings")
    return _loader(cfg, runtime, amount)


def _evaluation(cfg: CfgNode, words: frozenset[str], runtime: Runtime, episodes: int, weights: str) -> Workload:
    method: Method
    source: Any
    score: Any
    measure: Callable[[Tensor], dict[str, float]]
    if is_classification(cfg):
        where = data_source(cfg)
        pictures = require_split(open_splits(where), "test", where)
        plan: Any = WayPlan(pictures.class_pictures(), episode_shape(cfg), n_episodes=episodes, seed=cfg.SEED)
        method, score = build_classifier(cfg, 20), score_accuracy
        tell_classes(cfg, method, pictures.class_names)
        measure = _accuracy
        source = ClassificationSource(pictures, plan.episodes(), fixed_transform(cfg))
    else:
        data = open_data(cfg, runtime)
        plan = novel_plan(cfg, data, n_episodes=episodes, seed=cfg.SEED)
        method, score = build_method(cfg, data.fold.base, pretrained=False), logit_score(cfg)
        source = episode_source(cfg, data.test_store, plan)
        measure = functools.partial(_ious, classes=data.fold.novel)
    if weights:
        load_checkpoint(method, cfg, Path(weights))
    method = method.to(runtime.device).eval()
    distinct = len({number for spec in source.specs for number in spec.pictures})
    notes = [f"{len(source.specs)} episodes over {distinct} pictures", *([] if weights else ["random weights"])]
    rows: dict[str, Tensor] = {}
    if words & {PUBLISHED, UNCACHED}:
        answer = _published_answer(method) if PUBLISHED in words else method

        def alone() -> int:
            rows["latest"] = one_at_a_time(method, answer, source, score, runtime.device)
            return len(source.specs)

        run = alone
    else:
        evaluate = evaluator(cfg, runtime)

        def together() -> int:
            rows["latest"] = evaluate(method, source, score)
            return len(source.specs)

        run = together
    if COMPILED in words:
        object.__setattr__(method, "predict", torch.compile(method.predict))

    def once() -> None:
        one_at_a_time(method, method, _First(source), score, runtime.device)

    places = {"data": (source, "load")}

    def scores() -> dict[str, float]:
        return measure(rows["latest"])

    return Workload("episodes", run, once, method, places, notes, lambda: rows["latest"], scores)


def _ious(rows: Tensor, classes: Sequence[int]) -> dict[str, float]:
    return {"mIoU": 100 * iou.mean_iou(rows, classes), "FB-IoU": 100 * iou.fb_iou(rows)}


def _accuracy(rows: Tensor) -> dict[str, float]:
    return {"accuracy": 100 * accuracy(rows).mean}


class _First:
    """A source's first episode alone."""

    def __init__(self, source: Any) -> None:
        self.specs, self.load, self.assemble = source.specs[:1], source.load, source.assemble


def one_at_a_time(
    method: Method, answer: Callable[[Any], Tensor], source: Any, score: Any, device: torch.device
) -> Tensor:
    """Rows of every episode from its pictures alone, as published: nothing is kept, counts come to the host each time.

    Args:
        method: gives evaluation mode, and features where `answer` is the method itself.
        answer: outputs of an episode with images.
    """
    rows = []
    with evaluation_mode(method), torch.no_grad():
        for spec in source.specs:
            pictures = {number: source.load(number) for number in spec.pictures}
            episode = _with_images(method, source, spec, pictures, device, features=answer is method)
            rows.append(score(answer(episode).float(), [spec], pictures).cpu())
    return torch.cat(rows)


def _with_images(method: Method, source: Any, spec: Any, pictures: Any, device: torch.device, *, features: bool) -> Any:
    if not features:
        return source.assemble([spec], pictures).to(device)
    encoded = {number: method.encode(picture.image[None].to(device)) for number, picture in pictures.items()}
    return source.assemble([spec], pictures, encoded).to(device)


def _published_answer(method: nn.Module) -> Callable[[Any], Tensor]:
    if not isinstance(method, SCCAN):
        raise InputError(f"published arithmetic is kept for sccan alone; use {UNCACHED!r} for {type(method).__name__}")
    plain = plain_sccan.plain_copy(method).eval()
    return lambda episode: plain_sccan.plain_logits(plain, episode).unsqueeze(1)


def _job(cfg: CfgNode, runtime: Runtime) -> TrainingJob:
    if is_classification(cfg):
        return classification.training_job(cfg, runtime)
    return segmentation_training.training_job(cfg, runtime, pretrained=False)


def _training(cfg: CfgNode, words: frozenset[str], runtime: Runtime, steps: int) -> Workload:
    if UNCACHED in words:
        raise InputError(f"training has no variant {UNCACHED!r}")
    job = _job(cfg, runtime)
    job.model.train()
    # A few batches again and again: the loader is measured by itself, and `upload` counts here.
    batches = list(itertools.islice(job.task.batches(0, 0), 2))
    if PUBLISHED in words:
        if not isinstance(job.model, SCCAN):
            raise InputError("published arithmetic of training is kept for sccan alone")
        plain = plain_sccan.plain_step(job.model)

        def step(number: int) -> Any:
            return plain(job.task.prepare(batches[number % len(batches)], runtime.device))
    else:
        how = train_settings(cfg)
        updater = Updater(
            job.model,
            optimizer_settings(cfg, job.model),
            1 << 20,
            runtime,
            precision=how.precision,
            clip_norm=how.clip_norm,
            fold=how.fold_norms,
            compiled=how.compiled or COMPILED in words,
        )

        def step(number: int) -> Any:
            return updater.step(number + 1, [job.task.prepare(batches[number % len(batches)], runtime.device)], 1)

    numbers = itertools.count()

    def run() -> int:
        for _ in range(steps):
            step(next(numbers))
        return steps

    places = {"upload": (job.task.source, "to_device")} if hasattr(job.task.source, "to_device") else {}
    notes = [f"batch {cfg.TRAIN.BATCH_SIZE}, {cfg.EPISODE.SHOTS} shots, {cfg.TRAIN.PRECISION}", "random weights"]
    return Workload("steps", run, lambda: step(next(numbers)), job.model, places, notes)


def _loader(cfg: CfgNode, runtime: Runtime, images: int) -> Workload:
    task = _job(cfg, runtime).task
    stream = _endless(task)
    per_batch = _images(next(stream))

    def run() -> int:
        batches = -(-images // per_batch)
        for _ in itertools.islice(stream, batches):
            pass
        return batches * per_batch

    return Workload("images", run, notes=[f"{cfg.DATA.WORKERS} workers, transform {cfg.TRAIN.TRANSFORM}"])


def _endless(task: Any) -> Iterator[Any]:
    for epoch in itertools.count():
        yield from task.batches(epoch, 0)


def _images(batch: Any) -> int:
    """Pictures in a batch, supports and queries together."""
    values = [value for value in vars(batch).values() if isinstance(value, Tensor)]
    pictures = [value.shape[:-3].numel() for value in values if value.ndim >= 4 and value.shape[-3] == 3]
    if not pictures:
        return int(max(value.shape[0] for value in values))
    return int(sum(pictures))
