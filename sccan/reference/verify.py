"""Running reference cases one after another, and summing up how they went."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sccan.engine.modes import autocast
from sccan.errors import InputError
from sccan.files.plain import one_line
from sccan.reference.cases import Case, Line, Runner, find_cases, read_case, run_case

PRECISIONS = ("float32", "tf32", "bf16")


@dataclass
class SystemSummary:
    """How the cases of one system went.

    Attributes:
        cases, cases_ok, lines, lines_ok: counts.
        worst: largest deviation in units of the tolerance, and the output that has it.
        discrete: outputs that are off and have no such unit (exact results, shapes).
        refused: outputs of cases that cannot be computed at the precision asked for.
    """

    cases: int = 0
    cases_ok: int = 0
    lines: int = 0
    lines_ok: int = 0
    worst: tuple[float, str] = (0.0, "")
    discrete: int = 0
    refused: int = 0

    def add(self, case: str, lines: Sequence[Line]) -> None:
        """Counts a case."""
        self.cases += 1
        self.cases_ok += all(line.ok for line in lines)
        self.lines += len(lines)
        self.lines_ok += sum(line.ok for line in lines)
        for line in lines:
            if line.ratio is not None:
                self.worst = max(self.worst, (line.ratio, f"{case} {line.name}"))
            elif not line.ok:
                self.discrete += 1


@dataclass
class Verified:
    """Everything that was run.

    Attributes:
        systems: name -> summary.
        unknown: cases of parts that are not built.
    """

    systems: dict[str, SystemSummary] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every output of every case is within its tolerance."""
        return not self.unknown and all(one.cases_ok == one.cases for one in self.systems.values())


def verify(
    paths: Sequence[Path],
    systems: Mapping[str, Mapping[str, Runner]],
    *,
    device: str = "cpu",
    only: Sequence[str] | None = None,
    precision: str = "float32",
    show: Callable[[str, Sequence[Line]], None] = lambda case, lines: None,
) -> Verified:
    """Runs cases through this project.

    Args:
        paths: files, or folders that hold them.
        systems: system name -> part name -> runner.
        device: where to compute.
        only: of these systems; None: of all.
        precision: float32; ``tf32`` (CUDA) or ``bf16`` (autocast) to see which tolerances these would need.
        show: gets every case's name and lines.

    A case that cannot be computed counts as off, with the reason as its only line, and the next one follows.

    Raises InputError: there is no case or no such device, or the precision does not go with it.
    """
    found = Verified()
    with _numeric(device, precision):
        for path in find_cases(list(paths)):
            case = read_case(path, device)
            if only and case.system not in only:
                continue
            runner = systems.get(case.system, {}).get(case.part)
            if runner is None:
                found.unknown.append(f"{case.system}/{path.name}: part {case.part!r} is not built")
                continue
            summary = found.systems.setdefault(case.system, SystemSummary())
            try:
                lines = _lines(case, runner, precision)
            except InputError as error:
                lines = [Line("(case)", False, inf, inf, "", f"refused: {error}")]
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                said = one_line(f"{type(error).__name__}: {error} ({Path(where.filename).name}, line {where.lineno})")
                lines = [Line("(case)", False, inf, inf, "", f"broke off: {said}")]
            if lines is None:
                summary.refused += 1
                continue
            summary.add(path.stem, lines)
            show(f"{case.system}/{path.stem}", lines)
    if not found.systems and not found.unknown:
        raise InputError("no reference case was found under the given paths")
    return found


@contextlib.contextmanager
def _numeric(device: str, precision: str) -> Iterator[None]:
    """TF32 on or off, and as it was afterwards."""
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r} is unknown; use one of {', '.join(PRECISIONS)}")
    cuda = device.startswith("cuda")
    if cuda and not torch.cuda.is_available():
        raise InputError(f"--device {device}, but there is no CUDA device here; leave it out to use the CPU")
    if precision == "tf32" and not cuda:
        raise InputError("TF32 is a precision of CUDA devices; use --device cuda, or --precision bf16 on a CPU")
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    # TF32 keeps ten bits of the mantissa; the recorded tolerances are those of float32.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def _lines(case: Case, runner: Runner, precision: str) -> list[Line] | None:
    """The compared outputs; None where the case cannot be computed at a lower precision."""
    if precision != "bf16":
        return run_case(case, runner)

    def lower(asked: Case) -> dict[str, Any]:
        with autocast(torch.device(case.device), "bf16"):
            return {name: _readable(value) for name, value in runner(asked).items()}

    try:
        return run_case(case, lower)
    except (TypeError, RuntimeError):  # a function that knows no bfloat16, called with a result that is
        return None


def _readable(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype == torch.bfloat16 else value
