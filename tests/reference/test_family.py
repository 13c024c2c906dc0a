"""Numbers of the published tSF and its relatives, recorded: our models under published names give the same."""

from pathlib import Path

import pytest

from sccan.reference.cases import find_cases, read_case, run_case
from sccan.reference.systems import SYSTEMS

SYSTEM_NAMES = ("amtnet", "cecnet", "spatialformer", "tsf")
CASES = find_cases([Path(__file__).parent / "cases" / name for name in SYSTEM_NAMES])


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_recorded_case_comes_out_within_its_tolerance(path: Path) -> None:
    case = read_case(path)
    lines = run_case(case, SYSTEMS[case.system][case.part])
    assert lines
    assert [line for line in lines if not line.ok] == []
