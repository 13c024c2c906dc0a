"""Small charts as SVG text for the HTML page: bars with intervals, and curves.

Positions across are percentages and text has a fixed size, so that one drawing reads well on a phone and on a wide
screen. Colours are the page's CSS variables and follow its light or dark scheme.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from sccan.report.tables import percent_interval

BAR_STEP, BAR_HEIGHT, TEXT_BASELINE = 38, 12, 14
PLOT_TOP, PLOT_HEIGHT, FOOT = 14, 200, 36
GUTTER = 0.1  # share of a line chart's width that holds the numbers of the upright axis
LONGEST_NAME = 30  # characters of a bar's name that fit beside its number on a phone


@dataclass(frozen=True)
class Bar:
    """One bar: a fraction in [0, 1], with the half-width of its 95 % interval where there is one.

    Attributes:
        name: what was measured.
        value: the fraction.
        half_width: half-width of the interval, or None.
        note: small text after the name, such as the number of episodes.
        emphasised: drawn in the accent colour.
    """

    name: str
    value: float
    half_width: float | None = None
    note: str = ""
    emphasised: bool = False


@dataclass(frozen=True)
class Curve:
    """A named line through points of ascending x; `best` is the index of a point to be marked, or None."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    best: int | None = None

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(f"curve {self.name!r} has {len(self.x)} x and {len(self.y)} y")
        if not all(map(math.isfinite, (*self.x, *self.y))):
            raise ValueError(f"curve {self.name!r} has values that are not finite")


def bar_chart(bars: Sequence[Bar], label: str) -> str:
    """Horizontal bars on a track from 0 to 100 %, each under its name and its number.

    Args:
        bars: from top to bottom.
        label: what the chart shows, read out by screen readers.
    """
    parts = []
    for number, bar in enumerate(bars):
        y = number * BAR_STEP
        name = bar.name if len(bar.name) <= LONGEST_NAME else bar.name[: LONGEST_NAME - 1] + "…"
        note = f' <tspan class="faint">{escape(bar.note)}</tspan>' if bar.note else ""
        number_text = percent_interval(bar.value, bar.half_width)
        kind = "bar accent" if bar.emphasised else "bar"
        top = y + TEXT_BASELINE + 6
        parts += [
            f'<text x="0" y="{y + TEXT_BASELINE}"><title>{escape(bar.name)}</title>{escape(name)}{note}</text>',
            f'<text x="100%" y="{y + TEXT_BASELINE}" class="number">{escape(number_text)}</text>',
            f'<rect x="0" y="{top}" width="100%" height="{BAR_HEIGHT}" rx="3" class="track"/>',
            f'<rect x="0" y="{top}" width="{_across(bar.value)}" height="{BAR_HEIGHT}" rx="3" class="{kind}"/>',
        ]
        if bar.half_width is not None:
            parts += _whisker(bar.value - bar.half_width, bar.value + bar.half_width, top + BAR_HEIGHT / 2)
    return _svg(len(bars) * BAR_STEP, label, parts)


