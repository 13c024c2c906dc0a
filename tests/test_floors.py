"""The rule that imports only point downwards, read off the source, and the picture that is drawn of it."""

import re
from xml.etree import ElementTree

import pytest

from docs.rooms import FLOORS, OWN, PACKAGE, files, imported, needed, on_page_markdown, picture, room_of, steps


def _rooms(folder: str) -> set[str]:
    """What lies in a folder: rooms, and `OWN` if there are files beside them."""
    found = {room_of(path) for path in files()}
    parts = tuple(folder.split(".")) if folder else ()
    inside = {rooms[len(parts) :] for rooms in found if rooms[: len(parts)] == parts}
    own = {path.stem for path in files() if room_of(path) == parts} - {"__init__"}
    return {rooms[0] for rooms in inside if rooms} | ({OWN} if own else set())


@pytest.mark.parametrize("folder", FLOORS)
def test_every_room_has_one_floor(folder: str) -> None:
    placed = [room for floor in FLOORS[folder] for room in floor]
    assert len(placed) == len(set(placed))
    assert set(placed) == _rooms(folder), f"docs/rooms.py: the floors of sccan.{folder} are not those of its folder"


def test_a_folder_with_rooms_in_it_has_floors() -> None:
    folders = {".".join(room_of(path)[:depth]) for path in files() for depth in range(len(room_of(path)))}
    assert folders == set(FLOORS)


@pytest.mark.parametrize("folder", FLOORS)
def test_imports_point_downwards(folder: str) -> None:
    height = {room: -level for level, floor in enumerate(FLOORS[folder]) for room in floor}
    inside = [step for step in steps() if step.folder == folder]
    assert inside
    for step in inside:
        importing, other = (path.relative_to(PACKAGE) for path in step.files)
        assert height[step.below] < height[step.above], f"{importing} imports {other}, which lies no floor below it"


def test_every_form_of_import_is_read() -> None:
    names = {str(path.relative_to(PACKAGE)) for path in imported(PACKAGE / "commands" / "prepare.py")}
    assert {"errors.py", "segmentation/data/prepare/coco.py", "segmentation/data/sets/folds.py"} <= names
    within = {str(path.relative_to(PACKAGE)) for path in imported(PACKAGE / "commands" / "doctor.py")}
    assert "settings/loading.py" in within, "an import inside a function counts"
    assert "reference/systems/__init__.py" in {
        str(path.relative_to(PACKAGE)) for path in imported(PACKAGE / "commands" / "verify_reference.py")
    }


def test_arrows_that_follow_from_others_are_not_drawn() -> None:
    assert needed([("a", "b"), ("b", "c"), ("a", "c"), ("d", "c")]) == [("a", "b"), ("b", "c"), ("d", "c")]


def test_the_picture_names_every_room_and_the_page_shows_it() -> None:
    page = (PACKAGE.parent / "ARCHITECTURE.md").read_text()
    drawn = on_page_markdown(page)
    assert picture() in drawn
    assert "\n\n" not in picture(), "an empty line would end the element in Markdown"
    svg = ElementTree.fromstring(picture())
    words = {text.text for text in svg.iter("text")}
    assert {room for floors in FLOORS.values() for floor in floors for room in floor if room} <= words
    titles = [title.text or "" for title in svg.iter("title")]
    assert [title for title in titles if re.search(r": $", title)] == [], "a room without a docstring"
    arrows = [path for path in svg.iter("path") if "marker-end" in path.attrib]
    assert len(arrows) == sum(
        len(needed((step.above, step.below) for step in steps() if step.folder == folder)) for folder in FLOORS
    )


def test_architecture_names_every_room_of_the_house() -> None:
    page = (PACKAGE.parent / "ARCHITECTURE.md").read_text()
    missing = [room for floor in FLOORS[""] for room in floor if not re.search(rf"`sccan/{room}(/|\.py)", page)]
    assert missing == []
