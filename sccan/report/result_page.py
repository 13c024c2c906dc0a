"""A test and a training run as sections of an HTML page."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sccan.errors import InputError
from sccan.files.reading import read_lines
from sccan.files.structured import parse_json
from sccan.report.charts import Bar, Curve, bar_chart, line_chart, thinned
from sccan.report.page import Block, Chart, Headline, Paragraph, Section, Settings, TableBlock
from sccan.report.results import Result, shown_facts
from sccan.report.tables import percent, percent_interval


def result_sections(result: Result) -> list[Section]:
    """The result as sections of an HTML page: headline, comparison, classes, and what the numbers depend on."""
    numbers = [
        (percent_interval(*result.miou.pair), "mIoU on novel classes, %"),
        (percent_interval(*result.fb_iou.pair), "FB-IoU, %"),
    ]
    if result.baselines:
        best = max(result.baselines, key=lambda outcome: outcome.miou.mean)
        margin = result.miou.mean - best.miou.mean
        numbers.append((f"{'+' if margin >= 0 else '−'}{percent(abs(margin))}", f"against {best.name}"))
    blocks: list[Block] = [Headline(numbers), TableBlock(result.method_table())]
    if result.baselines:
        bars = [Bar(result.method, *result.miou.pair, emphasised=True)]
        ranked = sorted(result.baselines, key=lambda outcome: -outcome.miou.mean)
        bars += [Bar(outcome.name, *outcome.miou.pair, note=outcome.choice) for outcome in ranked]
        caption = "mIoU on the same episodes, %" + (", with 95 % intervals over seeds" if len(result.seeds) > 1 else "")
        blocks.append(Chart(bar_chart(bars, "mIoU of the method and of trivial baselines"), caption))
    if result.parts:
        blocks += [Paragraph("What the parts of the method say on their own:"), TableBlock(result.part_table())]
    class_bars = [Bar(c.name, c.iou, note=f"{c.episodes} episodes") for c in result.classes()]
    classes = Chart(bar_chart(class_bars, "IoU per class"), "Foreground IoU per class over all its episodes, %")
    words = Paragraph("Numbers of few-shot segmentation can be compared only where all of this is the same.")
    facts = shown_facts(result.facts())
    return [
        Section("Result", blocks),
        Section("Per class", [classes]),
        Section(
            "What the numbers depend on", [words, Settings(facts, "Protocol, episodes, checkpoint", unfolded=True)]
        ),
    ]


def training_section(losses: Sequence[Curve], scores: Sequence[Curve]) -> Section:
    """Curves of a training run: losses in one chart, validation scores (in [0, 1]) in another; empty ones are left out.

    Args:
        losses: long curves are averaged over neighbouring points.
        scores: larger is better; the best point of the first one is marked, since it chooses the checkpoint.
    """
    blocks: list[Block] = []
    shown = [thinned(curve) for curve in losses if curve.x]
    if shown:
        svg = line_chart(shown, label="training loss", x_label="step", from_zero=True)
        blocks.append(Chart(svg, "Training loss", legend(shown)))
    measured = [curve for curve in scores if curve.x]
    if measured:
        first = measured[0]
        best = max(range(len(first.y)), key=first.y.__getitem__)
        measured[0] = Curve(first.name, first.x, first.y, best)
        svg = line_chart(measured, label="validation score", x_label="step")
        caption = f"Validation; the circle marks the best, {percent(first.y[best])} % at step {first.x[best]:.6g}"
        blocks.append(Chart(svg, caption, legend(measured)))
    return Section("Training", blocks or [Paragraph("Nothing was logged.")])


def legend(curves: Sequence[Curve]) -> list[str]:
    """Names of the curves where there are several to be told apart."""
    return [curve.name for curve in curves] if len(curves) > 1 else []


def read_log(path: str | Path) -> list[dict[str, Any]]:
    """The entries of a log of JSON lines; a last line that was cut off when the run was killed is left out.

    Raises InputError: another line is not JSON.
    """
    entries: list[dict[str, Any]] = []
    lines = list(read_lines(path, "log"))
    for number, line in lines:
        try:
            entries.append(parse_json(line, dict[str, Any], f"log {path}, line {number}", nan=True))
        except InputError:
            if number < lines[-1][0]:
                raise
    return entries


def logged_curve(entries: Iterable[Mapping[str, Any]], name: str, x: str, y: str) -> Curve:
    """The points of all log entries that hold finite numbers under both `x` and `y`, later ones replacing earlier.

    Args:
        entries: of `read_log`.
        name: of the curve.
        x: a name in the entries; dots lead into nested ones, as in ``losses.total``.
        y: likewise.
    """
    points: dict[float, float] = {}
    for entry in entries:
        across, up = _number(entry, x), _number(entry, y)
        if across is not None and up is not None:
            points[across] = up
    ordered = sorted(points)
    return Curve(name, ordered, [points[place] for place in ordered])


def _number(entry: Any, name: str) -> float | None:
    """The finite number under a dotted name, or None."""
    for part in name.split("."):
        entry = entry.get(part) if isinstance(entry, Mapping) else None
    return entry if isinstance(entry, (int, float)) and math.isfinite(entry) else None
