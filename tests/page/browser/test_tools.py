"""Every tool, to the pixel; by mouse, by keyboard alone, by touch."""

from pathlib import Path
from typing import Any

import numpy as np

from tests.page.browser.conftest import PHONE, Leaves, Screenshot, Visits


def test_brush_eraser_undo_and_redo(visit: Visits) -> None:
    window = visit("spot")
    window.thickness(40)
    window.drag((100, 100), (160, 100))
    window.saved()
    brushed = window.label()
    rows = np.flatnonzero(brushed[:, 130])
    assert abs(len(rows) - 40 / window.view()["scale"]) <= 1, "as thick as the brush"
    assert brushed[100, 100:160].all()
    window.press("e")
    window.drag((130, 80), (130, 120))
    window.saved()
    erased = window.label()
    assert not erased[100, 128:132].any()
    assert erased[100, 105]
    window.press("b")
    window.drag((105, 100), (110, 100), button="right")  # the right button erases
    window.saved()
    assert not window.label()[100, 105]
    for expected in (erased, brushed):
        window.press("Control+z")
        window.saved()
        np.testing.assert_array_equal(window.label(), expected)
    window.page.click("#redo")
    window.saved()
    np.testing.assert_array_equal(window.label(), erased)


def test_a_polygon_fills_the_pixels_whose_middles_are_inside(visit: Visits) -> None:
    window = visit("spot")
    window.press("p")
    window.click((50.1, 60.1), (90.1, 60.1), (90.1, 100.1), (50.1, 100.1), (50.1, 60.1))  # the first closes
    window.saved()
    expected = np.zeros((240, 320), np.uint8)
    expected[60:100, 50:90] = 1
    label = window.label()
    assert np.count_nonzero(label != expected) <= 2 * (40 + 40), "but for the rounding of the mouse"
    assert label[62:98, 52:88].all()
    window.click((200, 60), (240, 60), (240, 100))
    window.press("Escape")
    window.click((200, 160), (240, 160), (240, 200))
    window.page.focus("#canvas")
    window.press("Enter")
    window.saved()
    label = window.label()
    assert not label[:110, 190:].any()
    assert label[170, 235]
    assert not label[195, 210]


def test_a_box_fits_itself_to_the_spot(leaves: Leaves, visit: Visits) -> None:
    window = visit("spot")
    spots = leaves[0][1]
    row, column = np.argwhere(spots)[len(np.argwhere(spots)) // 2]
    box = (slice(max(row - 30, 0), row + 31), slice(max(column - 30, 0), column + 31))
    window.press("r")
    window.drag((box[1].start, box[0].start), (box[1].stop, box[0].stop))
    window.saved()
    label = window.label() > 0
    assert (label & spots)[box].sum() / (label | spots)[box].sum() > 0.5
    label[box] = False
    assert not label.any()


def test_zoom_and_hand(visit: Visits) -> None:
    window = visit("spot")
    mouse = window.page.mouse
    whole, [(x, y)] = window.view(), window.places((100, 80))
    mouse.move(x, y)
    for _ in range(3):
        mouse.wheel(0, -250)
    window.enlarged(4 * whole["scale"])
    np.testing.assert_allclose(window.places((100, 80)), [(x, y)], atol=3)  # wheels know whole pixels alone
    mouse.down()
    mouse.up()
    window.saved()
    label = window.label()
    assert label[80, 100]
    assert label.sum() < 60, "enlarged, the same brush covers less"
    window.press("h")
    mouse.down()
    mouse.move(x + 80, y, steps=3)
    mouse.up()
    np.testing.assert_allclose(window.places((100, 80)), [(x + 80, y)], atol=3)
    window.press("0")
    assert window.view() == whole
    window.press("b")
    window.drag((50, 50), (60, 50))
    window.saved()
    assert window.label()[50, 55]


def test_what_the_page_shows_and_how(visit: Visits) -> None:
    window = visit("spot")
    window.drag((50, 50), (90, 50))
    window.page.mouse.move(2, 2)
    drawn = window.drawing()
    window.press("m")
    assert window.page.get_attribute("#layer", "aria-pressed") == "false"
    assert window.drawing() != drawn
    window.press("m")
    assert window.drawing() == drawn
    window.press("Shift+O")
    assert window.page.input_value("#opacity") == "70"
    assert window.drawing() != drawn
    window.press("t")
    window.wait("#threshold-text:has-text('55 %')")
    window.press("]")
    assert window.page.input_value("#thickness") == "32"


def test_everything_by_the_keyboard_alone(folder: Path, visit: Visits) -> None:
    window = visit()
    for _ in range(40):
        if window.page.locator("#first-name:focus").count():
            break
        window.press("Tab")
    window.page.keyboard.type("spot")
    window.press("Enter")
    window.wait(".chip:has-text('spot')")
    window.wait("#canvas:focus")
    window.press("Space", *["Shift+ArrowRight"] * 6, "Space")  # brush down in the middle
    window.saved()
    assert window.label()[120, 160:185].all()
    window.press("p", "ArrowDown")
    for way in ("Shift+ArrowDown", "Shift+ArrowLeft", "Shift+ArrowUp"):
        window.press("Space", *[way] * 3)
    window.press("Space", "Enter")
    window.saved()
    window.press("r", *["Shift+ArrowUp"] * 4, "Space", *["Shift+ArrowUp", "Shift+ArrowLeft"] * 3, "Space")
    window.wait("#busy", "hidden")
    window.saved()
    window.press("f")
    window.searched()
    window.press("j")
    window.opened("leaf_02")
    window.press("n")
    window.opened("leaf_03")
    window.press("g")
    window.wait(".card:focus")
    window.press("ArrowDown", "Enter")
    window.opened("leaf_05")
    window.press("?")
    window.wait("#help-dialog[open]")
    window.press("Escape", "x")
    window.wait("#export-dialog[open]")
    window.press("ArrowDown", "Enter")
    window.wait("#export-done:has-text('leaves/.sccan/exports/coco')")
    assert (folder / ".sccan" / "exports" / "coco" / "annotations.json").is_file()


def _touch(session: Any, kind: str, *places: tuple[float, float]) -> None:
    points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_a_phone(visit: Visits, screenshot: Screenshot) -> None:
    window = visit("spot", **PHONE)
    page = window.page
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for name in ("#search", "#accept", "#absent", "#undo", "#export-button", "#browse", "#thickness"):
        box = page.locator(name).bounding_box()
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= 390, name
        assert box["y"] + box["height"] <= 780, name
    session = page.context.new_cdp_session(page)
    finger = window.places(*((x, 100) for x in range(100, 165, 5)))
    _touch(session, "touchStart", finger[0])
    for place in finger[1:]:
        _touch(session, "touchMove", place)
    _touch(session, "touchEnd")
    window.saved()
    label = window.label()
    assert label[100, 100:155].all()
    whole, (one, two) = window.view(), window.places((140, 120), (180, 120))
    _touch(session, "touchStart", one)
    _touch(session, "touchStart", one, two)
    for step in range(1, 8):
        _touch(session, "touchMove", (one[0] - 8 * step, one[1]), (two[0] + 8 * step, two[1]))
    _touch(session, "touchEnd")
    assert window.view()["scale"] > 1.5 * whole["scale"]
    window.saved()
    np.testing.assert_array_equal(window.label(), label)  # two fingers draw nothing
    page.click("#fit")
    screenshot(window, "label_phone")
    page.click("#browse")
    window.wait("#gallery:visible")
    page.click(".card[data-place='3']")
    window.opened("leaf_04")
    assert page.locator("#gallery").is_hidden()
