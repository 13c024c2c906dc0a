"""Small copies of the recorded cases of the data side, through the runners that the command uses."""

import copy
from pathlib import Path

from sccan.reference.cases import Case, NotApplicable, find_cases, read_case, run_case
from sccan.reference.systems.segmentation_data import PARTS, run_sccan_published_episodes

CASES = Path(__file__).parents[1] / "cases" / "segmentation_data"


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


def test_files_without_a_class_of_the_fold_are_no_queries() -> None:
    config = {"files": 43, "shot": 3, "seed": 5, "workers": 2, "episodes": 60, "fold_classes": [2, 4]}
    case = Case(Path("episodes.json"), {"config": config})
    queries = run_sccan_published_episodes(case)["episodes"][:, 0]
    # Classes of file i: i % 5 + 1, and (2 i + 1) % 5 + 1 where 3 divides i.
    holds = [i for i in range(43) if i % 5 + 1 in (2, 4) or (i % 3 == 0 and (2 * i + 1) % 5 + 1 in (2, 4))]
    assert queries.tolist() == [holds[episode % len(holds)] for episode in range(60)]
