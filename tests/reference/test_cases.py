"""The comparison itself: it must be able to fail, and it evaluates nothing."""

import json
from pathlib import Path

import numpy as np
import pytest

from sccan.errors import InputError
from sccan.reference.cases import Case, build_input, compare, find_cases, parse_slice, read_case, run_case


@pytest.mark.parametrize(
    ("text", "index"),
    [
        ("[:, ::16, ::2]", np.s_[:, ::16, ::2]),
        ("[0, ..., 3:7]", np.s_[0, ..., 3:7]),
        ("[:, :, ::8, ::8]", np.s_[:, :, ::8, ::8]),
        ("[-1]", (-1,)),
        ("[2:]", (np.s_[2:],)),
    ],
)
def test_a_slice_is_parsed_as_numpy_would_read_it(text: str, index: tuple[object, ...]) -> None:
    assert parse_slice(text) == index


def test_a_slice_that_is_code_is_refused() -> None:
    with pytest.raises(InputError, match="not a list of numbers"):
        parse_slice("[__import__('os').getcwd()]")


@pytest.mark.parametrize(
    ("got", "tolerance", "ok"),
    [
        ([1.0, 2.0], {"atol": 1e-6}, True),
        ([1.0, 2.1], {"atol": 1e-6}, False),
        ([1.0, 2.1], {"rtol": 0.1}, True),
        ([1.0, float("nan")], {"atol": 1.0}, False),
        ([1.0, 2.0], {"exact": True}, True),
        ([1.0, 2.0 + 1e-12], {"exact": True}, False),
        ([1.0, 3.0], {"max_mismatch_share": 0.5}, True),
        ([0.0, 3.0], {"max_mismatch_share": 0.5}, False),
        ([1.0, 2.0], {"something": 1}, False),
        ([[1.0, 2.0]], {"atol": 1e-6}, False),
    ],
)
def test_tolerances_decide(got: list[float], tolerance: dict[str, float], ok: bool) -> None:
    assert compare("x", np.asarray(got), np.asarray([1.0, 2.0]), tolerance, None).ok is ok


def _case(tmp_path: Path, **extra: object) -> Case:
    data = {"schema": 1, "system": "s", "part": "p", "config": {}, "inputs": {}, "outputs": {}, "values": {}} | extra
    (tmp_path / "c.json").write_text(json.dumps(data))
    return read_case(tmp_path / "c.json")


def test_an_output_that_is_not_computed_and_a_case_without_any_count_as_wrong(tmp_path: Path) -> None:
    tolerance = {"atol": 0.1}
    case = _case(
        tmp_path, values={"a": {"value": 1.0, "tolerance": tolerance}, "b": {"value": 2, "tolerance": tolerance}}
    )
    assert [line.ok for line in run_case(case, lambda _: {"a": 1.05})] == [True, False]
    assert [line.ok for line in run_case(_case(tmp_path), lambda _: {})] == [False]


def test_a_case_that_names_no_part_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "case.json"
    path.write_text('{"schema": 1, "system": "can"}')
    with pytest.raises(InputError, match="missing required field 'part'"):
        read_case(path)


def test_a_recorded_fact_must_be_equal(tmp_path: Path) -> None:
    case = _case(tmp_path, facts={"lists": {"0": ["a"]}})
    assert run_case(case, lambda _: {"facts.lists": {"0": ["a"]}})[0].ok
    assert not run_case(case, lambda _: {"facts.lists": {"0": ["b"]}})[0].ok


def test_weight_rules_apply_in_order(tmp_path: Path) -> None:
    case = _case(
        tmp_path,
        weights={"a.weight": [[2, 3], "float32"], "b.weight": [[2, 3], "float32"], "c": [[2], "float32"]},
        weight_rules={"aliases": {"b.weight": "a.weight"}, "scale": {r"b\.": 2.0}, "overrides": {"c": 0.5}},
    )
    weights = case.weights()
    assert np.allclose(weights["b.weight"], 2 * weights["a.weight"])
    assert weights["c"].tolist() == [0.5, 0.5]
    assert list(case.weights("a.")) == ["weight"]


def test_a_block_label_repeats_its_grid_and_takes_ignore_from_another_input() -> None:
    rim = np.zeros((1, 20, 30), int)
    rim[0, 3, 4] = 255
    recipe = {"kind": "blocklabel", "shape": [1, 20, 30], "classes": 5, "seed": 3, "ignore_from": "rim"}
    label = build_input("label", recipe, {"rim": rim}.__getitem__)
    assert label.shape == (1, 20, 30)
    assert label[0, 3, 4] == 255
    assert len(np.unique(label[0, 8:16, 8:16])) == 1


def test_only_files_that_name_a_system_are_cases(tmp_path: Path) -> None:
    _case(tmp_path)
    (tmp_path / "facts.json").write_text('{"pascal": 1}')
    assert find_cases([tmp_path]) == [tmp_path / "c.json"]
    with pytest.raises(InputError, match="does not exist"):
        find_cases([tmp_path / "none"])


def test_a_histogram_is_compared_by_the_pixels_it_counts() -> None:
    tolerance = {"max_mismatch_share": 0.002}
    line = compare("prediction_histogram", np.array([501, 299, 200]), [500, 300, 200], tolerance, None)
    assert line.ok  # one of a thousand pixels moved
    assert not compare("prediction_histogram", np.array([503, 297, 200]), [500, 300, 200], tolerance, None).ok
    assert not compare("prediction", np.array([501, 299, 200]), [500, 300, 200], tolerance, None).ok
