"""How long labels take: a folder's features once, then any number of classes of one example each.

    python -m sccan.benchmark.labels --pictures 1000 --classes 10 --classes 1000 --processor

The folder is generated (leaves), and its first pictures are the examples. Times are by the wall; with --processor,
seconds of this process's threads, for machines that are shared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sccan.benchmark.page import write_folder
from sccan.benchmark.waiting import clock_of, parser, printed
from sccan.builders.released.trained import load_trained
from sccan.predict.classifier import Classifier
from sccan.predict.supports import Supports


def measure(folder: Path, ways: Sequence[int], classifier: Classifier, clock: Callable[[], float]) -> dict[str, float]:
    """Seconds by what was done."""
    pictures = sorted(folder.iterdir())
    start = clock()
    features = classifier.embed(folder)
    found = {f"features of {len(pictures)} pictures": clock() - start}
    for n_way in ways:
        supports = Supports()
        for number in range(n_way):
            supports.add(pictures[number % len(pictures)], class_name=f"class {number}")
        start = clock()
        classifier.condition(supports)
        learned = clock()
        classifier(supports, features)
        found[f"{n_way} classes: their examples"] = learned - start
        found[f"{n_way} classes: labels from features"] = clock() - learned
    return found


def main(argv: list[str] | None = None) -> int:
    """Prints a line per number."""
    command = parser(__doc__, pictures=1000, model="classify")
    command.add_argument("--classes", type=int, action="append", help="may be repeated (default: 10 and 1000)")
    args = command.parse_args(argv)
    clock = clock_of(args)
    classifier = Classifier(load_trained(args.model), device="cpu")
    with TemporaryDirectory() as place:
        write_folder(Path(place), args.pictures, args.side)
        printed(measure(Path(place), args.classes or [10, 1000], classifier, clock))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
