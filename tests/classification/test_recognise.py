"""One's own pictures: unequal shots, the threshold, and what is written."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sccan.classification.data.transforms import FixedTransform
from sccan.classification.recognise import NONE, recognise, write_recognised
from sccan.episodes.episode import Features
from sccan.errors import InputError
from sccan.method import Method
from tests.classification.made_up import small_can, small_spatialformer

FIXED, CPU = FixedTransform((20, 40)), torch.device("cpu")


def _save(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (24, 30 + seed, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for seed, name in enumerate(["cat/1.png", "cat/2.jpg", "cat/3.png", "dog/1.png", "cow/1.png", "cow/2.png"]):
        _save(tmp_path / "support" / name, seed)
    for seed in range(5):
        _save(tmp_path / "photos" / f"{seed}.png", seed)  # the first pictures again, under another name
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    return tmp_path / "support", tmp_path / "photos"


def _by_hand(method: Method, support: Path, photos: Path) -> torch.Tensor:
    def read(path: Path) -> torch.Tensor:
        return FIXED(np.asarray(Image.open(path).convert("RGB")))

    examples = [read(path) for name in ("cat", "cow", "dog") for path in sorted((support / name).iterdir())]
    queries = [read(path) for path in sorted(photos.glob("*.png"))]
    maps = method.encode(torch.stack([*examples, *queries])).maps["layer4"]
    state = method.condition(Features({"layer4": maps[None, :6]}, (20, 40)), torch.tensor([[0, 0, 0, 1, 1, 2]]))
    return method.predict(Features({"layer4": maps[None, 6:]}, (20, 40)), state)[0].softmax(-1)


def test_a_method_that_fine_tunes_on_the_examples_needs_nothing_else(folders: tuple[Path, Path]) -> None:
    method = small_spatialformer().eval()
    found = recognise(method, FIXED, *folders, device=CPU)
    with torch.no_grad():
        want = _by_hand(method, *folders)
    torch.testing.assert_close(torch.tensor([one.probabilities for one in found.pictures]), want, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("transductive", [False, True])
def test_probabilities_are_those_of_one_episode_with_unequal_shots(
    folders: tuple[Path, Path], transductive: bool
) -> None:
    method = small_can(transductive=transductive).eval()
    found = recognise(method, FIXED, *folders, device=CPU, all_at_once=transductive)
    assert found.class_names == ("cat", "cow", "dog")
    assert [one.path.name for one in found.pictures] == [f"{number}.png" for number in range(5)]
    with torch.no_grad():
        want = _by_hand(method, *folders)
    torch.testing.assert_close(torch.tensor([one.probabilities for one in found.pictures]), want, atol=1e-5, rtol=1e-4)
    assert [one.label for one in found.pictures] == [found.class_names[n] for n in want.argmax(-1)]


def test_a_picture_below_the_threshold_is_none_of_these(folders: tuple[Path, Path]) -> None:
    method = small_can().eval()
    best = sorted(max(one.probabilities) for one in recognise(method, FIXED, *folders, device=CPU).pictures)
    found = recognise(method, FIXED, *folders, device=CPU, none_below=(best[1] + best[2]) / 2)
    assert sum(one.label == NONE for one in found.pictures) == 2
    with pytest.raises(InputError, match=r"must lie in \[0, 1\)"):
        recognise(method, FIXED, *folders, device=CPU, none_below=1.0)


def test_tables_contact_sheet_and_sorted_copies_are_written(folders: tuple[Path, Path], tmp_path: Path) -> None:
    found = recognise(small_can().eval(), FIXED, *folders, device=CPU)
    write_recognised(tmp_path / "out", found, copies=True)
    rows = list(csv.DictReader((tmp_path / "out" / "recognised.csv").open()))
    assert [row["picture"] for row in rows] == [f"{number}.png" for number in range(5)]
    for row, one in zip(rows, found.pictures, strict=True):
        assert row["class"] == one.label
        assert sum(float(row[name]) for name in found.class_names) == pytest.approx(1, abs=1e-5)
        copy = tmp_path / "out" / "sorted" / one.label / one.path.name
        assert copy.read_bytes() == one.path.read_bytes()
    records = json.loads((tmp_path / "out" / "recognised.json").read_text())
    assert records[0]["probabilities"]["dog"] == pytest.approx(found.pictures[0].probabilities[2])
    page = (tmp_path / "out" / "recognised.html").read_text()
    assert page.count("<img") == 5
    assert "http" not in page.split("<body>")[1]


def test_folders_that_cannot_serve_are_one_clear_line(folders: tuple[Path, Path], tmp_path: Path) -> None:
    support, photos = folders
    method = small_can().eval()
    with pytest.raises(InputError, match="there is no folder .*; give one with a sub-folder of examples per class"):
        recognise(method, FIXED, tmp_path / "none", photos, device=CPU)
    with pytest.raises(InputError, match="dog holds no picture; expected files"):
        recognise(method, FIXED, support, _empty(tmp_path / "dog"), device=CPU)
    _save(tmp_path / "one" / "cat" / "1.png", 0)
    with pytest.raises(InputError, match="has examples of 'cat' alone; give at least two classes"):
        recognise(method, FIXED, tmp_path / "one", photos, device=CPU)
    (photos / "z.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"z\.png is no picture of a known format"):
        recognise(method, FIXED, support, photos, device=CPU)


def _empty(folder: Path) -> Path:
    folder.mkdir()
    return folder
