"""BAM and its base learner against recorded numbers of the published implementation."""

from pathlib import Path

import pytest

from sccan.reference.cases import read_case, run_case
from sccan.reference.systems.bam import PARTS

CASES = Path(__file__).parents[2] / "reference" / "cases" / "bam"
FAST = ["base_vgg16_eval", "bam_vgg16_1shot_eval", "gfss_base", "gfss_final"]
SLOW = ["bam_resnet50_1shot_train", "bam_resnet50_5shot_train", "base_resnet50_train"]


@pytest.mark.parametrize("name", FAST + [pytest.param(name, marks=pytest.mark.slow) for name in SLOW])
def test_the_published_numbers_come_out(name: str) -> None:
    case = read_case(CASES / f"{name}.json")
    lines = run_case(case, PARTS[case.part])
    assert len(lines) >= len(case.data["outputs"])
    assert all(line.ok for line in lines), "\n".join(map(str, lines))


@pytest.mark.parametrize(("name", "weight"), [("base_vgg16_eval", r"ppm\.features\.3\.1\.weight")])
def test_a_changed_weight_is_noticed(name: str, weight: str) -> None:
    case = read_case(CASES / f"{name}.json")
    case.data["weight_rules"] = {"scale": {weight: 1.01}}
    assert not all(line.ok for line in run_case(case, PARTS[case.part]))


def test_the_other_merge_rule_is_noticed() -> None:
    case = read_case(CASES / "gfss_base.json")
    case.data["config"] = case.config | {"merge": "final"}
    assert not all(line.ok for line in run_case(case, PARTS[case.part]))
