"""Generalised few-shot test of BAM: base and novel classes in one label image."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from yacs.config import CfgNode

from sccan.builders.backbones import backbone_name
from sccan.builders.checkpoints import checkpoint_path, digest
from sccan.builders.engine import evaluator, run_folder
from sccan.builders.segmentation.calibration import chosen_tau
from sccan.builders.segmentation.checkpoint import load_checkpoint
from sccan.builders.segmentation.data import SegmentationData, episode_source, logit_score, open_data, protocol_of
from sccan.builders.segmentation.models import build_method
from sccan.commands.entry import add_config_options, parser, say
from sccan.engine.distributed import Runtime, start
from sccan.engine.environment import source_revision
from sccan.engine.together import alone_for_all
from sccan.episodes.manifest import manifest_hash
from sccan.errors import InputError
from sccan.files.made import RESULTS
from sccan.files.writing import write_json
from sccan.report.tables import Table, count_column, percent, percent_column, text_column
from sccan.segmentation.data.sampling.generalised_plan import GeneralisedPlan
from sccan.segmentation.evaluation.generalised import (
    MERGES,
    TAU,
    GeneralisedScore,
    GeneralisedScores,
    generalised_scores,
)
from sccan.segmentation.evaluation.iou import Interval, confidence_interval
from sccan.segmentation.methods.all_answers import AllAnswers
from sccan.segmentation.methods.bam import BAM
from sccan.settings.loading import load_config

EXAMPLE = """  python tools/test_gfss.py --config=config/pascal/pascal_split0_bam_resnet50.yaml
  python tools/test_gfss.py --config=config/shapes/shapes_split0_bam.yaml --merge base --tau auto"""

MEANS = ("novel", "base", "total", "fb_iou")


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: tested, results written."""
    command = parser(
        "Generalised few-shot test of BAM: every picture of the test list gets base classes and one novel class.",
        EXAMPLE,
    )
    command.add_argument("--weights", default="", help="checkpoint file or run folder (default: the run's best)")
    command.add_argument(
        "--merge", choices=MERGES, default="final",
        help="final: novel where the ensemble is sure, else the base learner; base: the other way round",
    )  # fmt: skip
    command.add_argument(
        "--tau",
        default=str(TAU),
        metavar="TAU",
        help=f"when the ensemble is sure (default: {TAU}, as published, which fits a long training); auto: chosen on "
        "base classes",
    )
    command.add_argument("--out", type=Path, default=None, help="folder of the results (default: in the run folder)")
    add_config_options(command)
    args = command.parse_args(argv)
    cfg = load_config(args.config, args.opts)
    if cfg.METHOD.NAME != "bam":
        raise InputError(f"METHOD.NAME is {cfg.METHOD.NAME!r}, but only bam has a base learner to merge with; use bam")
    named = _tau(args.tau)
    with start(cfg.DEVICE) as runtime:
        path = checkpoint_path(cfg, args.weights)
        data = open_data(cfg, runtime)
        method = build_method(cfg, data.fold.base, pretrained=False)
        header = load_checkpoint(method, cfg, path)
        assert isinstance(method, BAM)
        tested = AllAnswers(method).to(runtime.device).eval()
        merge = MERGES[args.merge]
        tau = named if named is not None else chosen_tau(cfg, runtime, data, method, merge)
        score = GeneralisedScore(logit_score(cfg).comparison, data.fold, merge, tau)
        folder = args.out or run_folder(cfg) / "results" / f"gfss_{args.merge}_{cfg.EPISODE.SHOTS}shot"
        with alone_for_all(folder, runtime, [RESULTS]) as made:
            seeds = _test_seeds(cfg, runtime, data, tested, score)
            if made is not None:
                facts = _facts(cfg, data, path, header) | {
                    "merge": args.merge,
                    "tau": tau,
                    "tau_from": "base classes" if named is None else "the command line or its default",
                }
                write_json(made.claim(RESULTS), facts | _record(seeds))
                print(_text(data, seeds))
                print(f"threshold {tau}" + (", chosen on base classes" if named is None else ""))
                say(f"results: {folder}")
    return 0


def _facts(cfg: CfgNode, data: SegmentationData, path: Path, header: Mapping[str, Any]) -> dict[str, Any]:
    """What was tested."""
    return {
        "method": cfg.METHOD.NAME,
        "backbone": backbone_name(cfg),
        "data": data.dataset.name,
        "fold": data.fold.number,
        "shots": cfg.EPISODE.SHOTS,
        "protocol": f"generalised ({protocol_of(cfg).name})",
        "checkpoint": str(path),
        "checkpoint_digest": digest(path),
        "selection": header.get("selection", "unknown (the checkpoint does not say)"),
        "code_revision": source_revision() or "",
    }


def _tau(text: str) -> float | None:
    """A threshold of the command line; None stands for auto.

    Raises InputError: it is none.
    """
    if text == "auto":
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise InputError(f"--tau is {text}, expected a probability from 0 up to 1, or auto")
    return value


@dataclasses.dataclass(frozen=True)
class SeedScores:
    """Scores of one seed's episodes, with the hash of their manifest."""

    seed: int
    manifest: str
    episodes: int
    scores: GeneralisedScores


def _test_seeds(
    cfg: CfgNode, runtime: Runtime, data: SegmentationData, method: AllAnswers, score: GeneralisedScore
) -> list[SeedScores]:
    protocol = protocol_of(cfg)
    n_episodes = cfg.TEST.EPISODES or protocol.n_episodes(data.dataset.name)
    index, found = data.test_store.index, []
    for seed in cfg.TEST.SEEDS or protocol.seeds:
        plan = GeneralisedPlan(index, data.fold, n_shot=cfg.EPISODE.SHOTS, n_episodes=n_episodes, seed=seed)
        source = episode_source(cfg, data.test_store, plan)
        rows: Tensor = evaluator(cfg, runtime, progress=f"testing, seed {seed}")(method, source, score)
        scores = generalised_scores(rows, data.fold)
        found.append(SeedScores(seed, manifest_hash(source.specs, index), len(rows), scores))
    return found


def _intervals(seeds: list[SeedScores]) -> dict[str, Interval]:
    return {name: confidence_interval([getattr(entry.scores, name) for entry in seeds]) for name in MEANS}


def _record(seeds: list[SeedScores]) -> dict[str, object]:
    means = {
        name: {"mean": value.mean, "half_width": value.half_width if len(seeds) > 1 else None}
        for name, value in _intervals(seeds).items()
    }
    entries = [dataclasses.asdict(entry) for entry in seeds]
    return {"means": means, "seeds": entries}


def _text(data: SegmentationData, seeds: list[SeedScores]) -> str:
    """A row per class, the mean over seeds of its IoU, and the means with their intervals."""
    names = data.dataset.class_names
    rows = [
        (
            number,
            names[number - 1],
            "novel" if number in data.fold.novel else "base",
            sum(entry.scores.per_class[number] for entry in seeds) / len(seeds),
        )
        for number in seeds[0].scores.per_class
    ]
    columns = [count_column("class"), text_column("name"), text_column("kind"), percent_column("IoU")]
    lines = [Table(columns, rows).text()]
    for name, value in _intervals(seeds).items():
        spread = f" +- {percent(value.half_width)}" if len(seeds) > 1 else ""
        lines.append(f"{name:<7} {percent(value.mean)}{spread}")
    lines.append(f"{seeds[0].episodes} episodes for each of {len(seeds)} seeds")
    return "\n".join(lines)
