"""Run reference cases through this project and say, output by output, how far our numbers are from the record."""

from pathlib import Path

import torch

from sccan.commands.entry import parser
from sccan.errors import InputError
from sccan.reference.cases import Line, find_cases, read_case, run_case
from sccan.reference.systems import SYSTEMS


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: every output of every case is within its tolerance; 1: one is not, or a case is unknown."""
    command = parser(
        "Compare this project with recorded numbers of published implementations.",
        "  python tools/verify_reference.py reference/ --system sccan",
    )
    command.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="case files, or folders that hold them")
    command.add_argument("--system", action="append", help="only cases of this system (may be repeated)")
    command.add_argument("--device", default="cpu", help="where to compute (default: cpu)")
    command.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's own choice)")
    command.add_argument("--quiet", action="store_true", help="only what is off, and the summary")
    args = command.parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.device.startswith("cuda"):
        if not torch.cuda.is_available():
            raise InputError(f"--device {args.device}, but there is no CUDA device here; leave it out to use the CPU")
        # TF32 keeps ten bits of the mantissa; the tolerances are those of float32.
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    summary: dict[str, list[int]] = {}
    unknown: list[str] = []
    for path in find_cases(args.paths):
        case = read_case(path, args.device)
        if args.system and case.system not in args.system:
            continue
        runner = SYSTEMS.get(case.system, {}).get(case.part)
        if runner is None:
            unknown.append(f"{case.system}/{path.name}: part {case.part!r} is not built")
            continue
        lines = run_case(case, runner)
        _print_case(f"{case.system}/{path.stem}", lines, args.quiet)
        counts = summary.setdefault(case.system, [0, 0, 0, 0])
        counts[0] += all(line.ok for line in lines)
        counts[1] += 1
        counts[2] += sum(line.ok for line in lines)
        counts[3] += len(lines)
    return _print_summary(summary, unknown)


def _print_case(name: str, lines: list[Line], quiet: bool) -> None:
    for line in lines:
        if not (quiet and line.ok):
            word = "ok" if line.ok else "OFF"
            numbers = f"abs {line.absolute:.2e}  rel {line.relative:.2e}"
            print(f"{word:<4}{name:<40} {line.name:<32} {numbers}  ({line.tolerance}) {line.note}".rstrip(), flush=True)


def _print_summary(summary: dict[str, list[int]], unknown: list[str]) -> int:
    for line in unknown:
        print(f"UNKNOWN {line}")
    print()
    for system, (cases_ok, cases, lines_ok, lines) in sorted(summary.items()):
        print(f"{system}: {cases_ok} of {cases} cases, {lines_ok} of {lines} outputs within tolerance")
    if unknown:
        print(f"{len(unknown)} cases of parts that are not built")
    if not summary and not unknown:
        raise InputError("no reference case was found under the given paths")
    return int(bool(unknown) or any(counts[0] < counts[1] for counts in summary.values()))
