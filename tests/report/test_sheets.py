"""Contact sheets: sizes, places of the tiles, and captions that fit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.report import sheets as s
from sccan.report.pictures import GREEN, VERMILLION

RED = np.full((30, 60, 3), (255, 0, 0), np.uint8)
BLUE = np.full((60, 20, 3), (0, 0, 255), np.uint8)


def bounds(image: np.ndarray, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of all pixels of a colour."""
    rows, columns = np.nonzero((image == colour).all(-1))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


def test_fitted_pictures_keep_their_proportions_and_are_centred() -> None:
    assert bounds(s.fit(RED, (100, 100)), (255, 0, 0)) == (25, 75, 0, 100)
    assert bounds(s.fit(BLUE, (90, 120)), (0, 0, 255)) == (0, 90, 45, 75)


@settings(max_examples=60)
@given(height=st.integers(1, 900), width=st.integers(1, 900), room=st.tuples(st.integers(1, 300), st.integers(1, 300)))
def test_fitted_sizes_fill_the_room_and_never_leave_it(height: int, width: int, room: tuple[int, int]) -> None:
    fitted = s.fitted_size((height, width), room)
    assert all(1 <= side <= space for side, space in zip(fitted, room, strict=True))
    assert fitted[0] == room[0] or fitted[1] == room[1]


def test_sheet_puts_rows_below_and_columns_beside_each_other() -> None:
    plain = s.Tile(np.full((9, 9, 3), 7, np.uint8))
    rows = [s.Row([s.Tile(RED), plain]), s.Row([plain, s.Tile(BLUE)])]
    image = s.sheet(rows, ["first", "second"], tile=80)
    red, blue = bounds(image, (255, 0, 0)), bounds(image, (0, 0, 255))
    assert (red[1] - red[0], red[3] - red[2]) == (40, 80)
    assert red[2] == s.MARGIN
    assert blue[0] >= red[1]
    assert blue[2] >= red[3]
    assert image.shape[1] == 2 * s.MARGIN + 2 * 80 + s.GAP


def test_text_at_the_right_and_a_wide_column_make_the_sheet_wider() -> None:
    narrow = s.sheet([s.Row([s.Tile(RED)])], ["x"], tile=80)
    wide = s.sheet([s.Row([s.Tile(RED, breadth=1.5)], "IoU 50.0", ["dog"])], ["x", "result"], tile=80, text_width=100)
    assert wide.shape[1] == narrow.shape[1] + 40 + s.GAP + 100
    assert (wide[:, -90:] != 255).any()


def test_legend_shows_its_colours() -> None:
    legend = [s.LegendEntry("hit", GREEN), s.LegendEntry("missed", VERMILLION, hatched=True)]
    image = s.sheet([s.Row([s.Tile(RED)])], ["x"], tile=160, legend=legend)
    solid, hatched = ((image == colour).all(-1).sum() for colour in (GREEN, VERMILLION))
    assert solid > 1.5 * hatched > 0


def test_rows_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"2 columns do not fit rows of \[2, 1\] tiles"):
        s.sheet([s.Row([s.Tile(RED), s.Tile(RED)]), s.Row([s.Tile(RED)])], ["a", "b"])


@pytest.mark.parametrize(
    ("n_images", "per_row", "side"), [(2, 2, 148), (4, 2, 98), (5, 3, 97), (6, 3, 97), (10, 4, 64)]
)
def test_mosaic_uses_the_largest_tiles(n_images: int, per_row: int, side: int) -> None:
    assert s.mosaic_grid(n_images, (200, 300)) == (per_row, side)
    images = [np.full((50, 50, 3), (10 * number, 0, 200), np.uint8) for number in range(n_images)]
    panel = s.mosaic(images, (200, 300))
    assert panel.shape == (200, 300, 3)
    for number in range(n_images):
        top, bottom, left, right = bounds(panel, (10 * number, 0, 200))
        assert (bottom - top, right - left) == (side, side)
        assert left == number % per_row * (side + s.MOSAIC_GAP)


@given(st.text(max_size=60), st.integers(20, 300))
def test_captions_fit_whatever_they_say(text: str, width: int) -> None:
    short = s.shortened(s.printable(text), s.CAPTION_SIZE, width)
    assert s.font(s.CAPTION_SIZE).getlength(short) <= width


def test_shortened_names_keep_start_and_end() -> None:
    short = s.shortened("a_very_long_folder_name/picture_000123.jpg", s.CAPTION_SIZE, 120)
    assert short.startswith("a_very")
    assert short.endswith("123.jpg")
    assert "…" in short
    assert s.shortened("short", s.CAPTION_SIZE, 120) == "short"


def test_text_is_brought_to_the_characters_of_the_font() -> None:
    assert s.printable("Café – 3×4 ± 1 · 犬\n") == "Cafe - 3x4 ± 1 · ? "
