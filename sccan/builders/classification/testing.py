"""A classification test from settings: which episodes, and everything the result has to say about itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from yacs.config import CfgNode

from sccan.backbones.weights import load_strict, read_state, translated
from sccan.builders.backbones import backbone_name
from sccan.builders.checkpoints import checkpoint_path, digest
from sccan.builders.classification.class_words import check_words, made_up, tell_classes, word_facts
from sccan.builders.classification.data import (
    build_classifier,
    build_untrained,
    data_source,
    episode_shape,
    fixed_transform,
    is_transductive,
    preprocessing,
)
from sccan.builders.classification.family import EXCUSED
from sccan.builders.classification.frozen import TRAINING_FREE, require_balance
from sccan.builders.classification.models import CLASSIFIERS, NAME_TABLES
from sccan.builders.classification.stored_features import episode_source, open_features
from sccan.builders.classification.tasnet import require_one_process
from sccan.builders.engine import evaluator
from sccan.builders.necks import full_name
from sccan.builders.tested_weights import TestedWeights, refuse_checkpoint, weights_of_backbone
from sccan.classification.data.datasets import open_splits, require_split
from sccan.classification.data.episodes import ClassificationSource
from sccan.classification.data.splits.pictures import Pictures
from sccan.classification.data.stored_features import StoredFeatures
from sccan.classification.evaluation.accuracy import score_accuracy
from sccan.classification.evaluation.protocols import Protocol, protocol
from sccan.classification.evaluation.results import ClassificationResult, SeedRows
from sccan.classification.words.vectors import STAND_IN
from sccan.engine.checkpoint import own_header
from sccan.engine.distributed import Runtime
from sccan.engine.environment import source_revision
from sccan.episodes.manifest import ManifestPlan, manifest_hash, read_manifest
from sccan.episodes.plan import EpisodePlan
from sccan.errors import InputError
from sccan.method import Method


@dataclass(frozen=True)
class TestedEpisodes:
    """One list of episodes of a test.

    Attributes:
        seed: of the episodes.
        source: episodes and pictures.
        manifest: hash of the episodes.
    """

    seed: int
    source: ClassificationSource
    manifest: str


@dataclass(frozen=True)
class ClassificationTest:
    """What the test command needs.

    Attributes:
        method: with its checkpoint, on the runtime's device.
        pictures: the test split.
        tests: one entry per seed, or the manifest that is replayed.
        weights: what the weights are: a checkpoint, or those of the backbone where nothing is trained.
        stored: features of the pictures, where they were extracted.
    """

    method: Method
    pictures: Pictures
    tests: list[TestedEpisodes]
    weights: TestedWeights
    stored: StoredFeatures | None = None


def open_classification_test(
    cfg: CfgNode, runtime: Runtime, *, weights: str = "", manifest: str = ""
) -> ClassificationTest:
    """Method, pictures and episodes of a test on the split of novel classes.

    Args:
        weights: checkpoint file or run folder; empty: TEST.WEIGHTS or the run's best. Methods that are not trained have
            none, but the weights of their backbone.
        manifest: file of episodes to replay; empty: the protocol's own episodes for every seed.

    Raises InputError: something of it is missing or does not fit.
    """
    method, used, header = _tested_method(cfg, weights)
    source = data_source(cfg)
    pictures = require_split(open_splits(source), "test", source)
    require_one_process(method, runtime)
    tell_classes(cfg, method, pictures.class_names)
    check_words(used.source, header, method)
    stored = open_features(cfg, method, pictures, "test", preprocessing(cfg))
    transform, index = fixed_transform(cfg), pictures.index()
    tests = []
    for seed, plan in _test_plans(cfg, pictures, manifest):
        episodes = episode_source(pictures, plan.episodes(), transform, stored)
        tests.append(TestedEpisodes(seed, episodes, manifest_hash(episodes.specs, index)))
    return ClassificationTest(method.to(runtime.device).eval(), pictures, tests, used, stored)


def _tested_method(cfg: CfgNode, weights: str) -> tuple[Method, TestedWeights, dict[str, Any]]:
    """The method, what its weights are, and what a checkpoint says about itself."""
    if cfg.METHOD.NAME not in TRAINING_FREE:
        path = checkpoint_path(cfg, weights)
        method, header = load_classifier(cfg, path)
        selection = str(header.get("selection", "unknown (the checkpoint does not say)"))
        return method, TestedWeights(str(path), digest(path), selection), header
    refuse_checkpoint(cfg, weights)
    rule = protocol_of(cfg)
    require_balance(cfg, balanced=rule.balanced, where=f"the protocol {rule.name} has them unbalanced")
    method = build_untrained(cfg)
    return method, weights_of_backbone(cfg, method), {}


def load_classifier(cfg: CfgNode, path: Path) -> tuple[Method, dict[str, Any]]:
    """The method with the weights of a checkpoint, ours or a published one, and what its header says.

    The number of base classes is read from the checkpoint.

    Raises InputError: it belongs to another method, backbone or preprocessing, or does not fit.
    """
    header = own_header(path)
    expected = {"method": cfg.METHOD.NAME, "backbone": backbone_name(cfg), "picture": preprocessing(cfg)}
    for key, wanted in expected.items():
        if header.get(key, wanted) != wanted:
            raise InputError(
                f"{path} is a checkpoint of {key} {header[key]}, but the settings say {wanted}; choose the config or "
                "the checkpoint to match"
            )
    state = translated(read_state(path), NAME_TABLES[cfg.METHOD.NAME], source=str(path))
    classifier = CLASSIFIERS[cfg.METHOD.NAME]
    if classifier and (classifier not in state or not state[classifier].dim()):
        raise InputError(f"{path} is no checkpoint of {cfg.METHOD.NAME}: it holds no {classifier}")
    method = build_classifier(cfg, len(state[classifier]) if classifier else 0)
    load_strict(method, state, source=str(path), excused=EXCUSED)
    return method, header


def protocol_of(cfg: CfgNode) -> Protocol:
    """The protocol named TEST.PROTOCOL."""
    return protocol(cfg.TEST.PROTOCOL)


def run_classification_test(cfg: CfgNode, runtime: Runtime, job: ClassificationTest) -> ClassificationResult:
    """Accuracy on every list of episodes."""
    seeds = []
    for tested in job.tests:
        run = evaluator(cfg, runtime, known=job.stored, progress=f"testing, seed {tested.seed}")
        rows: Tensor = run(job.method, tested.source, score_accuracy)
        seeds.append(SeedRows(tested.seed, tested.manifest, rows))
    shape = episode_shape(cfg)
    transductive = is_transductive(cfg)
    return ClassificationResult(
        title=f"{full_name(cfg)} on {cfg.DATA.NAME}, {shape.n_way}-way {shape.n_shot}-shot"
        f"{', transductive' if transductive else ''}{', ' + STAND_IN if made_up(job.method) else ''}",
        facts={
            "method": full_name(cfg),
            "backbone": backbone_name(cfg),
            "data_set": f"{cfg.DATA.NAME} ({len(job.pictures)} test pictures)",
            "class_list": cfg.DATA.CLASS_LIST,
            "protocol": protocol_of(cfg).name,
            "ways": shape.n_way,
            "shots": shape.n_shot,
            "queries": shape.n_query,
            "transductive": transductive,
            **word_facts(job.method),
            "picture": preprocessing(cfg),
            "selection": job.weights.selection,
            "checkpoint": job.weights.source,
            "checkpoint_digest": job.weights.digest,
            "code_revision": source_revision() or "",
            "processes": runtime.world_size,
        },
        seeds=seeds,
    )


def _test_plans(cfg: CfgNode, pictures: Pictures, manifest: str) -> list[tuple[int, EpisodePlan]]:
    """Seed and plan of every list of episodes."""
    if manifest:
        read = read_manifest(manifest, pictures.index())
        return [(int(read.header["seed"]), ManifestPlan(read))]
    rule, listed = protocol_of(cfg), pictures.class_pictures()
    n_episodes, shape, small = cfg.TEST.EPISODES or rule.episodes, episode_shape(cfg), cfg.DATA.SKIP_SMALL_CLASSES
    return [
        (seed, rule.plan(listed, shape, n_episodes=n_episodes, seed=seed, skip_small=small))
        for seed in cfg.TEST.SEEDS or rule.seeds
    ]
