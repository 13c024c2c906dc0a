"""Small copies of the recorded cases of the data side, through the runners that the command uses."""

import copy
from pathlib import Path

import pytest

from sccan.reference.cases import Case, NotApplicable, find_cases, read_case, run_case
from sccan.reference.systems.segmentation_data import PARTS

CASES = Path(__file__).parent / "cases" / "segmentation_data"


@pytest.mark.parametrize("path", find_cases([CASES]), ids=lambda path: path.stem)
def test_recorded_numbers_come_out(path: Path) -> None:
    case = read_case(path)
    lines = run_case(case, PARTS[case.part])
    assert [line for line in lines if not line.ok] == []


def test_every_part_has_a_case() -> None:
    assert {read_case(path).part for path in find_cases([CASES])} == set(PARTS)


def test_another_seed_of_the_made_up_data_set_does_not_match() -> None:
    case = read_case(CASES / "lists_coco_interleaved.json")
    data = copy.deepcopy(case.data)
    data["config"]["tiny_dataset"]["seed"] += 1
    assert not all(line.ok for line in run_case(Case(case.path, data), PARTS[case.part]))


def test_another_generator_seed_changes_the_training_chain() -> None:
    case = read_case(CASES / "train_transform.json")
    data = copy.deepcopy(case.data)
    data["values"]["0.python_random_seed"]["value"] += 1
    off = {line.name for line in run_case(Case(case.path, data), PARTS[case.part]) if not line.ok}
    assert {"tensor_0", "0.draws"} <= off
    assert "tensor_1" not in off


def test_a_recording_for_another_library_is_left_out_but_is_no_comparison() -> None:
    case = read_case(CASES / "bounding_boxes.json")
    boxes = PARTS[case.part](case)
    lines = run_case(case, lambda _: boxes | {"box_1": NotApplicable("made elsewhere")})
    assert [(line.name, line.ok, line.note) for line in lines] == [
        ("box_0", True, ""),
        ("box_1", True, "left out: made elsewhere"),
    ]
    nothing = run_case(case, lambda _: dict.fromkeys(boxes, NotApplicable("made elsewhere")))
    assert [(line.name, line.ok) for line in nothing] == [("(nothing)", False)]
