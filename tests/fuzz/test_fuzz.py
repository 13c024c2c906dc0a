"""Whatever a file holds, a command answers: with its work, or with one line; never with a traceback, never for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.campaign import campaign, zygote
from tests.fuzz.material import all_cases

SECONDS = 150
"""Of the tries, the making of the material not counted."""


@pytest.mark.fuzz
def test_every_format_answers_whatever_its_files_hold(tmp_path: Path) -> None:
    with zygote() as runner:
        cases = all_cases(tmp_path / "material")
        faults, made = campaign(cases, runner, tmp_path, tries=40, seconds=SECONDS)
    told = "\n".join(
        f"{fault.name}, seed {fault.seed}, {fault.mutation}: {fault.why}\n{fault.said}" for fault in faults
    )
    assert not faults, told
    assert made >= len(cases)
