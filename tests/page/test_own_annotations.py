"""Annotations that lie in the folder already are what a person drew; predictions are not."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sccan.files.kinds import JOURNAL
from sccan.page.own_annotations import take_annotations
from sccan.page.places import find_gallery, key_of
from sccan.page.serving import claimed
from sccan.page.store import Store
from sccan.segmentation.data.exports.formats import FORMATS, Options, write_format
from sccan.segmentation.data.exports.labelled import Labelled
from tests.page.conftest import SIZE, drawn
from tests.predict.made_up import disc, save, white_on_black
from tests.segmentation.data.annotations.test_exports_of_tools import EXPORTS, cvat_polygons, expected, via_csv, yolo


def _opened(folder: Path) -> Store:
    with claimed(folder):
        return Store(find_gallery(folder))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_that_is_read_is_taken(tmp_path: Path, name: str) -> None:
    two = drawn()
    two[35:45, 5:60] = 2
    pictures = [
        Labelled(picture, save(tmp_path / picture, disc(*SIZE, seed=seed)[0]), label)
        for seed, (picture, label) in enumerate({"a.png": drawn(value=2), "b.png": two}.items())
    ]
    options = Options(with_pictures=True)
    names = [picture.name for picture in pictures]
    write_format(tmp_path / "photos", name, pictures, ["dog", "cat"], names=names, options=options)
    store = _opened(tmp_path / "photos")
    notes = take_annotations(store)
    assert any("2 pictures were annotated already" in note for note in notes)
    table = np.zeros(256, np.uint8)
    for entry in store.classes.active:
        table[entry.number] = ["dog", "cat"].index(entry.name) + 1
    for picture in pictures:
        label = store.label(key_of(f"images/{picture.name}"))
        assert label is not None
        np.testing.assert_array_equal(table[label], picture.label)
        assert store.mark(key_of(f"images/{picture.name}")).source == "annotations"


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.__name__)
def test_what_every_tool_leaves_is_taken_and_only_pictures_are_shown(
    tmp_path: Path, export: Callable[[Path], None]
) -> None:
    (tmp_path / "mine").mkdir()
    export(tmp_path / "mine")
    store = _opened(tmp_path / "mine")
    take_annotations(store)
    want = expected(tuple(entry.name for entry in store.classes.active))
    photos = store.gallery.photos.items()
    shown = {Path(photo.name).stem.split("_jpg.rf")[0].removeprefix("3f8a1b2c-"): key for key, photo in photos}
    assert sorted(shown) == ["a", "b"]
    assert len(photos) == 2
    for name, key in shown.items():
        np.testing.assert_array_equal(store.label(key), want[name], err_msg=name)


@pytest.mark.parametrize("export", [cvat_polygons, yolo, via_csv], ids=lambda export: export.__name__)
def test_annotations_that_come_later_are_taken_at_the_next_start(
    tmp_path: Path, export: Callable[[Path], None]
) -> None:
    (tmp_path / "mine").mkdir()
    export(tmp_path / "mine")
    aside = [path for path in (tmp_path / "mine").rglob("*") if path.suffix in (".xml", ".txt", ".csv")]
    contents = {path: path.read_bytes() for path in aside}
    for path in aside:
        path.unlink()
    store = _opened(tmp_path / "mine")
    assert take_annotations(store) == []
    store.close()
    for path, content in contents.items():
        path.write_bytes(content)
    store = _opened(tmp_path / "mine")
    assert "2 pictures were annotated already; their masks count as drawn by you" in take_annotations(store)


def test_a_folder_per_class(tmp_path: Path) -> None:
    for name in ("dog", "cat"):
        image, mask = disc(*SIZE)
        save(tmp_path / name / "1.jpg", image)
        save(tmp_path / name / "1.png", white_on_black(mask))
    store = _opened(tmp_path)
    take_annotations(store)
    assert [entry.name for entry in store.classes.active] == ["cat", "dog"]
    assert [mark.status for mark in store.marked().values()] == ["accepted", "accepted"]


def test_what_is_drawn_on_the_page_counts_from_then_on(folder: Path) -> None:
    save(folder / "masks" / "a.png", white_on_black(drawn() > 0))
    store = _opened(folder)
    take_annotations(store)
    mine = drawn() * 0
    mine[2:9, 2:9] = 1
    store.put(key_of("a.jpg"), mine, "drawn", base=1)
    assert take_annotations(store) == [], "not read again"
    save(folder / "masks" / "b.png", white_on_black(drawn() > 0))
    store.close()
    store = _opened(folder)
    assert any("1 pictures were annotated already" in note for note in take_annotations(store))
    np.testing.assert_array_equal(store.label(key_of("a.jpg")), mine)


def test_results_of_segment_are_not_what_a_person_drew(folder: Path) -> None:
    save(folder / "masks" / "a.png", white_on_black(drawn() > 0))
    (folder / "masks" / JOURNAL).write_text("{}\n")
    store = _opened(folder)
    take_annotations(store)
    assert store.marked() == {}


def test_annotations_that_cannot_be_read_are_told_and_the_rest_works(folder: Path) -> None:
    (folder / "annotations.json").write_text(json.dumps({"images": [{}], "annotations": [], "categories": []}))
    store = _opened(folder)
    notes = take_annotations(store)
    assert any("annotations of photos were not taken" in note for note in notes)
    assert store.marked() == {}
