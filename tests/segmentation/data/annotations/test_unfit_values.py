"""A value of the wrong kind anywhere in a tool's JSON: what is there is read, or one line says what does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sccan.errors import InputError
from sccan.segmentation.data.annotations.examples import read_examples
from tests.fuzz.structures import places_of
from tests.segmentation.data.annotations.test_exports_of_tools import EXPORTS, supervisely_polygons, via_project

STRANGE = (None, 7, "x", [], {}, [None])


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.__name__)
def test_a_strange_value_anywhere_is_read_or_one_line(tmp_path: Path, export: Callable[[Path], None]) -> None:
    export(tmp_path)
    said = []
    for file in sorted(tmp_path.rglob("*.json")):
        whole = file.read_text()
        for place in range(len(places_of(json.loads(whole), most=1))):
            for value in STRANGE:
                tree = json.loads(whole)
                node, key = places_of(tree, most=1)[place]
                node[key] = value
                file.write_text(json.dumps(tree))
                try:
                    read_examples(tmp_path)
                except InputError as error:
                    said.append(str(error))
        file.write_text(whole)
    assert not [text for text in said if "\n" in text]


def _changed(root: Path, name: str, old: str, new: str) -> None:
    file = next(root.rglob(name))
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_regions_that_are_no_list_are_refused(tmp_path: Path) -> None:
    via_project(tmp_path)
    _changed(tmp_path, "*.json", '"regions": ', '"regions": 7, "more": ')
    with pytest.raises(InputError, match=r"\.json, a\.jpg: regions: expected an object or a list or null, found 7"):
        read_examples(tmp_path)


def test_classes_that_are_no_list_of_titles_are_refused(tmp_path: Path) -> None:
    supervisely_polygons(tmp_path)
    _changed(tmp_path, "meta.json", '"title": "', '"title": 7, "more": "')
    with pytest.raises(InputError, match=r"meta\.json: classes\[0\]\.title: expected text, found 7"):
        read_examples(tmp_path)
