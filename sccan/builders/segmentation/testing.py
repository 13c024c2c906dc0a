"""A test from settings: which episodes, scored how, and everything the result has to say about itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor
from yacs.config import CfgNode

from sccan.backbones.stage import Backbone
from sccan.builders.backbones import backbone_name
from sccan.builders.checkpoints import checkpoint_path, digest
from sccan.builders.engine import evaluator
from sccan.builders.necks import full_name
from sccan.builders.segmentation.checkpoint import load_checkpoint
from sccan.builders.segmentation.data import (
    SegmentationData,
    base_source,
    episode_source,
    input_side,
    logit_score,
    novel_plan,
    open_data,
    protocol_of,
)
from sccan.builders.segmentation.features import encoded_once
from sccan.builders.segmentation.models import TRAINING_FREE, build_method, stages_used
from sccan.builders.tested_weights import TestedWeights, refuse_checkpoint, weights_of_backbone
from sccan.engine.distributed import Runtime
from sccan.engine.environment import source_revision
from sccan.episodes.episode import EpisodeSpec, Features
from sccan.episodes.manifest import Manifest, ManifestPlan, manifest_hash, read_manifest
from sccan.episodes.plan import EpisodePlan
from sccan.errors import InputError
from sccan.method import Method
from sccan.report.results import BaselineOutcome, Result, SeedOutcome
from sccan.segmentation.data.folder import made_as
from sccan.segmentation.data.sampling.pictures import SegmentationSource
from sccan.segmentation.evaluation.iou import RATIOS
from sccan.segmentation.evaluation.ladder import compare_with_baselines
from sccan.segmentation.evaluation.outcomes import baseline_outcome, part_outcomes, seed_outcome, spread
from sccan.segmentation.evaluation.part_scores import PartScore, final_rows
from sccan.segmentation.evaluation.scoring import HistogramScore, LogitScore
from sccan.segmentation.methods.all_answers import AllAnswers, FinalSink
from sccan.segmentation.methods.bam import BAM
from sccan.segmentation.methods.training_free import TrainingFreeMethod


@dataclass(frozen=True)
class Tested:
    """One list of episodes of a test.

    Attributes:
        seed: of the plan.
        source: its episodes and pictures.
        manifest: hash of the episodes.
    """

    seed: int
    source: SegmentationSource
    manifest: str


@dataclass(frozen=True)
class FoldTest:
    """What the test command needs.

    Attributes:
        method: with its checkpoint, on the runtime's device.
        data: the fold.
        tests: one entry per seed, or the manifest that is replayed.
        weights: what the weights are: a checkpoint, or those of the backbone where nothing is trained.
    """

    method: Method
    data: SegmentationData
    tests: list[Tested]
    weights: TestedWeights


def open_test(cfg: CfgNode, runtime: Runtime, *, weights: str = "", manifest: str = "") -> FoldTest:
    """Method, fold and episodes of a test.

    Args:
        weights: checkpoint file or run folder; empty: TEST.WEIGHTS or the run's best. Methods that are not trained have
            none, but the weights of their backbone.
        manifest: file of episodes to replay; empty: the protocol's own episodes for every seed.

    Raises InputError: something of it is missing or does not fit.
    """
    untrained = cfg.METHOD.NAME in TRAINING_FREE
    if untrained:
        refuse_checkpoint(cfg, weights)
    path = None if untrained else checkpoint_path(cfg, weights)
    data = open_data(cfg, runtime)
    method = build_method(cfg, data.fold.base, pretrained=path is None)
    if path is None:
        used = weights_of_backbone(cfg, method)
    else:
        header = load_checkpoint(method, cfg, path)
        selection = str(header.get("selection", "unknown (the checkpoint does not say)"))
        used = TestedWeights(str(path), digest(path), selection)
    tests = [_tested(cfg, data, seed, plan) for seed, plan in episode_plans(cfg, data, manifest)]
    return FoldTest(method.to(runtime.device).eval(), data, tests, used)


def episode_plans(cfg: CfgNode, data: SegmentationData, manifest: str = "") -> list[tuple[int, EpisodePlan]]:
    """Seed and plan of every list of episodes."""
    if manifest:
        read = fold_manifest(manifest, data)
        return [(int(read.header["seed"]), ManifestPlan(read))]
    protocol = protocol_of(cfg)
    n_episodes = cfg.TEST.EPISODES or protocol.n_episodes(data.dataset.name)
    seeds = cfg.TEST.SEEDS or protocol.seeds
    return [(seed, novel_plan(cfg, data, n_episodes=n_episodes, seed=seed)) for seed in seeds]


def fold_manifest(path: str | Path, data: SegmentationData) -> Manifest:
    """The episodes of a file, for the fold at hand.

    Raises InputError: see `read_manifest`; an episode has several classes or queries, or a class that the fold trains
        on.
    """
    found = read_manifest(path, data.test_store.index)
    for spec in found.specs:
        if len(spec.classes) > 1 or len(spec.query[0]) > 1:
            raise InputError(
                f"manifest {path}: episode {spec.number} has {len(spec.classes)} classes with {len(spec.query[0])} "
                "queries each; masks are scored for one class in one query"
            )
        if spec.classes[0] not in data.fold.novel:
            raise InputError(
                f"manifest {path}: episode {spec.number} is of class {spec.classes[0]}, on which fold "
                f"{data.fold.number} trains; it was made for fold {found.header['fold']}: choose the settings of that"
            )
    return found


def _tested(cfg: CfgNode, data: SegmentationData, seed: int, plan: EpisodePlan) -> Tested:
    source = episode_source(cfg, data.test_store, plan)
    return Tested(seed, source, manifest_hash(source.specs, data.test_store.index))


def scored_classes(cfg: CfgNode, data: SegmentationData, specs: Sequence[Sequence[EpisodeSpec]]) -> list[int]:
    """The classes that mIoU is a mean of: all of the fold as published, or those that are tested."""
    if protocol_of(cfg).absent_counts:
        return list(data.fold.novel)
    return sorted({spec.classes[0] for own in specs for spec in own})


def run_test(cfg: CfgNode, runtime: Runtime, job: FoldTest, *, sink: Callable[[Tested], Any] | None = None) -> Result:
    """Score the method, and the trivial baselines if TEST.BASELINES, on the same episodes.

    Of BAM also what its two learners say on their own, in the same evaluation.

    Args:
        sink: gives, for a list of episodes, what gets every batch's outputs (`engine.evaluate`), or None.
    """
    protocol, index = protocol_of(cfg), job.data.test_store.index
    method, score = _with_score(cfg, job)
    classes = scored_classes(cfg, job.data, [tested.source.specs for tested in job.tests])
    known = encoded_once(cfg, runtime, job.method, [tested.source for tested in job.tests])
    rows: list[Tensor] = []
    seeds: list[SeedOutcome] = []
    for tested in job.tests:
        drain = sink(tested) if sink else None
        if drain is not None and isinstance(method, AllAnswers):
            drain = FinalSink(drain)
        run = evaluator(cfg, runtime, progress=f"testing, seed {tested.seed}", sink=drain, known=known)
        rows.append(run(method, tested.source, score))
        seeds.append(
            seed_outcome(
                final_rows(rows[-1]),
                tested.source.specs,
                index,
                classes,
                seed=tested.seed,
                manifest=tested.manifest,
                ratio=RATIOS[protocol.ratio],
            )
        )
    return Result(
        method=full_name(cfg).upper(),
        data_set=f"{job.data.dataset.name} ({len(index)} test pictures)",
        protocol=protocol.name,
        label_variant=made_as(job.data.dataset, index),
        fold=job.data.fold.number,
        folds=cfg.DATA.N_FOLDS,
        shots=cfg.EPISODE.SHOTS,
        seeds=seeds,
        miou=spread([outcome.miou for outcome in seeds]),
        fb_iou=spread([outcome.fb_iou for outcome in seeds]),
        selection=job.weights.selection,
        checkpoint=job.weights.source,
        checkpoint_digest=job.weights.digest,
        code_revision=source_revision() or "",
        baselines=_baselines(cfg, runtime, job, classes, known) if cfg.TEST.BASELINES else (),
        parts=part_outcomes(rows, classes, RATIOS[protocol.ratio]) if isinstance(method, AllAnswers) else (),
        extra={"backbone": backbone_name(cfg), "input_size": input_side(cfg), "processes": runtime.world_size},
    )


def _with_score(cfg: CfgNode, job: FoldTest) -> tuple[Method, LogitScore | PartScore]:
    """What is run on the episodes and how it is scored; of BAM all three answers, unless shots vote."""
    method, score = protocol_of(cfg).method(job.method), logit_score(cfg)
    if isinstance(method, BAM):
        return AllAnswers(method), PartScore(score.comparison, job.data.fold)
    return method, score


def _baselines(
    cfg: CfgNode, runtime: Runtime, job: FoldTest, classes: Sequence[int], known: Mapping[int, Features]
) -> list[BaselineOutcome]:
    """Trivial baselines on the method's own backbone; thresholds come from base-class episodes.

    Args:
        known: the method's features of the novel episodes' pictures; used again where they hold what is read here.
    """
    backbone = job.method.get_submodule("backbone")
    assert isinstance(backbone, Backbone)
    base = base_source(cfg, job.data, n_episodes=cfg.TEST.CALIBRATION_EPISODES, seed=cfg.VALIDATE.SEED + 1)
    score = logit_score(cfg)
    prior_stage, cosine_stages = stages_used(cfg, backbone)
    # Numbers mean pictures of the test list; another list for the base classes has numbers of its own.
    held = set(next(iter(known.values())).maps) if known and job.data.base_store is job.data.test_store else set()
    usable = known if {prior_stage, *cosine_stages} <= held else {}
    results = compare_with_baselines(
        backbone,
        evaluator(cfg, runtime, progress="trivial baselines", known=usable),
        base=base,
        base_classes=sorted({spec.classes[0] for spec in base.specs}),
        novel=[tested.source for tested in job.tests],
        score=score,
        histogram=HistogramScore(score.comparison),
        prior_stage=prior_stage,
        cosine_stages=cosine_stages,
        rank=job.method.cells.rank if isinstance(job.method, TrainingFreeMethod) else 0,
    )
    ratio = RATIOS[protocol_of(cfg).ratio]
    return [baseline_outcome(result, classes, ratio) for result in results]
