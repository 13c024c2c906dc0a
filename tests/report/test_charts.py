"""Charts: places of bars and points, ticks, and well-formed markup."""

import itertools
import math
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sccan.report.charts import GUTTER, Bar, Curve, bar_chart, line_chart, round_ticks, thinned

FINITE = st.floats(-1e6, 1e6, allow_nan=False)


def elements(svg: str, tag: str, kind: str) -> list[dict[str, str]]:
    """Attributes of all elements of a tag that carry a class."""
    return [e.attrib for e in ElementTree.fromstring(svg).iter(tag) if kind in e.attrib.get("class", "").split()]


def test_bars_are_as_long_as_their_values_and_whiskers_span_the_interval() -> None:
    svg = bar_chart(
        [Bar("SCCAN", 0.625, 0.0125, emphasised=True), Bar("prior & <mask>", 0.5, note="40 episodes")], "mIoU"
    )
    assert [bar["width"] for bar in elements(svg, "rect", "bar")] == ["62.50%", "50.00%"]
    assert len(elements(svg, "rect", "accent")) == 1
    ends = {line["x1"] for line in elements(svg, "line", "whisker")}
    assert ends == {"61.25%", "63.75%"}
    words = " ".join(ElementTree.fromstring(svg).itertext())
    assert "62.50 ± 1.25" in words
    assert "prior & <mask>" in words
    assert "40 episodes" in words


def test_long_names_are_cut_and_kept_in_the_title() -> None:
    name = "an exceedingly long name of a class that nobody wants"
    root = ElementTree.fromstring(bar_chart([Bar(name, 0.5)], "IoU"))
    text = next(root.iter("text"))
    assert text[0].text == name
    assert text[0].tail is not None
    assert len(text[0].tail) == 30


def test_whiskers_stay_on_the_track() -> None:
    svg = bar_chart([Bar("a", 0.02, 0.05), Bar("b", 0.98, 0.05)], "mIoU")
    ends = {float(line[end].rstrip("%")) for line in elements(svg, "line", "whisker") for end in ("x1", "x2")}
    assert ends == {0.0, 7.0, 93.0, 100.0}


def test_line_goes_through_its_points_and_marks_the_best() -> None:
    svg = line_chart([Curve("score", [0, 50, 100], [0.0, 1.0, 0.5], best=1)], label="score", x_label="step")
    line = elements(svg, "polyline", "curve")[0]["points"]
    assert line == "0.0,1000.0 500.0,0.0 1000.0,500.0"
    best = elements(svg, "circle", "best")[0]
    assert float(best["cx"].rstrip("%")) == pytest.approx(100 * (GUTTER + (1 - GUTTER) / 2))
    assert "step" in list(ElementTree.fromstring(svg).itertext())


def test_constant_and_single_point_curves_can_be_drawn() -> None:
    for curve in (Curve("flat", [1, 2, 3], [0.4] * 3), Curve("one", [7], [0.0])):
        points = elements(line_chart([curve], label="x", x_label="step"), "polyline", "curve")[0]["points"]
        assert all(0 <= float(number) <= 1000 for number in points.replace(",", " ").split())


def test_curves_that_cannot_be_drawn_are_refused() -> None:
    with pytest.raises(ValueError, match="'a' has 2 x and 1 y"):
        Curve("a", [1, 2], [1])
    with pytest.raises(ValueError, match="not finite"):
        Curve("a", [1], [math.nan])
    with pytest.raises(ValueError, match="at least one point"):
        line_chart([Curve("empty", [], [])], label="x", x_label="x")


@given(st.lists(FINITE, min_size=2, max_size=2), st.integers(2, 8))
def test_ticks_are_even_few_and_enclose_the_values(ends: list[float], n_steps: int) -> None:
    low, high = min(ends), max(ends)
    if 0 < high - low < 1e-6 * max(abs(low), abs(high)):
        high = low  # closer than six digits can tell apart
    ticks = round_ticks(low, high, n_steps)
    steps = [second - first for first, second in itertools.pairwise(ticks)]
    slack = 1e-6 * max(1e-300, abs(low), abs(high))
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert max(steps) - min(steps) <= 1e-6 * max(map(abs, ticks))
    assert 2 <= len(ticks) <= n_steps + 2


def test_ticks_are_round() -> None:
    assert round_ticks(0.31, 0.57, 4) == [0.3, 0.4, 0.5, 0.6]
    assert round_ticks(0, 1234, 4) == [0, 500, 1000, 1500]


def test_thinned_curves_are_means_of_neighbours() -> None:
    assert thinned(Curve("a", [0, 1, 2, 3], [1.0, 3.0, 5.0, 9.0]), 2) == Curve("a", [0.5, 2.5], [2.0, 7.0])
    short = Curve("a", [0, 1], [1.0, 3.0])
    assert thinned(short, 2) is short
    long = thinned(Curve("a", list(range(1001)), [1.0] * 1001))
    assert len(long.x) == 300
    assert set(long.y) == {1.0}
