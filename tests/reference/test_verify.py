"""Cases one after another: counts, deviations in units of the tolerance, lower precisions, refusals."""

from pathlib import Path

import pytest
import torch

from sccan.commands import verify_reference
from sccan.errors import InputError
from sccan.reference.cases import compare
from sccan.reference.systems import SYSTEMS
from sccan.reference.verify import verify

CASES = Path(__file__).parent / "cases"
QUICK = CASES / "can" / "transductive_1shot.json"


@pytest.mark.parametrize(
    ("got", "want", "tolerance", "ratio"),
    [
        ([1.0, 2.5], [1.0, 2.0], {"atol": 0.25}, 2.0),
        ([1.0, 2.5], [1.0, 2.0], {"atol": 0.5, "rtol": 0.25}, 0.5),
        ([1.0, 2.5], [1.0, 0.0], {"rtol": 0.25}, None),  # nothing is tolerated where zero is recorded
        ([1.0, 2.0], [1.0, 2.0], {"exact": True}, None),
        ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 5.0], {"max_mismatch_share": 0.5}, 0.5),
        ([1.0, float("nan")], [1.0, 2.0], {"atol": 0.25}, float("inf")),
    ],
)
def test_a_deviation_is_told_in_units_of_the_tolerance(
    got: list[float], want: list[float], tolerance: dict[str, float], ratio: float | None
) -> None:
    assert compare("logits", got, want, tolerance, None).ratio == ratio


def test_cases_are_counted_and_a_lower_precision_is_further_off() -> None:
    exact = verify([QUICK], SYSTEMS)
    assert exact.ok
    assert exact.systems["can"].cases == exact.systems["can"].cases_ok == 1
    assert 0 < exact.systems["can"].worst[0] <= 1
    lower = verify([QUICK], SYSTEMS, precision="bf16")
    assert lower.systems["can"].worst[0] > 1
    assert not lower.ok
    assert lower.systems["can"].lines == exact.systems["can"].lines


def test_the_command_prints_how_much_larger_tolerances_would_have_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert verify_reference.main([str(QUICK), "--quiet"]) == 0
    assert capsys.readouterr().out.strip() == "can: 1 of 1 cases, 5 of 5 outputs within tolerance"
    assert verify_reference.main([str(QUICK), "--quiet", "--precision", "bf16"]) == 0
    assert "times the tolerance (transductive_1shot" in capsys.readouterr().out


def test_what_cannot_be_done_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no reference case was found"):
        verify([tmp_path], SYSTEMS)
    with pytest.raises(InputError, match="TF32 is a precision of CUDA devices"):
        verify([QUICK], SYSTEMS, precision="tf32")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="no CUDA device here"):
            verify([QUICK], SYSTEMS, device="cuda")
