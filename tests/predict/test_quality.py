"""What is told of examples that are not found again."""

from pathlib import Path

from sccan.predict.quality import told_weak
from sccan.report.quality_page import SupportOutcome


def _outcome(name: str, iou: float) -> SupportOutcome:
    return SupportOutcome(name, "dog", iou, Path(f"{name}.jpg"), "predicted from the other; shown is the worst")


def test_a_doubtful_example_is_told_and_the_model_doubted_only_where_all_are() -> None:
    good, bad, worse = _outcome("good", 0.9), _outcome("bad", 0.1), _outcome("worse", 0.0)
    assert told_weak([good]) == told_weak([]) == []
    (line,) = told_weak([good, bad])
    assert line == "doubtful example: bad (dog), IoU 10 %, predicted from the other; check its mask"
    lines = told_weak([bad, worse])
    assert len(lines) == 3
    assert "this model is not up to such pictures" in lines[-1]
