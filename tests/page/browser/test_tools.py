"""Every tool, to the pixel; by mouse, by keyboard alone, by touch."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.page.browser.conftest import Canvas, Server

Leaves = list[tuple[np.ndarray, np.ndarray]]
PHONE = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}


def test_brush_eraser_undo_and_redo(
    folder: Path, serve: Callable[..., Server], visit: Callable[..., Any], canvas: Callable[[Any], Canvas]
) -> None:
    server = serve(folder, "--classes", "spot")
    page = visit(server)
    picture = canvas(page)
    page.locator("#thickness").fill("40")
    picture.drag((100, 100), (160, 100))
    picture.saved()
    brushed = server.label("leaf_01.jpg")
    rows = np.flatnonzero(brushed[:, 130])
    scale = picture.at(1, 0)[0] - picture.at(0, 0)[0]
    assert abs(len(rows) - 40 / scale) <= 1, "as thick as the brush"
    assert brushed[100, 100:160].all()
    page.keyboard.press("e")
    picture.drag((130, 80), (130, 120))
    picture.saved()
    erased = server.label("leaf_01.jpg")
    assert not erased[100, 128:132].any()
    assert erased[100, 105]
    page.keyboard.press("b")
    picture.drag((105, 100), (110, 100), button="right")  # the right button erases
    picture.saved()
    assert not server.label("leaf_01.jpg")[100, 105]
    for expected in (erased, brushed):
        page.keyboard.press("Control+z")
        picture.saved()
        np.testing.assert_array_equal(server.label("leaf_01.jpg"), expected)
    page.click("#redo")
    picture.saved()
    np.testing.assert_array_equal(server.label("leaf_01.jpg"), erased)


def test_a_polygon_fills_the_pixels_whose_middles_are_inside(
    folder: Path, serve: Callable[..., Server], visit: Callable[..., Any], canvas: Callable[[Any], Canvas]
) -> None:
    server = serve(folder, "--classes", "spot")
    page = visit(server)
    picture = canvas(page)
    page.keyboard.press("p")
    picture.click((50.1, 60.1), (90.1, 60.1), (90.1, 100.1), (50.1, 100.1), (50.1, 60.1))  # the first closes
    picture.saved()
    expected = np.zeros((240, 320), np.uint8)
    expected[60:100, 50:90] = 1
    label = server.label("leaf_01.jpg")
    assert np.count_nonzero(label != expected) <= 2 * (40 + 40), "but for the rounding of the mouse"
    assert label[62:98, 52:88].all()
    picture.click((200, 60), (240, 60), (240, 100))
    page.keyboard.press("Escape")
    picture.click((200, 160), (240, 160), (240, 200))
    page.focus("#canvas")
    page.keyboard.press("Enter")
    picture.saved()
    label = server.label("leaf_01.jpg")
    assert not label[:110, 190:].any()
    assert label[170, 235]
    assert not label[195, 210]


def test_a_box_fits_itself_to_the_spot(
    folder: Path,
    leaves: Leaves,
    serve: Callable[..., Server],
    visit: Callable[..., Any],
    canvas: Callable[[Any], Canvas],
) -> None:
    server = serve(folder, "--classes", "spot")
    page = visit(server)
    picture = canvas(page)
    spots = leaves[0][1]
    row, column = np.argwhere(spots)[len(np.argwhere(spots)) // 2]
    box = (slice(max(row - 30, 0), row + 31), slice(max(column - 30, 0), column + 31))
    page.keyboard.press("r")
    picture.drag((box[1].start, box[0].start), (box[1].stop, box[0].stop))
    picture.saved()
    label = server.label("leaf_01.jpg") > 0
    assert (label & spots)[box].sum() / (label | spots)[box].sum() > 0.5
    label[box] = False
    assert not label.any()


def test_zoom_hand_opacity_and_layer(
    folder: Path, serve: Callable[..., Server], visit: Callable[..., Any], canvas: Callable[[Any], Canvas]
) -> None:
    server = serve(folder, "--classes", "spot")
    page = visit(server)
    picture = canvas(page)
    middle = picture.at(160, 120)
    page.mouse.move(*middle)
    for _ in range(3):
        page.mouse.wheel(0, -250)
    time.sleep(0.3)
    page.mouse.down()  # the place under the mouse stays there
    page.mouse.up()
    picture.saved()
    label = server.label("leaf_01.jpg")
    assert label[120, 160]
    assert label.sum() < 60, "enlarged, the same brush covers less"
    page.keyboard.press("h")
    page.mouse.down()
    page.mouse.move(middle[0] + 80, middle[1], steps=3)
    page.mouse.up()
    page.keyboard.press("b")
    page.mouse.down()
    page.mouse.up()
    picture.saved()
    assert server.label("leaf_01.jpg")[120, 160], "the hand moved the picture with the mouse"
    page.keyboard.press("0")
    picture.drag((50, 50), (60, 50))
    picture.saved()
    assert server.label("leaf_01.jpg")[50, 55]
    shown = page.screenshot()
    page.keyboard.press("m")
    time.sleep(0.2)
    assert page.screenshot() != shown
    assert page.get_attribute("#layer", "aria-pressed") == "false"
    page.keyboard.press("Shift+O")
    assert page.input_value("#opacity") == "70"
    page.keyboard.press("t")
    page.wait_for_selector("#threshold-text:has-text('55 %')")
    page.keyboard.press("]")
    assert page.input_value("#thickness") == "32"


def test_everything_by_the_keyboard_alone(
    folder: Path, serve: Callable[..., Server], visit: Callable[..., Any], canvas: Callable[[Any], Canvas]
) -> None:
    server = serve(folder)
    page = visit(server)
    press = page.keyboard.press
    for _ in range(40):
        if page.locator("#first-name:focus").count():
            break
        press("Tab")
    page.keyboard.type("spot")
    press("Enter")
    page.wait_for_selector(".chip:has-text('spot')")
    page.wait_for_selector("#canvas:focus")
    press("Space")  # brush down in the middle
    for _ in range(6):
        press("Shift+ArrowRight")
    press("Space")
    canvas(page).saved()
    assert server.label("leaf_01.jpg")[120, 160:185].all()
    press("p")
    press("ArrowDown")
    for way in ("Shift+ArrowDown", "Shift+ArrowLeft", "Shift+ArrowUp"):
        press("Space")
        for _ in range(3):
            press(way)
    press("Space")
    press("Enter")
    canvas(page).saved()
    press("r")
    for _ in range(4):
        press("Shift+ArrowUp")
    press("Space")
    for _ in range(3):
        press("Shift+ArrowUp")
        press("Shift+ArrowLeft")
    press("Space")
    page.wait_for_selector("#busy", state="hidden")
    canvas(page).saved()
    press("f")
    page.wait_for_selector("#search:not(.searching):has-text('Learn again')")
    press("j")
    canvas(page).opened("leaf_02")
    press("n")
    canvas(page).opened("leaf_03")
    press("g")
    page.wait_for_selector(".card:focus")
    press("ArrowDown")
    press("Enter")
    canvas(page).opened("leaf_05")
    press("?")
    page.wait_for_selector("#help-dialog[open]")
    press("Escape")
    press("x")
    page.wait_for_selector("#export-dialog[open]")
    press("ArrowDown")
    press("Enter")
    page.wait_for_selector("#export-done:has-text('leaves/.sccan/exports/coco')")
    assert (folder / ".sccan" / "exports" / "coco" / "annotations.json").is_file()


def _touch(session: Any, kind: str, *places: tuple[float, float]) -> None:
    points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
    session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_a_phone(
    folder: Path,
    serve: Callable[..., Server],
    visit: Callable[..., Any],
    canvas: Callable[[Any], Canvas],
    screenshot: Callable[..., None],
) -> None:
    server = serve(folder, "--classes", "spot")
    page = visit(server, **PHONE)
    picture = canvas(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for name in ("#search", "#accept", "#absent", "#undo", "#export-button", "#browse", "#thickness"):
        box = page.locator(name).bounding_box()
        assert box["x"] >= 0, name
        assert box["x"] + box["width"] <= 390, name
        assert box["y"] + box["height"] <= 780, name
    session = page.context.new_cdp_session(page)
    _touch(session, "touchStart", picture.at(100, 100))
    for x in range(105, 165, 5):
        _touch(session, "touchMove", picture.at(x, 100))
    _touch(session, "touchEnd")
    picture.saved()
    label = server.label("leaf_01.jpg")
    assert label[100, 100:155].all()
    one, two = picture.at(140, 120), picture.at(180, 120)
    _touch(session, "touchStart", one)
    _touch(session, "touchStart", one, two)
    for step in range(1, 8):
        _touch(session, "touchMove", (one[0] - 8 * step, one[1]), (two[0] + 8 * step, two[1]))
    _touch(session, "touchEnd")
    time.sleep(1)
    np.testing.assert_array_equal(server.label("leaf_01.jpg"), label)  # two fingers draw nothing
    page.click("#fit")
    screenshot(page, "label_phone")
    page.click("#browse")
    page.wait_for_selector("#gallery:visible")
    page.click(".card[data-place='3']")
    canvas(page).opened("leaf_04")
    assert page.locator("#gallery").is_hidden()
