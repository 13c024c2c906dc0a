"""The classification half of the test command: accuracy on the novel classes."""

from pathlib import Path

from yacs.config import CfgNode

from sccan.builders.classification.testing import ClassificationTest, open_classification_test, run_classification_test
from sccan.builders.engine import run_folder
from sccan.classification.evaluation.results import ClassificationResult, write_classification_result
from sccan.engine.distributed import Runtime
from sccan.engine.together import alone_for_all
from sccan.episodes.manifest import write_manifest


def run_classifier_test(cfg: CfgNode, runtime: Runtime, *, weights: str, manifest: str, out: Path | None) -> Path:
    """Test, print and write; the folder of the results.

    Args:
        weights: checkpoint file or run folder; empty: TEST.WEIGHTS or the run's best.
        manifest: file of episodes to replay; empty: the protocol's own.
        out: folder of the results; None: in the run folder.
    """
    job = open_classification_test(cfg, runtime, weights=weights, manifest=manifest)
    result = run_classification_test(cfg, runtime, job)
    folder = out or _results_folder(cfg, result, replayed=bool(manifest))
    with alone_for_all(folder, runtime):
        if runtime.is_main:
            write_classification_result(folder, result)
            if not manifest:
                _write_manifests(cfg, job, result, folder)
    if runtime.is_main:
        print(result.text())
        print(f"results: {folder}")
    return folder


def _results_folder(cfg: CfgNode, result: ClassificationResult, *, replayed: bool) -> Path:
    """One folder per protocol, shape of the episodes, and kind of inference."""
    facts = result.facts
    name = f"{facts['protocol']}_{facts['ways']}way_{facts['shots']}shot"
    name += "_transductive" if facts["transductive"] else ""
    return run_folder(cfg) / "results" / (name + ("_replayed" if replayed else ""))


def _write_manifests(cfg: CfgNode, job: ClassificationTest, result: ClassificationResult, folder: Path) -> None:
    index = job.pictures.index()
    for tested in job.tests:
        write_manifest(
            folder / f"episodes_seed{tested.seed}.jsonl",
            tested.source.specs,
            index,
            dataset=cfg.DATA.NAME,
            fold=0,
            protocol=str(result.facts["protocol"]),
            seed=tested.seed,
        )
