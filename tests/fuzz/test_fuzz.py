"""Whatever a file holds, a command answers: with its work, or with one line; never with a traceback, never for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.campaign import campaign, zygote
from tests.fuzz.material import all_cases

SHARE, WHOLE = (0, 3, 150), (1000, 100, 600)
"""First seed, tries of every format, and seconds of the clock after which no other begins, the making of the material
not counted."""


@pytest.mark.parametrize(
    ("first", "tries", "seconds"),
    [pytest.param(*SHARE, marks=pytest.mark.slow), pytest.param(*WHOLE, marks=pytest.mark.fuzz)],
    ids=["share", "whole"],
)
def test_every_format_answers_whatever_its_files_hold(first: int, tries: int, seconds: float, tmp_path: Path) -> None:
    with zygote() as runner:
        cases = all_cases(tmp_path / "material")
        faults, made = campaign(cases, runner, tmp_path, first=first, tries=tries, seconds=seconds)
    assert not faults, "\n".join(map(str, faults))
    assert made >= len(cases)
