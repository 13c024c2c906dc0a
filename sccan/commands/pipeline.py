"""Several run files one after the other, the last one tested and reported: from nothing to numbers in one command.

Every phase (a training, the extraction of features that a training works on, the test) begins with what an earlier
call has done of it, so that a killed command goes on where it was.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sccan.builders.classification.data import is_classification
from sccan.builders.classification.stored_features import uses_stored_features
from sccan.builders.engine import run_folder
from sccan.builders.segmentation.drawing import episode_groups, write_report
from sccan.builders.segmentation.testing import open_test, run_test
from sccan.commands import train
from sccan.commands.classifier_test import run_classifier_test
from sccan.commands.entry import parser, say
from sccan.commands.extract_features import extract
from sccan.commands.test import results_folder
from sccan.engine.distributed import start
from sccan.engine.run import LOG, SETTINGS
from sccan.engine.together import alone_for_all
from sccan.errors import InputError
from sccan.files.made import RESULTS, made_before
from sccan.files.structured import read_json
from sccan.report.page import is_page
from sccan.report.results import FILES, write_result
from sccan.settings.loading import load_config

REPORT = "report.html"
SHOWN = 6
RANKED = 200

EXAMPLE = """  python tools/pipeline.py config/coco_mini/coco_mini_split0_base.yaml \\
      config/coco_mini/coco_mini_split0.yaml --opts DATA.ROOT data/coco_mini
  python tools/pipeline.py config/cifar_fs/tasnet_cpu_pretrain.yaml config/cifar_fs/tasnet_cpu_5w1s.yaml"""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: everything is trained, tested and drawn; what an earlier call has finished is not done again."""
    command = parser(
        "Train several run files in order (a base learner, then the method on top of it; features that it works on "
        "are extracted in between), test the last one on its novel classes and write a report. A killed command goes "
        "on where it was.",
        EXAMPLE,
    )
    command.add_argument("configs", nargs="+", metavar="CONFIG", help="run files in the order of training")
    command.add_argument(
        "--opts", nargs="*", default=[], metavar="KEY VALUE", help="settings that replace those of every run file"
    )
    args = command.parse_args(argv)
    run_files(args.configs, args.opts)
    return 0


def run_files(configs: list[str], opts: list[str], *, method_opts: Sequence[str] = ()) -> dict[str, Any]:
    """Train every run file, test and report the last; the record of its result.

    Args:
        configs: run files; a later one may name the run folder of an earlier one as its weights.
        opts: KEY VALUE pairs for all of them.
        method_opts: KEY VALUE pairs for the last one alone.
    """
    *earlier, last = configs
    for config in earlier:
        _train(config, opts)
    _train(last, [*opts, *method_opts])
    return _test(last, [*opts, *method_opts])


def _train(config: str, opts: list[str]) -> None:
    """Train, or go on with what an earlier call began; nothing happens where it was finished."""
    cfg = load_config(config, opts)
    folder = run_folder(cfg)
    if uses_stored_features(cfg):
        with start(cfg.DEVICE) as runtime:
            extract(cfg, runtime)
    resume = ["--resume"] if (folder / SETTINGS).is_file() else []
    if train.main([*resume, f"--config={config}", "--opts", *opts]) != 0:
        raise InputError(f"the training of {folder} was stopped; the same command goes on with it")


def _test(config: str, opts: list[str]) -> dict[str, Any]:
    cfg = load_config(config, opts)
    with start(cfg.DEVICE) as runtime:
        if is_classification(cfg):
            return _record(run_classifier_test(cfg, runtime, weights="", manifest="", out=None))
        job = open_test(cfg, runtime)
        folder: Path = results_folder(cfg)
        report = made_before(run_folder(cfg), [REPORT], lambda run: is_page(run / REPORT))
        with alone_for_all(folder, runtime, FILES) as made:
            result = run_test(cfg, runtime, job)
            groups = episode_groups(cfg, runtime, job, job.tests[0], first=RANKED, shown=SHOWN)
            if made is not None:
                made.claim_all(FILES)
                write_result(folder, result)
                write_report(report.claim(REPORT), result, groups, run_folder(cfg) / LOG)
    print(f"\n{result.text()}\n")
    say(f"report: {run_folder(cfg) / REPORT}")
    return _record(folder)


def _record(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = read_json(folder / RESULTS, dict[str, Any], "results")
    return record
