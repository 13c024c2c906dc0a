"""Pictures in order from worker processes, and their errors."""

import gc
import multiprocessing
import os
import signal
import time

import pytest
import torch
from torch._utils import ExceptionWrapper

from sccan.engine.loading import load_in_order, own_error_lines
from sccan.errors import InputError
from tests.engine.toy import ToySource, toy_picture


@pytest.mark.parametrize("workers", [0, 2])
def test_pictures_come_in_the_order_asked_for(workers: int) -> None:
    numbers = [5, 2, 2, 7, 1]
    before = torch.get_rng_state()
    pictures = list(load_in_order(toy_picture, numbers, workers))
    assert torch.equal(torch.get_rng_state(), before)
    assert [picture.number for picture in pictures] == numbers
    for picture in pictures:
        assert torch.equal(picture.image, toy_picture(picture.number).image)
        assert not picture.image.is_shared()


@pytest.mark.parametrize("workers", [0, 2])
def test_an_unreadable_picture_is_one_line(workers: int) -> None:
    pictures = load_in_order(ToySource(1, broken=4).load, [1, 4, 2], workers)
    assert next(pictures).number == 1
    with pytest.raises(InputError) as error:
        list(pictures)
    assert str(error.value) == "picture 4 is unreadable; fetch it again"


def deadly(number: int) -> torch.Tensor:
    """A picture whose loading the system ends, as it does for want of memory."""
    if number == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return torch.zeros(1)


def test_a_worker_that_is_killed_is_one_line() -> None:
    with pytest.raises(InputError, match=r"a loader process ended before its time \(out of memory\?\)"):
        list(load_in_order(deadly, [1, 4, 2], 1))


def test_workers_end_at_once_after_an_error_and_when_nobody_asks_on() -> None:
    began = time.monotonic()
    with pytest.raises(InputError):
        list(load_in_order(ToySource(1, broken=4).load, [1, 4, 2], 2))
    pictures = load_in_order(toy_picture, range(20), 2)
    next(pictures)
    pictures.close()
    gc.collect()
    assert multiprocessing.active_children() == []
    assert time.monotonic() - began < 8


def test_an_error_from_a_loader_of_others_is_one_line() -> None:
    try:
        raise InputError("picture 1 is unreadable")
    except InputError:
        wrapped = ExceptionWrapper(where="in DataLoader worker process 0")  # what torch's loader sends home
    with pytest.raises(InputError, match="Original Traceback"):
        wrapped.reraise()
    with pytest.raises(InputError) as error, own_error_lines():
        wrapped.reraise()
    assert str(error.value) == "picture 1 is unreadable"


def test_a_plain_error_stays_the_same() -> None:
    error = InputError("a line")
    with pytest.raises(InputError) as found, own_error_lines():
        raise error
    assert found.value is error
