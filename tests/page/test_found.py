"""What was found, as it is kept."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sccan.page.found import LARGEST, Facts, Kept, coded, decoded, read_facts, read_kept, write_kept
from sccan.predict.segmenter import Segmenter

FACTS = Facts(3, (2, 5), 0.75, (5,), (0.2, 0.0), (10, 20))


def test_margins_are_kept_to_a_thirty_second() -> None:
    margins = torch.linspace(-7.9, 7.9, 2 * 6 * 9).view(2, 6, 9)
    again = decoded(coded(margins))[:, 0]
    assert (again - margins).abs().max() <= 1 / 32 + 1e-6
    assert decoded(coded(torch.full((1, 2, 2), 99.0))).max() < 8
    assert coded(torch.zeros(1, 700, 1400)).shape == (1, LARGEST // 2, LARGEST)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    margins = np.random.default_rng(0).integers(1, 256, (2, 6, 9), dtype=np.uint8)
    path = tmp_path / "found" / "a.jpg.png"
    write_kept(path, Kept(FACTS, margins))
    kept = read_kept(path)
    assert kept is not None
    assert kept.facts == FACTS == read_facts(path)
    assert not kept.facts.nothing
    np.testing.assert_array_equal(kept.margins, margins)


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_what_cannot_be_read_was_not_found(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    assert read_facts(path) is None
    assert read_kept(path) is None


def test_labels_are_class_numbers_by_the_threshold(segmenter: Segmenter) -> None:
    margins = torch.full((2, 4, 6), -3.0)
    margins[0, :, :3] = 1.0  # probability 0.73
    margins[1, 2:, :] = 0.25  # 0.56
    kept = Kept(FACTS, coded(margins))
    np.testing.assert_array_equal(
        kept.labels(segmenter.task, (4, 6), 0.5), [[2, 2, 2, 0, 0, 0]] * 2 + [[2, 2, 2, 5, 5, 5]] * 2
    )
    np.testing.assert_array_equal(kept.labels(segmenter.task, (4, 6), 0.6), [[2, 2, 2, 0, 0, 0]] * 4)
    assert kept.small_labels(segmenter.task, (8, 12), 0.5).shape == (8, 12)
    assert kept.labels(segmenter.task, (40, 60), 0.5).shape == (40, 60)
