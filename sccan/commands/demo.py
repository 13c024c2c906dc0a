"""The whole way on the embedded data set: data, base learner, SCCAN, test, report."""

import json
import time
from pathlib import Path

from sccan.build.drawing import episode_groups, write_report
from sccan.build.engine import run_folder
from sccan.build.testing import open_test, run_test
from sccan.commands import generate_shapes, train
from sccan.commands.entry import parser
from sccan.commands.test import results_folder
from sccan.config import load_config
from sccan.engine.distributed import start
from sccan.engine.run import LOG, SETTINGS
from sccan.errors import InputError
from sccan.report.files import write_text_atomically
from sccan.report.results import Result, fold_table, write_result
from sccan.report.tables import duration

N_FOLDS = 4
SHOWN = 6
RANKED = 200


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: everything is trained, tested and drawn; what an earlier call has finished is not done again."""
    command = parser(
        "Generate the embedded data set, train a small backbone on the base classes and SCCAN on top of it, test it on "
        "the novel classes beside trivial baselines, and write a report.",
        "  sccan demo\n  sccan demo --all-folds",
    )
    command.add_argument(
        "--fold", type=int, default=0, choices=range(N_FOLDS), help="which classes are novel (default: 0)"
    )
    command.add_argument("--all-folds", action="store_true", help="every fold in turn, and one table of all")
    command.add_argument("--data", type=Path, default=Path("data/shapes"), help="folder of the data set")
    command.add_argument("--output", type=Path, default=Path("runs"), help="folder of the run folders")
    command.add_argument("--train", type=int, default=4000, help="training pictures (default: 4000)")
    command.add_argument("--test", type=int, default=800, help="test pictures (default: 800)")
    command.add_argument("--size", type=int, default=129, help="side of a picture in pixels (default: 129)")
    command.add_argument(
        "--opts", nargs="*", default=[], metavar="KEY VALUE", help="settings that replace those of every run file"
    )
    args = command.parse_args(argv)
    began = time.monotonic()
    numbers = {"--train": args.train, "--test": args.test, "--size": args.size}
    generate_shapes.main([str(args.data), *(word for name, value in numbers.items() for word in (name, str(value)))])
    folds = range(N_FOLDS) if args.all_folds else [args.fold]
    records = [_fold(fold, args.data, args.output, args.opts) for fold in folds]
    if args.all_folds:
        table = fold_table(records)
        print(f"\n{table.text()}")
        print(f"table: {write_text_atomically(args.output / 'shapes_folds.md', table.markdown())}")
    print(f"demo done in {duration(time.monotonic() - began)}")
    return 0


def _fold(fold: int, data: Path, output: Path, opts: list[str]) -> dict[str, object]:
    """Base learner, SCCAN, test and report of one fold; the record of the result."""
    places = ["DATA.ROOT", str(data), "OUTPUT", str(output), *opts]
    base = f"shapes_split{fold}_base"
    _train(f"config/shapes/{base}.yaml", places)
    config = f"config/shapes/shapes_split{fold}.yaml"
    meta = [*places, "BACKBONE.WEIGHTS", str(output / base)]
    _train(config, meta)
    result, folder = _test(config, meta)
    print(f"\n{result.text()}\n")
    return json.loads((folder / "results.json").read_text())


def _train(config: str, opts: list[str]) -> None:
    """Train, or go on with what an earlier call began; nothing happens where it was finished."""
    folder = run_folder(load_config(config, opts))
    resume = ["--resume"] if (folder / SETTINGS).is_file() else []
    if train.main([*resume, f"--config={config}", "--opts", *opts]) != 0:
        raise InputError(f"the training of {folder} was stopped; the same command goes on with it")


def _test(config: str, opts: list[str]) -> tuple[Result, Path]:
    cfg = load_config(config, opts)
    with start(cfg.DEVICE) as runtime:
        job = open_test(cfg, runtime)
        result = run_test(cfg, runtime, job)
        folder = results_folder(cfg)
        write_result(folder, result)
        groups = episode_groups(cfg, runtime, job, job.tests[0], first=RANKED, shown=SHOWN)
        page = write_report(run_folder(cfg) / "report.html", result, groups, run_folder(cfg) / LOG)
    print(f"report: {page}")
    return result, folder
