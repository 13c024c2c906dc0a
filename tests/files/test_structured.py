"""JSON and YAML from outside: what fits is read, and everything else is one line that names the place."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sccan.errors import InputError
from sccan.files.plain_yaml import parse_yaml, read_yaml
from sccan.files.structured import Count, Finite, Id, json_lines, parse_json, read_json
from sccan.segmentation.data.sets.lists import read_class_names, read_list


class Row(msgspec.Struct, frozen=True):
    id: Id
    size: tuple[Count, Count] = (1, 1)
    share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    points: list[list[Finite]] = []
    note: str | None = None


class Table(msgspec.Struct, frozen=True):
    rows: Annotated[list[Row], msgspec.Meta(min_length=1)]


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(plain)
def test_plain_data_comes_back(value: Any) -> None:
    assert parse_json(json.dumps(value), Any, "x") == json.loads(json.dumps(value))


@given(plain)
def test_whatever_does_not_fit_is_one_line(value: Any) -> None:
    try:
        parse_json(json.dumps({"rows": value}), Table, "file x")
    except InputError as error:
        line = str(error)
        assert line.startswith("file x")
        assert "\n" not in line
        assert len(line) < 300


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"rows": [{"id": "7"}]}', "x: rows[0].id: expected a whole number, found '7'"),
        ('{"rows": [{"id": true}]}', "x: rows[0].id: expected a whole number, found True"),
        ('{"rows": [{"id": 1, "size": [1]}]}', "x: rows[0].size: expected a list of length 2, found [1]"),
        ('{"rows": [{"id": 1, "size": [1, -1]}]}', "x: rows[0].size[1]: expected a whole number >= 0, found -1"),
        ('{"rows": [{"size": [1, 1]}]}', "x: rows[0]: missing required field 'id'"),
        ('{"rows": [{"id": 1, "share": 1e999}]}', "share: expected a number <= 1.0, found inf"),
        ('{"rows": [{"id": 1, "points": [[1e999]]}]}', "points[0][0]: expected a number <= 1.7e+308, found inf"),
        ('{"rows": [{"id": 1e30}]}', "id: expected a whole number"),
        (f'{{"rows": [{{"id": {10**30}}}]}}', "found a whole number of more than 16 digits"),
        ('{"rows": []}', "rows: expected a list of length >= 1, found []"),
        ('{"rows": null}', "rows: expected a list, found None"),
        ("[]", "x: expected an object, found []"),
        ('{"rows": NaN}', "x: NaN is no number of JSON"),
        ('{"rows": -Infinity}', "x: -Infinity is no number of JSON"),
        ('{"rows": 1, "rows": 2}', "x: the key 'rows' stands twice"),
        ('{"rows": [1,\n}', "x: no JSON at line 2, column 1"),
        (f'{{"rows": {"1" * 5000}}}', "x: a number of thousands of digits"),
        ("[" * 100_000, "nesting of lists and objects has 1e+05, but 64 are the most"),
        ('{"a": "\\ud800"}', "lone surrogate"),
        ("", "x: no JSON at column 1"),
    ],
)
def test_the_line_names_place_found_and_expected(text: str, expected: str) -> None:
    with pytest.raises(InputError) as error:
        parse_json(text, Table, "x")
    assert expected in str(error.value)


def test_nan_comes_through_where_it_may() -> None:
    value = parse_json("[NaN, Infinity]", list[float], "x", nan=True)
    assert value[0] != value[0]
    assert value[1] == float("inf")


@given(st.text(alphabet='[]{}"\\a,', max_size=60))
def test_brackets_within_strings_do_not_count(text: str) -> None:
    assert parse_json(json.dumps([text * 40]), list[str], "x") == [text * 40]


def test_depth_is_the_same_however_the_text_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    from sccan.files import structured

    data = json.dumps([["a]", '"[', {"k": [[1]]}], "\\"]).encode()
    whole = structured._depth(data)
    for chunk in range(1, 12):
        monkeypatch.setattr(structured, "CHUNK", chunk)
        assert structured._depth(data) == whole == 5


def test_json_lines_name_their_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": 1}\n\n{"id": 2}\n{"id": null}\n')
    rows = json_lines(path, Row, "table")
    assert [next(rows).id, next(rows).id] == [1, 2]
    with pytest.raises(InputError, match=r"rows.jsonl, line 4: id: expected a whole number, found None"):
        next(rows)


@pytest.mark.parametrize("kind", ["folder", "pipe", "missing", "null", "long", "loop"])
def test_what_is_no_file_is_one_line(kind: str, tmp_path: Path) -> None:
    path = tmp_path / {"null": "a\0b", "long": "n" * 300}.get(kind, "it")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    with pytest.raises(InputError, match="^index "):
        read_json(path, Table, "index")


def test_a_device_is_no_file() -> None:
    with pytest.raises(InputError, match="/dev/zero is a device"):
        read_json("/dev/zero", Table, "index")


def test_size_is_bounded_and_the_bound_can_be_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"rows": [{"id": 1}], "pad": "x" * 2000}))
    monkeypatch.setenv("SCCAN_MAX_JSON_MB", "0.001")
    with pytest.raises(InputError, match="set SCCAN_MAX_JSON_MB"):
        read_json(path, Table)
    monkeypatch.setenv("SCCAN_MAX_JSON_MB", "1")
    assert read_json(path, Table).rows[0].id == 1
    monkeypatch.setenv("SCCAN_MAX_JSON_MB", "many")
    with pytest.raises(InputError, match="SCCAN_MAX_JSON_MB is 'many'"):
        read_json(path, Table)


def test_yaml_is_plain_data() -> None:
    text = "a: 1e-3\nb: [1, 2.5, x]\nc: {d: true, e: }\nf: 2001-01-01\ng: &x {h: 1}\ni: *x\n"
    expected = {
        "a": "1e-3",
        "b": [1, 2.5, "x"],
        "c": {"d": True, "e": None},
        "f": "2001-01-01",
        "g": {"h": 1},
        "i": {"h": 1},
    }
    assert parse_yaml(text, "x") == expected


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 12))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SEED: !!int abc", "x, line 1, column 7: an explicit tag"),
        ("SEED: !!python/object/apply:os.system [ls]", "an explicit tag"),
        ("SEED: !local 1", "an explicit tag"),
        (LAUGHS, "values, with those of aliases"),
        (MERGES, "values, with those of aliases"),
        ("a: &a [*a]", "an alias of what it lies in"),
        ("[" * 200, "more than 64 levels"),
        ("a: 1\na: 2", "a key stands twice"),
        ("? [1]\n: 2", "a key that is a list"),
        ("a: " + "1" * 5000, "a number that cannot be read"),
        ("a: 0x_", "a number that cannot be read"),
        ("a: *missing", "undefined alias"),
        ("a: 'b", "cannot be read as YAML, line 1"),
        ("a: \x07", "characters that no text has"),
        ("a: 1\n---\nb: 2", "cannot be read as YAML"),
    ],
)
def test_what_yaml_allows_and_we_do_not(text: str, expected: str) -> None:
    with pytest.raises(InputError) as error:
        parse_yaml(text, "x")
    assert expected in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "token: hunter2: x",
        "[hunter2",
        "a: *hunter2",
        "@hunter2",
        "a: 'hunter2",
        "%hunter2 x",
        "a: &hunter2 b\n*hunter2",
    ],
)
def test_an_error_never_shows_the_file(text: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_yaml(path)
    assert "hunter2" not in str(error.value)


@given(st.text(alphabet="ab:[]{}&*!-\n 1'\"<,?|>#", max_size=80))
def test_any_text_is_plain_data_or_one_line(text: str) -> None:
    try:
        json.dumps(parse_yaml(text, "x"))
        line = ""
    except InputError as error:
        line = str(error)
    assert "\n" not in line


def test_a_list_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "val.txt")
    with pytest.raises(InputError, match=r"list .*val\.txt is a pipe; expected a file"):
        read_list(tmp_path / "val.txt", tmp_path)
    with pytest.raises(InputError, match="is a pipe"):
        read_class_names(tmp_path / "val.txt")
