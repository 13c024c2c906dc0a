"""Test what a config names on the novel classes of its fold."""

from collections.abc import Callable
from pathlib import Path

from yacs.config import CfgNode

from sccan.builders.checkpoints import checkpoint_path
from sccan.builders.classification.data import is_classification
from sccan.builders.engine import run_folder
from sccan.builders.segmentation.checkpoint import load_checkpoint
from sccan.builders.segmentation.data import logit_score
from sccan.builders.segmentation.models import BASE_LEARNERS
from sccan.builders.segmentation.testing import FoldTest, Tested, open_test, run_test
from sccan.builders.segmentation.training import training_job
from sccan.commands.classifier_test import run_classifier_test
from sccan.commands.entry import add_config_options, parser, say
from sccan.engine.distributed import Runtime, start
from sccan.engine.together import alone_for_all
from sccan.episodes.manifest import manifest_name, write_manifest
from sccan.report.results import FILES, Result, write_result
from sccan.report.tables import percent
from sccan.segmentation.evaluation.scoring import PredictionSink, prediction_path
from sccan.settings.loading import load_config

EXAMPLE = """  python test_sccan.py --config=config/shapes/shapes_split0.yaml
  python test_sccan.py --config=config/pascal/pascal_split0_resnet50.yaml --weights train_epoch_43_0.6753.pth
  torchrun --nproc_per_node=2 test_sccan.py --config=config/shapes/shapes_split0.yaml --save-predictions"""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: tested, results written."""
    command = parser("Test a few-shot method: mIoU, FB-IoU, IoU per class, intervals over seeds, baselines.", EXAMPLE)
    command.add_argument("--weights", default="", help="checkpoint file or run folder (default: the run's best)")
    command.add_argument("--manifest", default="", help="replay the episodes of this file instead of drawing them")
    command.add_argument("--save-predictions", action="store_true", help="store a label PNG per episode")
    command.add_argument("--out", type=Path, default=None, help="folder of the results (default: in the run folder)")
    add_config_options(command)
    args = command.parse_args(argv)
    cfg = load_config(args.config, args.opts)
    with start(cfg.DEVICE) as runtime:
        if is_classification(cfg):
            run_classifier_test(cfg, runtime, weights=args.weights, manifest=args.manifest, out=args.out)
            return 0
        if cfg.METHOD.NAME in BASE_LEARNERS:
            return _test_base_learner(cfg, runtime, args.weights)
        job = open_test(cfg, runtime, weights=args.weights, manifest=args.manifest)
        folder = args.out or results_folder(cfg, replayed=bool(args.manifest))
        own = _files(job, manifests=not args.manifest)
        stored = _prediction_files(job) if args.save_predictions else []
        with alone_for_all(folder, runtime, [*own, *stored]) as made:
            if made is not None:
                made.claim_all(stored)  # every process writes some of them
            sink = _predictions(cfg, folder) if args.save_predictions else None
            result = run_test(cfg, runtime, job, sink=sink)
            if made is not None:
                made.claim_all(own)
                _write(job, result, folder, manifests=not args.manifest)
        if runtime.is_main:
            print(result.text())
            say(f"results: {folder}")
    return 0


def results_folder(cfg: CfgNode, *, replayed: bool = False) -> Path:
    """Where results of these settings go, one folder per protocol and shots."""
    name = f"{cfg.TEST.PROTOCOL}_{cfg.EPISODE.SHOTS}shot{'_replayed' if replayed else ''}"
    return run_folder(cfg) / "results" / name


def _files(job: FoldTest, *, manifests: bool) -> list[str]:
    """What is written for a result."""
    return [*FILES, *(manifest_name(tested.seed) for tested in job.tests if manifests)]


def _prediction_files(job: FoldTest) -> list[str]:
    return [
        prediction_path(_prediction_folder(tested), spec.number).as_posix()
        for tested in job.tests
        for spec in tested.source.specs
    ]


def _predictions(cfg: CfgNode, folder: Path) -> Callable[[Tested], PredictionSink]:
    comparison = logit_score(cfg).comparison
    return lambda tested: PredictionSink(folder / _prediction_folder(tested), comparison)


def _prediction_folder(tested: Tested) -> Path:
    return Path("predictions", f"seed{tested.seed}")


def _write(job: FoldTest, result: Result, folder: Path, *, manifests: bool) -> None:
    """Tables, JSON and, unless they were replayed, the episodes."""
    write_result(folder, result)
    for tested in job.tests if manifests else []:
        write_manifest(
            folder / manifest_name(tested.seed),
            tested.source.specs,
            job.data.test_store.index,
            dataset=job.data.dataset.name,
            fold=job.data.fold.number,
            protocol=result.protocol,
            seed=tested.seed,
        )


def _test_base_learner(cfg: CfgNode, runtime: Runtime, weights: str) -> int:
    """Pixel mIoU over the base classes of a trained base learner."""
    path = checkpoint_path(cfg, weights)
    job = training_job(cfg, runtime)
    load_checkpoint(job.model, cfg, path)
    scores = job.task.validate(job.model)
    if runtime.is_main:
        print(job.notes[-1])
        print(f"pixel mIoU over base classes {percent(scores['miou'])}, background {percent(scores['background_iou'])}")
    return 0
