"""Nothing is lost: killed servers, broken pictures, thousands of pictures."""

import signal
from pathlib import Path

from tests.page.browser.conftest import Visits
from tests.predict.made_up import disc, save


def test_a_killed_server_has_the_last_strokes_and_gets_those_drawn_meanwhile(small_model: Path, visit: Visits) -> None:
    server = visit.process("--model", str(small_model), "--classes", "spot")
    window = visit.of(server)
    window.drag((100, 100), (140, 120))
    window.saved()
    with window.failing():
        server.kill()
        assert window.label()[110, 120] == 1
        window.wait("#lost")
        window.drag((200, 100), (210, 120))
        window.wait("#saved[data-state=waiting]")
        server.start()
        window.wait("#lost", "hidden")
        window.saved()
    label = window.label()
    assert label[110, 120] == label[110, 205] == 1
    window.drag((60, 60), (70, 60))
    window.saved()
    assert window.label()[60, 65] == 1
    window.page.reload()
    window.wait("#picture-told:has-text('marked by you')")


def test_ctrl_c_beside_an_open_window_ends_the_server_without_a_word_more(small_model: Path, visit: Visits) -> None:
    server = visit.process("--model", str(small_model), "--classes", "spot")
    window = visit.of(server)
    with window.failing():
        server.process.send_signal(signal.SIGINT)
        said, _ = server.process.communicate(timeout=60)
        assert "Traceback" not in said
        window.wait("#lost")
        server.start()
        window.wait("#lost", "hidden")


def test_a_stroke_is_saved_while_it_goes_on(visit: Visits) -> None:
    window = visit("spot")
    mouse = window.page.mouse
    first, second, third = window.places((100, 100), (150, 120), (200, 100))
    mouse.move(*first)
    mouse.down()
    mouse.move(*second, steps=5)
    window.saved()
    assert window.label()[100, 100] == 1
    mouse.move(*third, steps=5)
    mouse.up()
    window.saved()
    assert window.label()[101, 198] == 1
    window.press("z")
    window.wait("#picture-told:has-text('not looked at')")
    assert not window.server.has_label("leaf_01.jpg"), "undone altogether"


def test_broken_and_vanished_pictures_are_shown_as_such(folder: Path, visit: Visits) -> None:
    (folder / "leaf_02.jpg").write_bytes(b"<svg onload=alert(1)>")
    window = visit("spot")
    window.wait(".card:nth-child(2) .badge.broken")
    with window.failing():
        window.press("j")
        window.wait("#problem:has-text('cannot be decoded')")
        window.press("n")  # nothing to say about it
        (folder / "leaf_03.jpg").unlink()
        window.press("j")
        window.wait("#problem:has-text('leaf_03.jpg is gone')")
        window.press("j")
        window.opened("leaf_04")
        window.wait("#problem", "hidden")


def test_thousands_of_pictures_are_a_list_of_which_only_a_part_exists(tmp_path: Path, visit: Visits) -> None:
    first = save(tmp_path / "many" / "p00000 <b>.png", disc(24, 32)[0])
    for number in range(1, 3000):
        (tmp_path / "many" / f"p{number:05}.png").hardlink_to(first)
    window = visit("disc", folder=tmp_path / "many")
    cards = window.page.locator(".card")
    assert window.coverage() == "0 of 3000 checked"
    assert cards.count() < 60
    assert window.page.locator(".card .name").first.inner_text() == "p00000 <b>.png"
    window.page.focus(".card[tabindex='0']")
    window.press("End")
    window.wait(".card:focus[aria-posinset='3000']")
    assert cards.count() < 60
    window.press("Enter")
    window.opened("p02999.png")
    window.page.select_option("#kept", "done")
    window.wait("#nothing-here")


def test_two_windows_drawing_at_once_lose_nothing_silently(visit: Visits) -> None:
    one = visit("spot")
    two = visit.of(one.server)
    with two.failing():
        two.page.context.set_offline(True)
        two.drag((200, 100), (210, 120))
        two.wait("#saved[data-state=waiting]")
        one.drag((100, 100), (140, 120))
        one.saved()
        two.page.context.set_offline(False)
        two.wait(".toast.error:has-text('changed in another window')")
    theirs = one.label()
    assert (theirs[110, 120], theirs[110, 205]) == (1, 0)
    two.press("z")
    two.saved()
    mine = one.label()
    assert (mine[110, 120], mine[110, 205]) == (0, 1), "Undo brings back what was drawn here"


def test_two_windows_stay_in_step(visit: Visits) -> None:
    one = visit("spot")
    two = visit.of(one.server)
    one.drag((100, 100), (140, 120))
    one.saved()
    two.wait("#picture-told:has-text('marked by you')")
    two.shows_what(one)
    two.drag((200, 100), (210, 120))
    two.saved()
    one.shows_what(two)
    one.drag((60, 60), (70, 60))
    one.saved()
    label = one.label()
    assert label[110, 120] == label[110, 205] == label[60, 65] == 1
    one.page.locator("#threshold").fill("70")
    two.wait("#threshold-text:has-text('70 %')")
    one.press("n")
    two.wait("#coverage-text:has-text('1 of 14')")
