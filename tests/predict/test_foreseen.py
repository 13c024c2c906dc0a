"""What is told before any picture is segmented: masks too small or too large, and memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sccan.builders.released.trained import load_trained
from sccan.errors import InputError
from sccan.pictures.photos import Photo
from sccan.predict import foreseen
from sccan.predict.foreseen import told_masks, told_memory
from sccan.predict.segmenter import Segmenter
from sccan.predict.supports import Supports
from tests.predict.made_up import disc, save

GB = 1 << 30


@pytest.fixture(scope="module")
def segmenter(segmenter_path: Path) -> Segmenter:
    return Segmenter(load_trained(segmenter_path, []), device="cpu", batch=8)


@pytest.mark.parametrize(
    ("marked", "line"),
    [
        (np.s_[:, :], "marked all over, so that it shows no background: 1 (example 0 (mug))"),
        (
            np.s_[20:22, 30:32],
            "smaller than the network sees (a cell of its features); raise --size, or cut the picture",
        ),
        (np.s_[10:40, 10:60], ""),
    ],
)
def test_masks_that_show_too_much_or_too_little_are_told(segmenter: Segmenter, marked: tuple, line: str) -> None:
    mask = np.zeros((60, 80), bool)
    mask[marked] = True
    told = told_masks(segmenter, Supports.from_arrays([disc(60, 80)[0]], [mask], classes="mug"))
    assert told == ([] if not line else told)
    assert bool(told) == bool(line)
    assert all(one.startswith(line) for one in told)


def test_ignored_pixels_are_no_background(segmenter: Segmenter) -> None:
    mask = np.ones((60, 80), np.uint8)
    mask[:30] = 255
    told = told_masks(segmenter, Supports.from_arrays([disc(60, 80)[0]], [mask]))
    assert told == ["marked all over, so that it shows no background: 1 (example 0 (object))"]


def _wide(folder: Path, height: int, width: int, n: int = 1) -> list[Photo]:
    """Photos that declare a size; nothing decodes them here."""
    pixels = np.zeros((height, width), np.uint8)
    return [Photo(f"{number}.png", save(folder / f"{number}.png", pixels)) for number in range(n)]


def test_little_needs_no_line(segmenter: Segmenter, tmp_path: Path) -> None:
    assert told_memory(segmenter, _wide(tmp_path, 100, 200, 3), 5) == []
    assert told_memory(segmenter, [Photo("x.png", tmp_path / "missing.png")], 5) == []


def test_large_pictures_are_told_with_their_name_and_need(segmenter: Segmenter, tmp_path: Path) -> None:
    (photo,) = _wide(tmp_path, 4000, 6000)  # 24 megapixels
    few, many = (told_memory(segmenter, [photo] * 8, n)[0] for n in (2, 50))
    assert few.endswith("pictures as large as 0.png (24 megapixels); a smaller --batch needs less")
    assert "the maps of 50 classes are made one after the other" in many
    assert float(few.split()[1]) < 2 * float(many.split()[1])  # not 25 times as much
    alone = told_memory(segmenter, [photo], 2)  # a batch is no larger than what there is
    assert not alone or float(alone[0].split()[1]) < float(few.split()[1])


def test_what_the_machine_does_not_have_is_refused(
    segmenter: Segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photo,) = _wide(tmp_path, 4000, 6000)
    monkeypatch.setattr(foreseen, "machine_bytes", lambda device: GB // 2)
    with pytest.raises(InputError, match=r"0\.png \(24 megapixels\).* take about .* GB, but cpu has 0\.5 GB"):
        told_memory(segmenter, [photo] * 8, 2)
    monkeypatch.setattr(foreseen, "machine_bytes", lambda device: GB >> 11)
    with pytest.raises(InputError, match=r"8 pictures of 65x65 at once take about .*; use a smaller --batch or --size"):
        told_memory(segmenter, [photo] * 8, 2)