def line_chart(curves: Sequence[Curve], *, label: str, x_label: str, from_zero: bool = False) -> str:
    """Curves over a shared axis, with grid lines at round numbers.

    Args:
        curves: at least one point in all; told apart by colour and by dashes.
        label: what the chart shows, read out by screen readers.
        x_label: what runs across.
        from_zero: whether the upright axis starts at zero.
    """
    points = [(x, y) for curve in curves for x, y in zip(curve.x, curve.y, strict=True)]
    if not points:
        raise ValueError("a line chart needs at least one point")
    x_low, x_high = min(x for x, _ in points), max(x for x, _ in points)
    y_low, y_high = min(y for _, y in points), max(y for _, y in points)
    y_ticks = round_ticks(min(0.0, y_low) if from_zero else y_low, y_high, 4)
    y_low, y_high = y_ticks[0], y_ticks[-1]
    parts = []
    for tick in y_ticks:
        y = _down(tick, y_low, y_high)
        parts.append(f'<line x1="{_across(GUTTER)}" x2="100%" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(f'<text x="0" y="{y + 4:.1f}" class="tick">{tick:.6g}</text>')
    for tick in round_ticks(x_low, x_high, 7):
        if x_low <= tick <= x_high:
            share = _share(tick, x_low, x_high)
            anchor = "start" if share < 0.05 else "end" if share > 0.95 else "middle"
            place = f'x="{_along(share)}" y="{PLOT_TOP + PLOT_HEIGHT + 15}" text-anchor="{anchor}"'
            parts.append(f'<text {place} class="tick">{tick:.6g}</text>')
    place = f'x="{_along(0.5)}" y="{PLOT_TOP + PLOT_HEIGHT + 31}" text-anchor="middle"'
    parts.append(f'<text {place} class="tick">{escape(x_label)}</text>')
    # Lines are drawn in a box of their own that is stretched to the width; their strokes are not stretched with it.
    parts.append(
        f'<svg x="{_across(GUTTER)}" y="{PLOT_TOP}" width="{_across(1 - GUTTER)}" height="{PLOT_HEIGHT}" '
        'viewBox="0 0 1000 1000" preserveAspectRatio="none" overflow="visible">'
    )
    for number, curve in enumerate(curves):
        places = [
            f"{1000 * _share(x, x_low, x_high):.1f},{1000 * (1 - _share(y, y_low, y_high)):.1f}"
            for x, y in zip(curve.x, curve.y, strict=True)
        ]
        parts.append(f'<polyline points="{" ".join(places)}" class="curve line{number % 4}"/>')
    parts.append("</svg>")
    for curve in curves:
        if curve.best is not None:
            x, y = curve.x[curve.best], curve.y[curve.best]
            place = f'cx="{_along(_share(x, x_low, x_high))}" cy="{_down(y, y_low, y_high):.1f}"'
            parts.append(f'<circle {place} r="5" class="best"><title>{y:.6g} at {x:.6g}</title></circle>')
    return _svg(PLOT_TOP + PLOT_HEIGHT + FOOT, label, parts)


def thinned(curve: Curve, n_points: int = 300) -> Curve:
    """The curve as means over groups of neighbouring points, at most `n_points` of them; a short one as it is."""
    length = len(curve.x)
    if length <= n_points:
        return curve
    edges = [length * number // n_points for number in range(n_points + 1)]

    def means(values: Sequence[float]) -> list[float]:
        return [math.fsum(values[first:last]) / (last - first) for first, last in itertools.pairwise(edges)]

    return Curve(curve.name, means(curve.x), means(curve.y))


def round_ticks(low: float, high: float, n_steps: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) that enclose [low, high] in about `n_steps` steps."""
    if high <= low:
        margin = abs(low) / 2 or 0.5
        low, high = low - margin, high + margin
    rough = (high - low) / n_steps
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def _whisker(low: float, high: float, y: float) -> list[str]:
    low, high = max(low, 0.0), min(high, 1.0)
    ends = [(low, low, y - 4, y + 4), (high, high, y - 4, y + 4), (low, high, y, y)]
    return [
        f'<line x1="{_across(x1)}" x2="{_across(x2)}" y1="{y1:g}" y2="{y2:g}" class="whisker"/>'
        for x1, x2, y1, y2 in ends
    ]


def _svg(height: float, label: str, parts: Sequence[str]) -> str:
    head = f'<svg class="chart" role="img" aria-label="{escape(label)}" width="100%" height="{height:g}">'
    return "\n".join([head, *parts, "</svg>"])


def _across(share: float) -> str:
    return f"{100 * min(max(share, 0.0), 1.0):.2f}%"


def _along(share: float) -> str:
    """Like `_across`, for the part of a line chart that is right of its gutter."""
    return _across(GUTTER + (1 - GUTTER) * share)


def _down(y: float, low: float, high: float) -> float:
    return PLOT_TOP + PLOT_HEIGHT * (1 - _share(y, low, high))


def _share(value: float, low: float, high: float) -> float:
    return (value - low) / (high - low) if high > low else 0.5
