"""The classification half of the test command: accuracy on the novel classes."""

from pathlib import Path

from yacs.config import CfgNode

from sccan.builders.classification.data import episode_shape, is_transductive
from sccan.builders.classification.testing import (
    ClassificationTest,
    open_classification_test,
    protocol_of,
    run_classification_test,
)
from sccan.builders.engine import run_folder
from sccan.classification.evaluation.results import FILES, ClassificationResult, write_classification_result
from sccan.commands.entry import say
from sccan.engine.distributed import Runtime
from sccan.engine.together import alone_for_all
from sccan.episodes.manifest import manifest_name, write_manifest


def run_classifier_test(cfg: CfgNode, runtime: Runtime, *, weights: str, manifest: str, out: Path | None) -> Path:
    """Test, print and write; the folder of the results.

    Args:
        weights: checkpoint file or run folder; empty: TEST.WEIGHTS or the run's best.
        manifest: file of episodes to replay; empty: the protocol's own.
        out: folder of the results; None: in the run folder.
    """
    job = open_classification_test(cfg, runtime, weights=weights, manifest=manifest)
    folder = out or _results_folder(cfg, replayed=bool(manifest))
    names = [*FILES, *(manifest_name(tested.seed) for tested in job.tests if not manifest)]
    with alone_for_all(folder, runtime, names) as made:
        result = run_classification_test(cfg, runtime, job)
        if made is not None:
            made.claim_all(names)
            write_classification_result(folder, result)
            if not manifest:
                _write_manifests(cfg, job, result, folder)
    if runtime.is_main:
        print(result.text())
        say(f"results: {folder}")
    return folder


def _results_folder(cfg: CfgNode, *, replayed: bool) -> Path:
    """One folder per protocol, shape of the episodes, and kind of inference."""
    shape = episode_shape(cfg)
    name = f"{protocol_of(cfg).name}_{shape.n_way}way_{shape.n_shot}shot"
    name += "_transductive" if is_transductive(cfg) else ""
    return run_folder(cfg) / "results" / (name + ("_replayed" if replayed else ""))


def _write_manifests(cfg: CfgNode, job: ClassificationTest, result: ClassificationResult, folder: Path) -> None:
    index = job.pictures.index()
    for tested in job.tests:
        write_manifest(
            folder / manifest_name(tested.seed),
            tested.source.specs,
            index,
            dataset=cfg.DATA.NAME,
            fold=0,
            protocol=str(result.facts["protocol"]),
            seed=tested.seed,
        )
