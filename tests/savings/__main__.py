"""Measures what this project computes more cheaply than it is written, beside the straightforward form, in turn.

``python -m tests.savings`` measures all, ``python -m tests.savings bam dmf-test --repeats 5`` what begins with a name.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from tests.savings.measure import table
from tests.savings.rows import SAVINGS, chosen, row, row_of_its_own


def main(argv: Sequence[str] | None = None) -> int:
    """Prints a table in processor seconds of one thread; ends with an AssertionError where two forms differ."""
    command = argparse.ArgumentParser(prog="python -m tests.savings", description=main.__doc__)
    command.add_argument("names", nargs="*", metavar="NAME", help=f"beginnings of names of {', '.join(SAVINGS)}")
    command.add_argument("--repeats", type=int, default=3, help="measured rounds, after the comparison, which warms up")
    command.add_argument("--small", action="store_true", help="toy shapes in one process: shows that everything runs")
    args = command.parse_args(argv)
    try:
        names = chosen(args.names)
    except ValueError as error:
        command.error(str(error))
    if args.repeats < 1:
        command.error(f"--repeats is {args.repeats}, but must be at least 1")
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler tells of its own starts and stops
    found, rows = row if args.small else row_of_its_own, []
    for name in names:
        began = time.perf_counter()
        rows.append(found(name, args.small, args.repeats))
        print(f"{name}: {time.perf_counter() - began:.1f} s by the wall", file=sys.stderr, flush=True)
    note = (
        f"Processor seconds of one thread, medians of {args.repeats}; ratios of rounds: median (lowest to highest); "
        "peaks of allocated memory; difference: its length as a share of the output's length, largest of all outputs."
    )
    print(table(rows, note).markdown(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
