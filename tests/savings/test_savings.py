"""Every saving at toy size: both forms agree, the table has every line, and a wrong number is found."""

import dataclasses
from functools import partial

import pytest
import torch

from sccan.benchmark.timing import Measured
from tests.savings.__main__ import main
from tests.savings.measure import Saving, compare, measure, spread
from tests.savings.memory import allocated_peak
from tests.savings.rows import SAVINGS, chosen, row_of_its_own


def test_the_command_compares_and_times_every_saving(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--small", "--repeats", "1"]) == 0
    printed = capsys.readouterr()
    lines = [line for line in printed.out.splitlines() if line.startswith("| ")]
    assert len(lines) == 2 + len(SAVINGS)
    for name, line in zip(SAVINGS, lines[2:], strict=True):
        saving = SAVINGS[name](True)
        what, before, after, ratio, peak, difference = (cell.strip() for cell in line.strip("|").split("|"))
        assert what == saving.what
        assert difference == "none" or float(difference) <= saving.tolerance
        assert ("→" in peak) == saving.memory
        assert (before == after == ratio == "–") if not saving.timed else float(before) > 0 and float(after) > 0
        assert f"{name}: " in printed.err


@pytest.mark.slow
def test_at_full_size_a_saving_has_a_process_of_its_own() -> None:
    found = row_of_its_own("can-test", True, 1)
    assert found.what == SAVINGS["can-test"](True).what
    assert found.ratio is not None
    assert found.ratio[0] == found.ratio[1] == found.ratio[2] > 0


@pytest.mark.parametrize("name", SAVINGS)
def test_an_output_that_is_wrong_by_a_few_percent_is_found(name: str) -> None:
    saving = SAVINGS[name](True)
    assert 0 <= saving.tolerance < 0.03
    for number in range(len(saving.after())):
        wrong = dataclasses.replace(saving, after=partial(_spoilt, saving, number), memory=False, timed=False)
        with pytest.raises(AssertionError, match=f"output {number + 1} differs by"):
            measure(wrong, repeats=1)


def _spoilt(saving: Saving, number: int) -> list[torch.Tensor]:
    outputs = [output.clone() for output in saving.after()]
    outputs[number] *= 1.03
    return outputs


def test_differences_are_shares_of_lengths() -> None:
    one, other = torch.tensor([3.0, 4.0]), torch.tensor([3.0, 4.5])
    assert compare([one, one], [one, other], 0.11) == pytest.approx(0.1)
    assert compare([torch.zeros(2)], [torch.zeros(2)], 0.0) == 0
    for wanted, found, line in (
        ([one], [other], "differs by 1.0e-01, not by 9e-02 at most"),
        ([one], [one * torch.nan], "differs by nan"),
        ([one], [one[None]], r"is \(2,\) before, \(1, 2\) after"),
        ([one], [one, one], "1 outputs before, 2 after"),
        ([torch.zeros(2)], [one], "differs by"),
    ):
        with pytest.raises(AssertionError, match=line):
            compare(wanted, found, 0.09)


def test_ratios_are_those_of_rounds_and_seconds_those_of_one_call() -> None:
    times = {
        "before": Measured(processor=[8.0, 9.0, 40.0], units=[2] * 3),
        "after": Measured(processor=[2.0, 3.0, 8.0], units=[2] * 3),
    }
    assert spread(times) == ((4.5, 1.5), (4.0, 3.0, 5.0))


def test_the_peak_is_of_what_is_held_at_one_time() -> None:
    def work() -> torch.Tensor:
        for _ in range(3):
            torch.zeros(2**20)  # 4 MiB, given back at once
        return torch.zeros(2**18)

    peak, result = allocated_peak(work)
    assert 4 * 2**20 <= peak < 5 * 2**20
    assert result.shape == (2**18,)


def test_savings_are_chosen_by_the_beginnings_of_their_names() -> None:
    assert chosen([]) == list(SAVINGS)
    assert chosen(["dmf", "bam-p"]) == ["bam-prior", "dmf-test", "dmf-training", "dmf-memory"]


@pytest.mark.parametrize(
    ("line", "found"), [(["no"], "no saving's name begins with 'no'"), (["--repeats", "0"], "--repeats is 0")]
)
def test_what_is_unknown_is_refused(line: list[str], found: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(line)
    assert stop.value.code == 2
    assert found in capsys.readouterr().err
