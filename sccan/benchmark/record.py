"""What a benchmark found, as plain data, as a table, and against another one."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sccan.benchmark.timing import Measured, Spread
from sccan.errors import InputError
from sccan.files.formats import BenchmarkFile
from sccan.files.structured import as_kind, read_json
from sccan.report.tables import Column, Table, text_column

FORMAT = "sccan-benchmark-1"


def result(part: str, variant: str, unit: str, found: Measured, facts: Mapping[str, Any]) -> dict[str, Any]:
    """One measured line as plain data."""
    parts: dict[str, Any] = {}
    for name in sorted({name for one in found.parts for name in one}):
        each = [one.get(name, 0.0) / units for one, units in zip(found.parts, found.units, strict=True)]
        parts[name] = vars(Spread.of(each))
    return {
        "part": part,
        "variant": variant,
        "unit": unit,
        "units": found.units,
        "seconds": found.seconds,
        "processor_seconds": found.processor,
        "per_second": vars(Spread.of(found.rates())),
        "seconds_per_unit": vars(Spread.of([1 / rate for rate in found.rates()])),
        "processor_seconds_per_unit": vars(
            Spread.of([p / u for p, u in zip(found.processor, found.units, strict=True)])
        ),
        "peak_bytes": found.peak_bytes,
        "parts": parts,
        **facts,
    }


def paired_ratios(results: Sequence[Mapping[str, Any]], clock: str = "seconds") -> list[tuple[str, str, Spread]]:
    """How much faster every further variant is than the first of its part, repeat by repeat: (part, variant, ratio).

    Args:
        clock: ``seconds``, or ``processor_seconds``, which is steadier on a busy machine but knows neither
            loader processes nor a GPU.
    """
    found = []
    for part in dict.fromkeys(one["part"] for one in results):
        first, *others = (one for one in results if one["part"] == part)
        base = [units / seconds for units, seconds in zip(first["units"], first[clock], strict=True)]
        for other in others:
            rates = (units / seconds for units, seconds in zip(other["units"], other[clock], strict=True))
            found.append((part, other["variant"], Spread.of([b / a for a, b in zip(base, rates, strict=True)])))
    return found


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """The measured lines for a reader, with ratios and parts below."""
    rows = [
        (
            one["part"],
            one["variant"],
            _spread(one["per_second"]),
            f"{one['unit']}/s",
            f"{one['seconds_per_unit']['median'] * 1e3:.4g}",
            f"{one['processor_seconds_per_unit']['median'] * 1e3:.4g}",
            f"{one['peak_bytes'] / 2**20:.0f}" if one["peak_bytes"] else None,
            f"{one['operations'] / 1e9:.4g}" if one.get("operations") else None,
        )
        for one in results
    ]
    titles = ("part", "variant", "median [quartiles]", "unit", "ms each", "processor ms", "peak MiB", "GFLOP each")
    columns = [
        text_column(title) if number in (0, 1, 3) else Column(title, align="right")
        for number, title in enumerate(titles)
    ]
    lines = [Table(columns, rows).text()]
    ratios = paired_ratios(results)
    told = all(all(one["processor_seconds"]) for one in results)  # some machines count none for a short repeat
    by_processor = paired_ratios(results, "processor_seconds") if told else []
    for (part, variant, ratio), further in itertools.zip_longest(ratios, by_processor):
        line = f"{part}: {variant} is {_spread(vars(ratio))} times as fast as the first variant"
        lines.append(line + (f" ({_spread(vars(further[2]))} by processor time)" if further else ""))
    for one in results:
        if one["parts"]:
            shares = sorted(one["parts"].items(), key=lambda item: -item[1]["median"])
            words = ", ".join(f"{name} {spread['median'] * 1e3:.4g}" for name, spread in shares)
            lines.append(f"{one['part']}, {one['variant']}: ms per {one['unit'].rstrip('s')} by part: {words}")
        if one.get("scores"):
            words = ", ".join(f"{name} {value:.4f}" for name, value in one["scores"].items())
            lines.append(f"{one['part']}, {one['variant']}: {words} %")
        lines += [f"{one['part']}, {one['variant']}: {note}" for note in one.get("notes", ())]
    return "\n".join(lines)


def read(path: Path) -> dict[str, Any]:
    """A stored benchmark.

    Raises InputError: the file is none.
    """
    data: dict[str, Any] = read_json(path, dict[str, Any], "benchmark")
    if data.get("format") != FORMAT:
        raise InputError(f"{path} is no benchmark of the form {FORMAT}; make one with tools/benchmark.py --out")
    as_kind(data, BenchmarkFile, f"benchmark {path}")
    return data


def compared(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """How much faster the second benchmark is, line by line; the interval spans the quartiles of both.

    Raises InputError: they have no line in common.
    """
    key = ("config", "part", "variant")
    known = {tuple(one.get(name, "") for name in key): one["per_second"] for one in first["results"]}
    rows = []
    for one in second["results"]:
        name = tuple(one.get(part, "") for part in key)
        if name in known:
            a, b = known[name], one["per_second"]
            ratio = {
                "median": b["median"] / a["median"],
                "lower": b["lower"] / a["upper"],
                "upper": b["upper"] / a["lower"],
            }
            rows.append((*name, _spread(a), _spread(b), _spread(ratio)))
    if not rows:
        raise InputError("the two benchmarks have no line of the same config, part and variant")
    titles = (*key, "first", "second", "times as fast")
    columns = [
        text_column(title) if number < len(key) else Column(title, align="right") for number, title in enumerate(titles)
    ]
    notes = [f"{title}: {_where(data)}" for title, data in (("first", first), ("second", second))]
    return "\n".join([Table(columns, rows).text(), *notes])


def _where(data: Mapping[str, Any]) -> str:
    about = data["environment"]
    return (
        f"{about['device']}, {about['cpu']}, {about['threads']} threads, {about['time']}, revision {about['revision']}"
    )


def _spread(value: Mapping[str, float]) -> str:
    return f"{value['median']:.4g} [{value['lower']:.4g}, {value['upper']:.4g}]"
