"""The way of a person: name, mark, find, correct, accept, learn again, take along."""

import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sccan.segmentation.data.annotations.examples import read_examples
from tests.page.browser.conftest import Canvas, Server

Leaves = list[tuple[np.ndarray, np.ndarray]]


def _mark_spots(page: Any, canvas: Canvas, spots: np.ndarray) -> None:
    """Every spot with a brush about as thick as it, from end to end."""
    count, parts = cv2.connectedComponents(spots.astype(np.uint8))
    frame = page.locator("#canvas").bounding_box()
    scale = min((frame["width"] - 48) / canvas.width, (frame["height"] - 48) / canvas.height, 8)
    for number in range(1, count):
        points = np.argwhere(parts == number)[:, ::-1] + 0.5
        middle, axes = points.mean(0), np.linalg.svd(points - points.mean(0), full_matrices=False)[2]
        along, across = ((points - middle) @ axis for axis in axes)
        radius = float(np.abs(across).max()) * 0.9
        page.locator("#thickness").fill(str(int(np.clip(2 * radius * scale, 2, 120))))
        reach = max(float(np.abs(along).max()) - radius, 0.5)
        canvas.drag(tuple(middle - reach * axes[0]), tuple(middle + reach * axes[0]))  # type: ignore[arg-type]


def _searched(page: Any) -> None:
    page.click("#search")
    page.wait_for_selector("#search:not(.searching):not(.stale):has-text('Learn again')")


def test_mark_find_correct_accept_learn_again_and_take_along(
    folder: Path,
    leaves: Leaves,
    serve: Callable[..., Server],
    visit: Callable[..., Any],
    canvas: Callable[[Any], Canvas],
    screenshot: Callable[..., None],
    tmp_path: Path,
) -> None:
    server = serve(folder, model="")
    page = visit(server)
    picture = canvas(page)
    screenshot(page, "label_begin")
    page.fill("#first-name", "spot")
    page.click("text=Begin")
    page.wait_for_selector(".chip:has-text('spot')")
    _mark_spots(page, picture, leaves[0][1])
    picture.saved()
    drawn = server.label("leaf_01.jpg") == 1
    assert (drawn & leaves[0][1]).sum() / (drawn | leaves[0][1]).sum() > 0.6
    page.mouse.move(*picture.at(300, 20))
    screenshot(page, "label_mark")

    _searched(page)
    assert page.locator(".card .badge.found, .card .badge.doubt").count() > 6
    page.click("#next")
    page.wait_for_selector("#picture-told:has-text('sure'), #picture-told:has-text('not here')")
    screenshot(page, "label_found")

    page.keyboard.press("Enter")  # accepted, and on to the third
    canvas(page).opened("leaf_03")
    page.keyboard.press("e")
    picture.drag((150, 110), (200, 140))
    page.keyboard.press("b")
    _mark_spots(page, picture, leaves[2][1])
    picture.saved()
    page.keyboard.press("Enter")
    canvas(page).opened("leaf_04")
    page.keyboard.press("n")
    canvas(page).opened("leaf_05")
    assert (server.label("leaf_04.jpg") == 0).all()
    assert page.locator("#coverage-text").inner_text() == "4 of 14 checked"

    _searched(page)
    page.keyboard.press("q")
    page.wait_for_selector("#quality .chart")
    page.wait_for_selector("#quality h3:has-text('xamples')")
    page.select_option("#order", "doubt")
    screenshot(page, "label_quality")
    page.keyboard.press("q")

    before = server.label("leaf_03.jpg")
    page.reload()
    canvas(page).opened("leaf_05")
    assert page.locator("#coverage-text").inner_text() == "4 of 14 checked"
    np.testing.assert_array_equal(server.label("leaf_03.jpg"), before)

    page.keyboard.press("x")
    page.check("input[value=examples]")
    page.uncheck("#predictions")
    page.click("#export-write")
    page.wait_for_selector("#export-done")
    screenshot(page, "label_export")
    with page.expect_download() as download:
        page.click("#export-done a")
    download.value.save_as(tmp_path / "examples.zip")
    zipfile.ZipFile(tmp_path / "examples.zip").extractall(tmp_path / "examples")
    examples = read_examples(tmp_path / "examples")
    found = {one.image.name: one.label for one in examples.annotated}
    np.testing.assert_array_equal(found["leaf_03.jpg"], before)
    assert set(found) >= {"leaf_01.jpg", "leaf_02.jpg", "leaf_03.jpg"}


def test_several_classes_one_label_map(
    folder: Path,
    serve: Callable[..., Server],
    visit: Callable[..., Any],
    canvas: Callable[[Any], Canvas],
) -> None:
    server = serve(folder, "--classes", "spot,leaf")
    page = visit(server)
    picture = canvas(page)
    page.keyboard.press("2")
    page.locator("#thickness").fill("120")
    picture.drag((100, 120), (220, 120))
    page.keyboard.press("1")
    page.locator("#thickness").fill("20")
    picture.drag((140, 120), (160, 120))
    picture.saved()
    assert set(np.unique(server.label("leaf_01.jpg"))) == {0, 1, 2}
    assert (server.label("leaf_01.jpg")[120, 145:155] == 1).all()
    page.dblclick(".chip:has-text('leaf')")
    page.fill("#class-name", "<i>whole</i> leaf")
    page.click("#class-dialog button[type=submit]")
    page.wait_for_selector(".chip:has-text('<i>whole</i> leaf')")
    page.click("button[aria-label='Rename or remove <i>whole</i> leaf']")
    page.click("#remove-class")
    page.wait_for_selector(".chip:has-text('leaf')", state="detached")
    assert (server.label("leaf_01.jpg") == 2).any(), "the pixels stay in the mask"
    page.keyboard.press("c")
    page.fill("#class-name", "<i>whole</i> leaf")
    page.keyboard.press("Enter")
    page.wait_for_selector(".chip:has-text('<i>whole</i> leaf')")
    assert page.locator("i:has-text('whole')").count() == 0, "a name is text"


def test_two_windows_stay_in_step(
    folder: Path,
    serve: Callable[..., Server],
    visit: Callable[..., Any],
    canvas: Callable[[Any], Canvas],
) -> None:
    server = serve(folder, "--classes", "spot")
    one, two = visit(server), visit(server)
    canvas(one).drag((100, 100), (140, 120))
    canvas(one).saved()
    two.wait_for_selector("#picture-told:has-text('marked by you')")
    canvas(two).drag((200, 100), (210, 120))
    canvas(two).saved()
    one.wait_for_selector("#picture-told:has-text('marked by you')")
    time.sleep(0.5)
    canvas(one).drag((60, 60), (70, 60))
    canvas(one).saved()
    label = server.label("leaf_01.jpg")
    assert label[110, 120] == label[110, 205] == label[60, 65] == 1
    one.locator("#threshold").fill("70")
    two.wait_for_selector("#threshold-text:has-text('70 %')")
    one.keyboard.press("n")
    two.wait_for_selector("#coverage-text:has-text('1 of 14')")
