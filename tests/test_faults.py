"""Faults of devices: what they are told by, and that work goes on in halves without a change of its results."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sccan.commands.entry import run_main
from sccan.faults import InHalves, is_lost_device, is_want_of_memory

FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 4 GiB")
GONE = RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be asynchronously reported")
OURS = RuntimeError("Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!")


@pytest.mark.parametrize(
    "error",
    [FULL, MemoryError(), RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
     RuntimeError("[enforce fail at alloc_cpu.cpp:75] DefaultCPUAllocator: can't allocate memory: you tried ...")],
)  # fmt: skip
def test_too_little_memory_is_no_lost_device(error: Exception) -> None:
    assert is_want_of_memory(error)
    assert not is_lost_device(error)


def test_a_lost_device_is_no_want_of_memory_and_a_bug_is_neither() -> None:
    assert is_lost_device(GONE)
    assert not is_want_of_memory(GONE)
    assert not is_lost_device(OURS)
    assert not is_want_of_memory(OURS)
    assert not is_lost_device(ValueError(str(GONE)))


@given(st.lists(st.integers(), max_size=30), st.integers(1, 30), st.integers(0, 3))
def test_in_halves_gives_what_all_at_once_gives(pieces: list[int], holds: int, later: int) -> None:
    calls: list[int] = []

    def compute(some: Sequence[int]) -> list[int]:
        calls.append(len(some))
        if len(some) > max(1, holds - (later if len(calls) > 3 else 0)):
            raise FULL
        return [2 * one for one in some]

    fitting = InHalves("cpu", "numbers")
    assert [one for some in fitting(compute, pieces) for one in some] == [2 * one for one in pieces]
    calls.clear()
    fitting(compute, pieces)
    if fitting.most and not later:
        assert max(calls, default=0) <= fitting.most <= holds, "what did not fit is not tried again"


def test_it_is_said_once_and_a_single_piece_that_does_not_fit_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    def compute(some: Sequence[int]) -> int:
        if len(some) > 2 or 9 in some:
            raise FULL
        return sum(some)

    fitting = InHalves("cuda:0", "pictures")
    with caplog.at_level(logging.WARNING):
        assert fitting(compute, range(8)) == [1, 5, 9, 13]
        assert fitting(compute, range(4)) == [1, 5]
    assert caplog.messages == [
        "the memory of cuda:0 does not hold 8 pictures at once; going on with 4",
        "the memory of cuda:0 does not hold 4 pictures at once; going on with 2",
    ]
    with pytest.raises(torch.OutOfMemoryError):
        fitting(compute, [9])


def test_other_errors_are_not_tried_again() -> None:
    tried: list[int] = []

    def compute(some: Sequence[int]) -> None:
        tried.append(len(some))
        raise OURS

    with pytest.raises(RuntimeError, match="same device"):
        InHalves("cpu", "pictures")(compute, range(8))
    assert tried == [8]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (FULL, "the memory does not suffice"),
        (GONE, "the device does not answer any more (RuntimeError"),
    ],
)
def test_commands_end_with_a_line(error: Exception, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    def command(argv: list[str] | None) -> int:
        raise error

    with pytest.raises(SystemExit) as ended:
        run_main(command)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {line}")
    assert told.count("\n") == 1


def test_a_bug_keeps_its_traceback() -> None:
    def command(argv: list[str] | None) -> int:
        raise OURS

    with pytest.raises(RuntimeError, match="same device"):
        run_main(command)
