"""Numbers of the published TasNet, recorded: our parts under the published parameter names give the same."""

from pathlib import Path

import pytest

from sccan.reference.cases import find_cases, read_case, run_case
from sccan.reference.systems.tasnet import PARTS

CASES = find_cases([Path(__file__).parent / "cases" / "tasnet"])


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_recorded_case_comes_out_within_its_tolerance(path: Path) -> None:
    case = read_case(path)
    lines = run_case(case, PARTS[case.part])
    assert lines
    assert [line for line in lines if not line.ok] == []
