"""The quality report of a segmented folder: which examples and which pictures somebody should look at first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sccan.files.journal import Record
from sccan.pictures.photos import Photo
from sccan.predict.segment_folder import SegmentedFolder
from sccan.predict.segmenter import Segmenter
from sccan.predict.supports import Supports
from sccan.report.pictures import errors
from sccan.report.quality_page import WEAK_SUPPORT, PictureOutcome, SupportOutcome, write_quality_page
from sccan.segmentation.finding.self_consistency import support_consistency

REPORT = "report.html"


def support_outcomes(segmenter: Segmenter, supports: Supports) -> list[SupportOutcome]:
    """How well every example agrees with the others, or with altered copies of itself.

    Raises InputError: the supports are unfit for segmentation.
    """
    return [
        SupportOutcome(one.name, one.class_name, one.iou, errors(one.image, one.prediction, one.truth), one.how)
        for one in support_consistency(segmenter.task, supports.shots(), supports.class_names)
    ]


def told_weak(outcomes: Sequence[SupportOutcome]) -> list[str]:
    """A line for every example that is doubtful, and one more where all are."""
    weak = [one for one in outcomes if one.iou < WEAK_SUPPORT]
    lines = [
        f"doubtful example: {one.name} ({one.class_name}), IoU {100 * one.iou:.0f} %, "
        f"{one.how.partition(';')[0]}; check its mask"
        for one in weak
    ]
    if weak and len(weak) == len(outcomes):
        lines.append(
            "no example is found again: if the masks are right, this model is not up to such pictures; "
            "take one that was trained on more, or on pictures like yours"
        )
    return lines


def write_report(folder: SegmentedFolder, photos: Sequence[Photo], supports: Sequence[SupportOutcome]) -> Path:
    """Write ``report.html`` of all finished pictures.

    Args:
        folder: with overlays.
        photos: those to report, in any order.
        supports: of `support_outcomes`.

    Raises InputError: it cannot be written, or an overlay is gone.
    """
    facts = {**folder.segmenter.facts, "examples": repr(folder.supports), "supports": folder.supports.fingerprint}
    outcomes = (_outcome(folder, name, record) for name, record in folder.records(photos))
    title = ", ".join(folder.class_names)
    return write_quality_page(folder.made.claim(REPORT), outcomes, supports, title=title, facts=facts)


def _outcome(folder: SegmentedFolder, name: str, record: Record) -> PictureOutcome:
    shares = {label: region["share"] for label, region in record["regions"].items()}
    overlay = folder.overlay_path(folder.out / record["mask"])
    return PictureOutcome(name, overlay, record["confidence"], sum(shares.values()), record["absent"], shares)
