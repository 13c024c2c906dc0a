"""The way of a person: name, mark, find, correct, accept, learn again, take along."""

import zipfile
from pathlib import Path

import cv2
import numpy as np

from sccan.segmentation.data.annotations.examples import read_examples
from tests.page.browser.conftest import Leaves, Screenshot, Visits
from tests.page.browser.window import Window


def _mark_spots(window: Window, spots: np.ndarray) -> None:
    """Every spot with a brush about as thick as it, from end to end."""
    count, parts = cv2.connectedComponents(spots.astype(np.uint8))
    scale = window.view()["scale"]
    for number in range(1, count):
        points = np.argwhere(parts == number)[:, ::-1] + 0.5
        middle, axes = points.mean(0), np.linalg.svd(points - points.mean(0), full_matrices=False)[2]
        along, across = ((points - middle) @ axis for axis in axes)
        radius = float(np.abs(across).max()) * 0.9
        window.thickness(np.clip(2 * radius * scale, 2, 120))
        reach = max(float(np.abs(along).max()) - radius, 0.5)
        window.drag(tuple(middle - reach * axes[0]), tuple(middle + reach * axes[0]))  # type: ignore[arg-type]


def test_mark_find_correct_accept_learn_again_and_take_along(
    leaves: Leaves, visit: Visits, screenshot: Screenshot, tmp_path: Path
) -> None:
    window = visit.of(visit.process())  # the command as it is, with its own model
    screenshot(window, "label_begin")
    window.begin_class("spot")
    _mark_spots(window, leaves[0][1])
    window.saved()
    drawn = window.label() == 1
    assert (drawn & leaves[0][1]).sum() / (drawn | leaves[0][1]).sum() > 0.6
    window.page.mouse.move(*window.places((300, 20))[0])
    screenshot(window, "label_mark")

    window.search()
    window.page.click("#next")
    window.opened("leaf_02")
    window.wait("#picture-told:has-text('sure'), #picture-told:has-text('not here')")
    assert window.page.locator(".card .badge.found, .card .badge.doubt").count() > 6
    screenshot(window, "label_found")

    window.press("Enter")  # accepted, and on to the third
    window.opened("leaf_03")
    window.press("e")
    window.drag((150, 110), (200, 140))
    window.press("b")
    _mark_spots(window, leaves[2][1])
    window.saved()
    window.press("Enter")
    window.opened("leaf_04")
    window.press("n")
    window.opened("leaf_05")
    assert (window.label(4) == 0).all()
    assert window.coverage() == "4 of 14 checked"

    window.search()
    window.press("q")
    window.wait("#quality .chart")
    window.wait("#quality:has-text('ound again')")
    window.page.select_option("#order", "doubt")
    screenshot(window, "label_quality")
    window.press("q")

    before = window.label(3)
    window.page.reload()
    window.opened("leaf_05")
    assert window.coverage() == "4 of 14 checked"
    np.testing.assert_array_equal(window.label(3), before)

    window.press("x")
    window.page.check("input[value=examples]")
    window.page.uncheck("#predictions")
    window.page.click("#export-write")
    window.wait("#export-done")
    screenshot(window, "label_export")
    with window.page.expect_download() as download:
        window.page.click("#export-done a")
    download.value.save_as(tmp_path / "examples.zip")
    zipfile.ZipFile(tmp_path / "examples.zip").extractall(tmp_path / "examples")
    examples = read_examples(tmp_path / "examples")
    found = {one.image.name: one.label for one in examples.annotated}
    np.testing.assert_array_equal(found["leaf_03.jpg"], before)
    assert set(found) >= {"leaf_01.jpg", "leaf_02.jpg", "leaf_03.jpg"}


def test_several_classes_one_label_map(visit: Visits) -> None:
    window = visit("spot", "leaf")
    window.press("2")
    window.thickness(120)
    window.drag((100, 120), (220, 120))
    window.press("1")
    window.thickness(20)
    window.drag((140, 120), (160, 120))
    window.saved()
    assert set(np.unique(window.label())) == {0, 1, 2}
    assert (window.label()[120, 145:155] == 1).all()
    window.page.dblclick(".chip:has-text('leaf')")
    window.page.fill("#class-name", "<i>whole</i> leaf")
    window.page.click("#class-dialog button[type=submit]")
    window.wait(".chip:has-text('<i>whole</i> leaf')")
    window.page.click("button[aria-label='Rename or remove <i>whole</i> leaf']")
    window.page.click("#remove-class")
    window.wait(".chip:has-text('leaf')", "detached")
    window.wait("#class-dialog", "hidden")
    assert (window.label() == 2).any(), "the pixels stay in the mask"
    window.press("c")
    window.page.fill("#class-name", "<i>whole</i> leaf")
    window.press("Enter")
    window.wait(".chip:has-text('<i>whole</i> leaf')")
    assert window.page.locator("i:has-text('whole')").count() == 0, "a name is text"
