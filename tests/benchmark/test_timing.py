"""Clocks and records: quartiles, parts inside parts, rounds in turn, ratios of paired repeats."""

import time

import pytest
import torch
from torch import nn

from sccan.benchmark.record import compared, paired_ratios, result, table
from sccan.benchmark.timing import REST, Measured, PartClock, Spread, count_operations, interleaved
from sccan.errors import InputError

CPU = torch.device("cpu")


def test_quartiles_by_hand() -> None:
    assert Spread.of([5.0, 1.0, 2.0, 4.0, 3.0]) == Spread(3.0, 2.0, 4.0)
    assert Spread.of([7.0]) == Spread(7.0, 7.0, 7.0)


def test_what_runs_inside_a_part_counts_there_alone() -> None:
    now = [0.0]

    def passes(seconds: float) -> None:
        now[0] += seconds

    clock = PartClock(CPU, lambda: now[0])
    inner = clock.wrapped("inner", passes)
    for _ in range(2):
        with clock.part("outer"):
            inner(4.0)
            passes(1.0)
            inner(8.0)
            passes(2.0)
    assert clock.take() == {"inner": 24.0, "outer": 6.0}
    assert clock.take() == {}


def test_variants_run_in_turn_and_the_rest_is_what_no_part_took() -> None:
    order, clocks = [], {name: PartClock(CPU) for name in ("a", "b")}

    def run(name: str) -> int:
        order.append(name)
        with clocks[name].part("sleep"):
            time.sleep(0.01)
        return 3

    variants = {"a": lambda: run("a"), "b": lambda: run("b")}
    found = interleaved(variants, device=CPU, warm_up=1, repeats=2, clocks=clocks)
    assert order == ["a", "b"] * 3
    for one in found.values():
        assert one.units == [3, 3]
        for seconds, parts in zip(one.seconds, one.parts, strict=True):
            assert set(parts) == {"sleep", REST}
            assert sum(parts.values()) == pytest.approx(seconds)
        assert one.peak_bytes > 1 << 20


def test_operations_of_a_convolution_and_a_product() -> None:
    layer = nn.Conv2d(3, 5, 3, padding=1, bias=False)
    assert count_operations(lambda: layer(torch.zeros(2, 3, 6, 4))) == 2 * 2 * 6 * 4 * 5 * 3 * 9
    assert count_operations(lambda: torch.zeros(4, 7) @ torch.zeros(7, 2)) == 2 * 4 * 7 * 2


def measured(*seconds: float) -> Measured:
    return Measured(list(seconds), [2 * value for value in seconds], [4] * len(seconds))


def test_ratios_pair_the_repeats_of_one_round() -> None:
    lines = [
        result("training", "plain", "steps", measured(2.0, 4.0, 8.0), {}),
        result("training", "quick", "steps", measured(1.0, 1.0, 4.0), {}),
    ]
    assert lines[0]["per_second"]["median"] == 1.0
    ((part, variant, ratio),) = paired_ratios(lines)
    assert (part, variant, ratio) == ("training", "quick", Spread(2.0, 2.0, 3.0))
    assert "quick is 2 [2, 3] times as fast" in table(lines)


def test_two_stored_benchmarks_are_compared_line_by_line() -> None:
    about = {"device": "CPU", "cpu": "x", "threads": 1, "time": "now", "revision": None}

    def stored(*seconds: float) -> dict[str, object]:
        line = result("loader", "v", "images", measured(*seconds), {"config": "c.yaml"})
        return {"environment": about, "results": [line]}

    text = compared(stored(2.0, 2.0), stored(1.0, 1.0))
    assert "2 [2, 2]" in text
    with pytest.raises(InputError, match="no line of the same config"):
        compared(stored(2.0), {"environment": about, "results": []})
