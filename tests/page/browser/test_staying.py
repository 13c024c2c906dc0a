"""Nothing is lost: killed servers, broken pictures, thousands of pictures."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.page.browser.conftest import Canvas, Server, Watch
from tests.predict.made_up import disc, save


def test_a_killed_server_has_the_last_strokes_and_gets_those_drawn_meanwhile(
    folder: Path,
    serve: Callable[..., Server],
    visit: Callable[..., Any],
    canvas: Callable[[Any], Canvas],
    watch: Watch,
) -> None:
    server = serve(folder, "--classes", "spot")
    page = visit(server)
    picture = canvas(page)
    picture.drag((100, 100), (140, 120))
    time.sleep(2)
    with watch.asleep():
        server.kill()
        assert server.label("leaf_01.jpg")[110, 120] == 1, "two seconds later it is on the disk"
        page.wait_for_selector("#lost")
        picture.drag((200, 100), (210, 120))
        page.wait_for_selector("#saved[data-state=waiting]")
        server.start()
        page.wait_for_selector("#lost", state="hidden")
        picture.saved()
        time.sleep(1.5)
    label = server.label("leaf_01.jpg")
    assert label[110, 120] == label[110, 205] == 1
    picture.drag((60, 60), (70, 60))
    picture.saved()
    assert server.label("leaf_01.jpg")[60, 65] == 1
    page.reload()
    page.wait_for_selector("#picture-told:has-text('marked by you')")


def test_a_stroke_is_saved_while_it_goes_on(
    folder: Path,
    serve: Callable[..., Server],
    visit: Callable[..., Any],
    canvas: Callable[[Any], Canvas],
) -> None:
    server = serve(folder, "--classes", "spot")
    page = visit(server)
    picture = canvas(page)
    page.mouse.move(*picture.at(100, 100))
    page.mouse.down()
    page.mouse.move(*picture.at(150, 120), steps=5)
    picture.saved()
    assert server.label("leaf_01.jpg")[100, 100] == 1
    page.mouse.move(*picture.at(200, 100), steps=5)
    page.mouse.up()
    picture.saved()
    assert server.label("leaf_01.jpg")[101, 198] == 1
    page.keyboard.press("z")
    page.wait_for_selector("#picture-told:has-text('not looked at')")
    assert not (server.folder / ".sccan" / "masks" / "leaf_01.jpg.png").exists(), "undone altogether"


def test_broken_and_vanished_pictures_are_shown_as_such(
    folder: Path,
    serve: Callable[..., Server],
    visit: Callable[..., Any],
    canvas: Callable[[Any], Canvas],
    watch: Watch,
) -> None:
    (folder / "leaf_02.jpg").write_bytes(b"<svg onload=alert(1)>")
    server = serve(folder, "--classes", "spot")
    page = visit(server)
    page.wait_for_selector(".card:nth-child(2) .badge.broken")
    with watch.asleep():
        page.keyboard.press("j")
        page.wait_for_selector("#problem:has-text('cannot be decoded')")
        page.keyboard.press("n")  # nothing to say about it
        (folder / "leaf_03.jpg").unlink()
        page.keyboard.press("j")
        page.wait_for_selector("#problem:has-text('leaf_03.jpg is gone')")
        page.keyboard.press("j")
        canvas(page).opened("leaf_04")
        page.wait_for_selector("#problem", state="hidden")


def test_thousands_of_pictures_are_a_list_of_which_only_a_part_exists(
    tmp_path: Path, serve: Callable[..., Server], visit: Callable[..., Any], canvas: Callable[[Any], Canvas]
) -> None:
    first = save(tmp_path / "many" / "p00000 <b>.png", disc(24, 32)[0])
    for number in range(1, 3000):
        (tmp_path / "many" / f"p{number:05}.png").hardlink_to(first)
    page = visit(serve(tmp_path / "many", "--classes", "disc"))
    assert page.locator("#coverage-text").inner_text() == "0 of 3000 checked"
    assert page.locator(".card").count() < 60
    assert page.locator(".card .name").first.inner_text() == "p00000 <b>.png"
    page.focus(".card[tabindex='0']")
    page.keyboard.press("End")
    page.wait_for_selector(".card:focus[aria-posinset='3000']")
    assert page.locator(".card").count() < 60
    page.keyboard.press("Enter")
    canvas(page).opened("p02999.png")
    page.select_option("#kept", "done")
    page.wait_for_selector("#nothing-here")


def test_two_windows_drawing_at_once_lose_nothing_silently(
    folder: Path,
    serve: Callable[..., Server],
    visit: Callable[..., Any],
    canvas: Callable[[Any], Canvas],
    watch: Watch,
) -> None:
    server = serve(folder, "--classes", "spot")
    one, two = visit(server), visit(server)
    with watch.asleep():
        two.context.set_offline(True)
        canvas(two).drag((200, 100), (210, 120))
        canvas(one).drag((100, 100), (140, 120))
        canvas(one).saved()
        two.context.set_offline(False)
        two.wait_for_selector(".toast.error:has-text('changed in another window')")
        time.sleep(0.5)
    theirs = server.label("leaf_01.jpg")
    assert (theirs[110, 120], theirs[110, 205]) == (1, 0)
    two.keyboard.press("z")
    canvas(two).saved()
    mine = server.label("leaf_01.jpg")
    assert (mine[110, 120], mine[110, 205]) == (0, 1), "Undo brings back what was drawn here"
    assert isinstance(mine, np.ndarray)
