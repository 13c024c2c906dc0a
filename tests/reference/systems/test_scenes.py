"""INSID3 and FROST against recorded numbers of the published implementations."""

from pathlib import Path

import pytest

from sccan.errors import InputError
from sccan.reference.cases import Case, read_case, run_case
from sccan.reference.systems import SYSTEMS

FOLDER = Path(__file__).parents[1] / "cases"


def _run(case: Case) -> bool:
    return all(line.ok for line in run_case(case, SYSTEMS[case.system][case.part]))


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        (FOLDER / "insid3" / "insid3_4shot_even.json", {"tau": 0.6}),
        (FOLDER / "insid3" / "insid3_4shot_even.json", {"merge_threshold": 0.9}),
        (FOLDER / "insid3" / "insid3_4shot_even.json", {"shots": 3}),
        (FOLDER / "insid3" / "insid3_4shot_even.json", {"svd_components": 4}),
        (FOLDER / "frost" / "frost_3shot.json", {"svd_components": 4}),
        (FOLDER / "frost" / "frost_3shot.json", {"shots": 2}),
    ],
    ids=str,
)
def test_every_setting_of_a_case_counts(path: Path, changed: dict[str, float]) -> None:
    case = read_case(path)
    case.data["config"] |= changed
    assert not _run(case)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("query", "object_share=1.0", "object_share=0.0"),
        ("query", "seed=1", "seed=2"),
        ("support_1", "object_share=1.0", "object_share=0.4"),
        ("encoder", "position=1.0", "position=2.0"),
        ("support_0", "'support_0'", "'support_5'"),
    ],
)
def test_every_argument_of_a_rule_counts(name: str, old: str, new: str) -> None:
    case = read_case(FOLDER / "frost" / "frost_3shot.json")
    rule = case.inputs[name]["rule"]
    assert old in rule
    case.inputs[name]["rule"] = rule.replace(old, new)
    assert not _run(case)


def test_what_a_case_asks_for_and_is_not_known_is_refused() -> None:
    case = read_case(FOLDER / "insid3" / "insid3_absent.json")
    case.data["config"]["temperature"] = 0.5
    with pytest.raises(InputError, match="sets temperature, which is not known here; known are"):
        _run(case)
    del case.data["config"]["temperature"]
    for rule, found in (
        ("fill.scene('query', (256, 256), seed=__import__('os').getpid())", "no literals"),
        ("a picture of a cat", "expected a call of fill.scene"),
    ):
        case.inputs["query"]["rule"] = rule
        with pytest.raises(InputError, match=found):
            _run(case)
    del case.inputs["query"]
    with pytest.raises(InputError, match="has no input 'query'"):
        _run(case)
