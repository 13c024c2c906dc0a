"""Run reference cases through this project and say, output by output, how far our numbers are from the record."""

from collections.abc import Sequence
from pathlib import Path

import torch

from sccan.commands.entry import parser
from sccan.reference.cases import Line
from sccan.reference.systems import SYSTEMS
from sccan.reference.verify import PRECISIONS, Verified, verify

EXAMPLE = """  python tools/verify_reference.py reference/ --system sccan
  python tools/verify_reference.py reference/ --device cuda --precision bf16 --quiet"""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: every output of every case is within its tolerance; 1: one is not, or a case is unknown.

    With a lower precision the tolerances are not expected to hold: 0 if every case could be read.
    """
    command = parser("Compare this project with recorded numbers of published implementations.", EXAMPLE)
    command.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="case files, or folders that hold them")
    command.add_argument("--system", action="append", help="only cases of this system (may be repeated)")
    command.add_argument("--device", default="cpu", help="where to compute (default: cpu)")
    command.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's own choice)")
    command.add_argument("--quiet", action="store_true", help="only what is off, and the summary")
    command.add_argument(
        "--precision", default="float32", choices=PRECISIONS,
        help="lower than float32: say by which factor tolerances would have to grow",
    )  # fmt: skip
    args = command.parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    lower = args.precision != "float32"

    def show(name: str, lines: Sequence[Line]) -> None:
        _print_case(name, lines, args.quiet, silent=lower and args.quiet)

    found = verify(args.paths, SYSTEMS, device=args.device, only=args.system, precision=args.precision, show=show)
    print("\n".join(summary_lines(found, ratios=lower)))
    return int(bool(found.unknown)) if lower else int(not found.ok)


def _print_case(name: str, lines: Sequence[Line], quiet: bool, *, silent: bool) -> None:
    for line in lines if not silent else ():
        if not (quiet and line.ok):
            word = "ok" if line.ok else "OFF"
            numbers = f"abs {line.absolute:.2e}  rel {line.relative:.2e}"
            print(f"{word:<4}{name:<40} {line.name:<32} {numbers}  ({line.tolerance}) {line.note}".rstrip(), flush=True)


def summary_lines(found: Verified, *, ratios: bool) -> list[str]:
    """What to print last; `ratios` adds how much larger tolerances would have to be."""
    lines = [f"UNKNOWN {line}" for line in found.unknown] + [""]
    for system, one in sorted(found.systems.items()):
        counts = f"{one.cases_ok} of {one.cases} cases, {one.lines_ok} of {one.lines} outputs within tolerance"
        line = f"{system}: {counts}"
        if ratios:
            worst, where = one.worst
            line += f"; worst deviation {worst:.3g} times the tolerance ({where}), {one.discrete} discrete outputs off"
            line += f", {one.refused} cases that run in float32 alone" if one.refused else ""
        lines.append(line)
    if found.unknown:
        lines.append(f"{len(found.unknown)} cases of parts that are not built")
    return lines
