"""A journal keeps what was finished, drops half a line, and refuses other facts and a second process."""

import json
import tracemalloc
from pathlib import Path

import pytest

from sccan.errors import InputError
from sccan.files.journal import Journal

FACTS = {"size": 65, "classes": ["disc"], "ratio": 0.5}


def test_records_come_back_in_their_order_and_the_latest_counts(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "journal.jsonl"
    with Journal(path, FACTS) as journal:
        journal.add("b", {"pixels": 1})
        journal.add("ä", {"pixels": 2})
        journal.add("b", {"pixels": 3})
    with path.open("a", encoding="utf-8") as file:
        file.write('{"name": "ö", "pix')
    with Journal(path, FACTS) as journal:
        assert journal.records == {"b": {"pixels": 3}, "ä": {"pixels": 2}}
        journal.add("c", {})
    lines = path.read_text(encoding="ascii").splitlines()  # so that a kill cuts no character in two
    assert [json.loads(line).get("name") for line in lines] == [None, "b", "ä", "b", "c"]


def test_of_an_item_its_name_and_its_place_are_kept_however_long_its_line(tmp_path: Path) -> None:
    path, count = tmp_path / "journal.jsonl", 20_000
    with Journal(path, FACTS) as journal:
        for number in range(count):
            journal.add(f"folder/{number:07d}.jpg", {"counts": "x" * 900, "number": number})
    tracemalloc.start()
    try:
        with Journal(path, FACTS) as journal:
            kept, peak = tracemalloc.get_traced_memory()
            assert len(journal.records) == count
            assert peak < 250 * count
            assert kept < 200 * count
            numbers = [record["number"] for record in journal.records.values()]
    finally:
        tracemalloc.stop()
    assert numbers == list(range(count))


def test_a_line_of_another_kind_is_told_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    for line in ('{"name": 3}', "[]", '{"pixels": 1}', '{"name": "a", "pixels": NaN}', "\xff"):
        path.write_bytes(json.dumps(FACTS).encode() + b'\n{"name": "a"}\n' + line.encode("latin-1") + b"\n")
        with pytest.raises(InputError, match=r"journal.jsonl, line 3: .*; the file is damaged"):
            Journal(path, FACTS)


def test_other_facts_are_refused_or_begin_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, FACTS) as journal:
        journal.add("a", {})
    with pytest.raises(InputError, match="results made otherwise: size was 65 and is 97 and 1 more; choose another"):
        Journal(path, {**FACTS, "size": 97, "ratio": 0.25})
    with Journal(path, FACTS) as journal:
        assert list(journal.records) == ["a"]  # the refusal has changed nothing
    with Journal(path, {**FACTS, "size": 97}, overwrite=True) as journal:
        assert journal.records == {}
    with Journal(path, {**FACTS, "size": 97}, overwrite=True) as journal:
        journal.add("b", {})
    with Journal(path, {**FACTS, "size": 97}, overwrite=True) as journal:
        assert list(journal.records) == ["b"]  # the same facts go on


def test_a_second_process_and_a_damaged_file_are_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, FACTS), pytest.raises(InputError, match="another process works on"):
        Journal(path, FACTS)
    path.write_text("no json\n")
    with pytest.raises(InputError, match="is damaged"):
        Journal(path, FACTS)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot use the folder .*file"):
        Journal(tmp_path / "file" / "journal.jsonl", FACTS)


def test_what_was_begun_under_the_former_facts_goes_on_under_them(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with Journal(path, FACTS) as journal:
        journal.add("a", {"size": 1})
    now = {**FACTS, "digest": "new"}
    for _ in range(2):
        with Journal(path, now, formerly=FACTS) as journal:
            assert journal.records["a"] == {"size": 1}
    with pytest.raises(InputError, match="holds results made otherwise"):
        Journal(path, now, formerly={**FACTS, "digest": "older"})
