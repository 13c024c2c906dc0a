"""What this can do, on pictures made on the spot: mark one and find it in the others; then train SCCAN and test it."""

import time
from pathlib import Path
from typing import Any

from sccan.commands import generate_shapes, segment
from sccan.commands.entry import parser, say
from sccan.commands.pipeline import run_files
from sccan.files.made import made_beside
from sccan.files.writing import write_text_atomically
from sccan.report.results import fold_table
from sccan.report.tables import duration
from sccan.segmentation.data.shapes.leaves import write_leaves

N_FOLDS = 4
TABLE = "shapes_folds.md"


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: everything is trained, tested and drawn; what an earlier call has finished is not done again."""
    command = parser(
        "Draw a dozen pictures, mark one of them and find what was marked in the others, without any training; then "
        "generate the embedded data set, train a small backbone on the base classes and SCCAN on top of it, test it on "
        "the novel classes beside trivial baselines, and write a report.",
        "  sccan demo\n  sccan demo --first-look\n  sccan demo --all-folds",
    )
    folds = command.add_mutually_exclusive_group()
    folds.add_argument("--fold", type=int, default=0, choices=range(N_FOLDS), help="novel classes (default: fold 0)")
    folds.add_argument("--first-look", action="store_true", help="mark one, find the rest, and nothing else: seconds")
    folds.add_argument("--all-folds", action="store_true", help="every fold in turn, and one table of all")
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
    made = made_beside(args.output / TABLE, "--output")
    first_look(args.output / "first_look")
    if args.first_look:
        return 0
    say(
        "",
        f"demo: data into {args.data}, trained models into {args.output}; seven to ten minutes per fold on two idle "
        "cores; stopped, the same command goes on",
    )
    numbers = {"--train": args.train, "--test": args.test, "--size": args.size}
    generate_shapes.main([str(args.data), *(word for name, value in numbers.items() for word in (name, str(value)))])
    places = ["DATA.ROOT", str(args.data), "OUTPUT", str(args.output), *args.opts]
    records = [_fold(fold, args.output, places) for fold in (range(N_FOLDS) if args.all_folds else [args.fold])]
    if args.all_folds:
        table = fold_table(records)
        print(f"\n{table.text()}")
        say(f"table: {write_text_atomically(made.claim(TABLE), table.markdown())}")
    print(f"demo done in {duration(time.monotonic() - began)}")
    return 0


def first_look(folder: Path) -> None:
    """Draws leaves with spots, one of them marked, and finds the spots of the others, with a report."""
    photos, examples = write_leaves(folder)
    found = folder / "found"
    words = ["--support", str(examples), "--images", str(photos), "--out", str(found), "--report"]
    say("first look: one leaf's spots are marked; find those of the others:", f"  sccan segment {' '.join(words)}")
    segment.main([*words, "--overwrite"])
    say(f"open {found / 'report.html'}")


def _fold(fold: int, output: Path, opts: list[str]) -> dict[str, Any]:
    """Base learner, SCCAN, test and report of one fold; the record of the result."""
    name = f"shapes_split{fold}"
    configs = [f"config/shapes/{name}_base.yaml", f"config/shapes/{name}.yaml"]
    # The base learner starts from nothing: only the method is told where its backbone lies.
    return run_files(configs, opts, method_opts=["BACKBONE.WEIGHTS", str(output / f"{name}_base")])
