"""SCCAN against recorded numbers of the published implementation."""

from pathlib import Path

import pytest

from sccan.reference.cases import read_case, run_case
from sccan.reference.systems.sccan import PARTS

CASES = Path(__file__).parents[2] / "reference" / "cases" / "sccan"
FAST = ["aspp", "attention_cross", "attention_self", "backbone_r50", "block_empty_mask", "dice_ignore", "prior"]
SLOW = ["model_r50_1shot_b1", "train_r50_1shot_b2"]


@pytest.mark.parametrize("name", FAST + [pytest.param(name, marks=pytest.mark.slow) for name in SLOW])
def test_the_published_numbers_come_out(name: str) -> None:
    case = read_case(CASES / f"{name}.json")
    lines = run_case(case, PARTS[case.part])
    assert len(lines) >= len(case.data["outputs"])
    assert all(line.ok for line in lines), "\n".join(map(str, lines))


def test_a_changed_weight_is_noticed() -> None:
    case = read_case(CASES / "aspp.json")
    case.data["weight_rules"] = {"scale": {r"layer6_3\.0\.weight": 1.001}}
    assert not all(line.ok for line in run_case(case, PARTS[case.part]))
