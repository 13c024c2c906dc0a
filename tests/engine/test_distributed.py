"""One process answers like several; two real ones agree."""

from typing import Any

import pytest
import torch

from sccan.engine.distributed import LAUNCHER, start
from sccan.errors import InputError
from tests.engine.toy import cpu


@pytest.fixture(autouse=True)
def no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LAUNCHER:
        monkeypatch.delenv(name, raising=False)


def test_one_process_needs_no_group() -> None:
    rows = torch.arange(6).view(3, 2)
    with start("cpu") as runtime, runtime.main_first():
        runtime.barrier()
        runtime.broadcast_([rows])
        assert runtime == cpu()
        assert runtime.is_main
        assert torch.equal(runtime.sum_counts(rows), rows)
        assert torch.equal(runtime.gather_rows(rows), rows)
        assert runtime.largest([3, -1]) == [3, -1]
        assert runtime.share("text") == "text"
    assert not torch.distributed.is_initialized()


def test_two_processes_agree(two_processes: list[dict[str, Any]]) -> None:
    for found in two_processes:
        assert found["sum"].tolist() == [3, 30]
        assert found["mean"].tolist() == [1.0]
        assert found["largest"] == [1, 0]
        assert found["share"] == "häuser"
        assert found["nothing"] == ["", "", ""]
        assert found["texts"] == ["", "häuser"]
        assert found["gather"].tolist() == [[1, 1]] * 3  # the main process has no row at all
        assert found["main_first"]


def test_torchrun_with_one_process_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(LAUNCHER, ("0", "1", "0", "127.0.0.1", "1"), strict=True):
        monkeypatch.setenv(name, value)
    assert start("cpu") == cpu()
    assert not torch.distributed.is_initialized()


def test_an_incomplete_launch_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="not RANK, LOCAL_RANK, MASTER_ADDR, MASTER_PORT; start with torchrun"):
        start("cpu")
    for name in LAUNCHER:
        monkeypatch.setenv(name, "x")
    with pytest.raises(InputError, match="must be whole numbers"):
        start("cpu")


def test_unknown_devices_are_refused() -> None:
    for name in ("gpu", "cpu:0", "cuda:a"):
        with pytest.raises(InputError, match=f"device '{name}' is unknown; use auto, cpu or cuda"):
            start(name)


def test_cuda_without_cuda_is_refused_and_auto_takes_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no usable CUDA device; use device cpu or auto"):
        start("cuda")
    assert start("auto") == cpu()


def test_more_processes_than_cuda_devices_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for name, value in zip(LAUNCHER, ("2", "3", "2", "127.0.0.1", "1"), strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="CUDA device 2 is asked for, but there are 2"):
        start("cuda")
    with pytest.raises(InputError, match="cuda:1 would serve all 3 processes"):
        start("cuda:1")
