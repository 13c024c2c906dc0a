"""Numbers of the published implementations, recorded: our parts under the published parameter names give the same."""

from pathlib import Path
from typing import Any

import pytest

from sccan.reference.cases import Case, find_cases, read_case, run_case
from sccan.reference.systems import SYSTEMS

FOLDER = Path(__file__).parent / "cases"
SLOW = {
    "bam": ("bam_resnet50_1shot_train", "bam_resnet50_5shot_train", "base_resnet50_train"),
    "sccan": ("model_r50_1shot_b1", "train_r50_1shot_b2"),
}
"""Cases of networks at their published size."""


def _cases() -> list[Any]:
    return [
        pytest.param(
            path,
            id=f"{path.parent.name}-{path.stem}",
            marks=[pytest.mark.slow] if path.stem in SLOW.get(path.parent.name, ()) else [],
        )
        for path in find_cases([FOLDER])
    ]


def _runs(case: Case) -> bool:
    return all(line.ok for line in run_case(case, SYSTEMS[case.system][case.part]))


def test_every_system_has_cases() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(SYSTEMS)


@pytest.mark.parametrize("path", _cases())
def test_a_recorded_case_comes_out_within_its_tolerance(path: Path) -> None:
    case = read_case(path)
    lines = run_case(case, SYSTEMS[case.system][case.part])
    assert len(lines) >= len(case.data["outputs"])
    assert [str(line) for line in lines if not line.ok] == []
    assert case.config.unread == []


@pytest.mark.parametrize(
    ("name", "weight", "factor"),
    [("bam/base_vgg16_eval", r"ppm\.features\.3\.1\.weight", 1.01), ("sccan/aspp", r"layer6_3\.0\.weight", 1.001)],
)
def test_a_changed_weight_is_noticed(name: str, weight: str, factor: float) -> None:
    case = read_case(FOLDER / f"{name}.json")
    case.data["weight_rules"] = {"scale": {weight: factor}}
    assert not _runs(case)


def test_the_other_merge_rule_is_noticed() -> None:
    case = read_case(FOLDER / "bam" / "gfss_base.json")
    case.data["config"] = case.config | {"merge": "final"}
    assert not _runs(case)
