"""How to train and where to keep it, from settings."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from yacs.config import CfgNode

from sccan.builders.feature_files import feature_files, feature_store
from sccan.engine.batches import BatchTask
from sccan.engine.distributed import Runtime
from sccan.engine.evaluate import EpisodeSource, Score, evaluate
from sccan.engine.optimizers import Optimizers, OptimizerSettings
from sccan.engine.run import Run, open_run
from sccan.engine.train_settings import TrainSettings
from sccan.method import Method
from sccan.settings.loading import dump, flatten
from sccan.settings.tree import defaults, optimiser_group

MAY_DIFFER = (
    "DEVICE",
    "OUTPUT",
    "DATA.WORKERS",
    "DATA.MEMORY_GB",
    "DATA.CACHE",
    "TRAIN.MAX_MINUTES",
    "TRAIN.SAVE_MINUTES",
    "TRAIN.LOG_EVERY",
)
"""Settings that change no number, which a resumed run may have otherwise; everything of TEST as well."""

GIGABYTE = 1 << 30
SPARE_BYTES = 64 << 20
"""Room for logs and reports beside the states."""


@contextlib.contextmanager
def seeded(cfg: CfgNode) -> Iterator[None]:
    """Initial weights made in this block depend on SEED alone; the generators around it are left as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(cfg.SEED)
        yield


@dataclass(frozen=True)
class TrainingJob:
    """What the training command needs.

    Attributes:
        model: on the runtime's device.
        task: its data and validation.
        header: facts that go with the weights.
        notes: lines that say what is being trained on.
    """

    model: nn.Module
    task: BatchTask[Any]
    header: dict[str, Any]
    notes: list[str]


def run_folder(cfg: CfgNode) -> Path:
    """Where the run of these settings lies."""
    return Path(cfg.OUTPUT) / cfg.NAME


def train_settings(cfg: CfgNode) -> TrainSettings:
    """The course of a training."""
    node = cfg.TRAIN
    return TrainSettings(
        epochs=node.EPOCHS,
        seed=cfg.SEED,
        accumulation=node.ACCUMULATION,
        clip_norm=node.CLIP_NORM,
        precision=node.PRECISION,
        validate_every=cfg.VALIDATE.EVERY,
        patience=node.PATIENCE,
        save_minutes=node.SAVE_MINUTES,
        max_minutes=node.MAX_MINUTES,
        log_every=node.LOG_EVERY,
        fold_norms=node.FOLD_NORMS,
        compiled=node.COMPILE,
    )


def optimizer_settings(cfg: CfgNode, model: nn.Module) -> dict[str, OptimizerSettings]:
    """One per parameter group named under OPTIM.

    Raises InputError: the names are not those of the model's groups, or a setting is unfit.
    """
    settings = {
        name: OptimizerSettings(
            algorithm=node.ALGORITHM,
            lr=node.LR,
            momentum=node.MOMENTUM,
            nesterov=node.NESTEROV,
            betas=node.BETAS,
            weight_decay=node.WEIGHT_DECAY,
            schedule=node.SCHEDULE,
            power=node.POWER,
            warmup_steps=node.WARMUP_STEPS,
            warmup_start=node.WARMUP_START,
            minimum=node.MINIMUM,
            milestones=node.MILESTONES,
            factor=node.FACTOR,
            shares=node.SHARES,
        )
        for name, node in cfg.OPTIM.items()
    }
    groups: dict[str, list[nn.Parameter]] = model.parameter_groups()  # type: ignore[operator]
    Optimizers(groups, settings, total=1)  # made here to be refused before a run folder exists
    return settings


def open_training_run(cfg: CfgNode, runtime: Runtime, model: nn.Module, *, resume: bool, overwrite: bool) -> Run:
    """The run folder of a training, taken for this process.

    Raises InputError: it is in use, holds another run, or its disk is too full.
    """
    flat = flatten(cfg)
    weights = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    learned = sum(value.numel() * value.element_size() for value in model.parameters() if value.requires_grad)
    # The state (weights and up to two moments) exists twice while it is replaced, and so do the best weights.
    needed = 2 * (weights + 2 * learned) + 2 * weights + SPARE_BYTES
    return open_run(
        run_folder(cfg),
        runtime,
        config_text=dump(cfg),
        settings=flat,
        may_differ=(*MAY_DIFFER, *(name for name in flat if name.startswith("TEST."))),
        may_be_new=at_default(cfg),
        resume=resume,
        overwrite=overwrite,
        bytes_needed=needed,
    )


def at_default(cfg: CfgNode) -> set[str]:
    """Names of the settings that are as they are where nobody says anything: a run without them had them so."""
    usual = defaults()
    for group in cfg.OPTIM:
        usual.OPTIM[group] = optimiser_group()
    known = flatten(usual)
    return {name for name, value in flatten(cfg).items() if name in known and value == known[name]}


def evaluator(cfg: CfgNode, runtime: Runtime, **options: Any) -> Callable[..., Tensor]:
    """The engine's `evaluate` with the settings of TEST bound.

    Raises InputError: a setting is unfit.
    """
    bound: dict[str, Any] = {
        "runtime": runtime,
        "store": feature_store(cfg, runtime),
        "fold": cfg.TEST.FOLD_NORMS,
        "batch_size": cfg.TEST.BATCH_SIZE,
        "encode_batch": cfg.TEST.ENCODE_BATCH,
        "cache_bytes": int(cfg.TEST.CACHE_GB * GIGABYTE),
        "workers": cfg.DATA.WORKERS,
        "precision": cfg.TEST.PRECISION,
    }
    bound |= options
    if not cfg.TEST.FEATURE_FILES:
        return functools.partial(evaluate, **bound)

    def run(method: Method, source: EpisodeSource[Any], score: Score, **more: Any) -> Tensor:
        return evaluate(method, source, score, **({"files": feature_files(cfg, method, source)} | bound | more))

    return run
