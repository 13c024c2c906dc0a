"""The index counts what is in the labels, is cached by what the files are, and names what is wrong."""

import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sccan.episodes.index import ClassIndex
from sccan.errors import InputError
from sccan.segmentation.data.sets import scan
from sccan.segmentation.data.sets.lists import Pairs, read_list
from sccan.segmentation.data.sets.scan import build_index
from tests.segmentation.conftest import CLASSES


@pytest.fixture
def root(tiny_root: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(tiny_root, tmp_path / "data"))


@pytest.fixture
def pairs(root: Path) -> Pairs:
    return read_list(root / "val.txt", root)


def index(root: Path, pairs: Pairs, cache: Path, workers: int | None = None) -> ClassIndex:
    return build_index(root, pairs, CLASSES, cache=cache, workers=workers, progress=False)


def refusal(root: Path, pairs: Pairs) -> str:
    with pytest.raises(InputError) as caught:
        index(root, pairs, root.parent / "cache")
    assert "\n" not in str(caught.value)
    assert not (root.parent / "cache").exists()  # nothing half-made is kept
    return str(caught.value).replace(f"{root}/", "")


def test_counts_are_those_of_the_label_images(root: Path, pairs: Pairs, tmp_path: Path) -> None:
    made = index(root, pairs, tmp_path / "cache")
    assert len(made) == len(pairs) == 10
    assert made.n_classes == 8
    for number, (_, label) in enumerate(pairs):
        values = np.asarray(Image.open(root / label))
        assert made.counts[number].tolist() == [(values == c).sum() for c in range(9)]
        assert made.ignored[number] == (values == 255).sum()
        assert made.sizes[number].tolist() == list(values.shape)
    assert made.ignored.any()
    assert (made.counts.sum(1) + made.ignored == made.sizes.prod(1)).all()


def test_processes_count_the_same_in_the_same_order(
    root: Path, pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = index(root, pairs, tmp_path / "one", workers=1)
    monkeypatch.setattr(scan, "MANY", 1)
    together = index(root, pairs, tmp_path / "two", workers=2)
    assert together.content_hash == alone.content_hash
    Image.fromarray(np.full((5, 5), 9, np.uint8)).save(root / pairs[3][1])
    with pytest.raises(InputError, match=r"label .* is 5x5 \(height x width\), but its image"):
        index(root, pairs, tmp_path / "two", workers=2)


def test_cached_index_is_read_until_a_file_changes(root: Path, pairs: Pairs, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = index(root, pairs, cache)
    (file,) = cache.iterdir()
    written = file.stat().st_mtime_ns
    again = index(root, pairs, cache)
    assert (again.fingerprint, again.content_hash) == (first.fingerprint, first.content_hash)
    assert file.stat().st_mtime_ns == written
    path = root / pairs[4][1]
    values = np.asarray(Image.open(path)).copy()
    values[:40] = 8
    Image.fromarray(values).save(path)
    changed = index(root, pairs, cache)
    assert changed.counts[4, 8] == (values == 8).sum()
    assert changed.fingerprint != first.fingerprint
    assert list(cache.iterdir()) == [file]  # the stale one is replaced
    index(root, pairs[:7], cache)
    assert len(list(cache.iterdir())) == 2  # another list has its own


def test_touched_files_are_read_again_but_content_is_the_same(root: Path, pairs: Pairs, tmp_path: Path) -> None:
    first = index(root, pairs, tmp_path / "cache")
    os.utime(root / pairs[0][0], ns=(0, 0))
    second = index(root, pairs, tmp_path / "cache")
    assert second.fingerprint != first.fingerprint
    assert second.content_hash == first.content_hash


def test_damaged_cache_is_made_again(
    root: Path, pairs: Pairs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    first = index(root, pairs, cache)
    (file,) = cache.iterdir()
    for content in (file.read_bytes()[:400], b"", b"nothing"):
        file.write_bytes(content)
        with caplog.at_level(logging.WARNING):
            assert index(root, pairs, cache).content_hash == first.content_hash
    assert [record.message for record in caplog.records] == [f"cached index {file} is damaged and is made again"] * 3


def test_a_cache_folder_that_cannot_be_written_only_costs_time(
    root: Path, pairs: Pairs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        assert len(index(root, pairs, tmp_path / "file" / "cache")) == 10
    assert "the index is not cached and will be made again next time" in caplog.text


def test_default_cache_folder_is_that_of_the_environment(
    root: Path, pairs: Pairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCCAN_CACHE", str(tmp_path / "elsewhere"))
    build_index(root, pairs, CLASSES, progress=False)
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1


def test_read_only_data_is_enough(root: Path, pairs: Pairs, tmp_path: Path) -> None:
    before = sorted(path for path in root.rglob("*"))
    index(root, pairs, tmp_path / "cache")
    assert sorted(path for path in root.rglob("*")) == before


def test_label_of_another_size_is_refused(root: Path, pairs: Pairs) -> None:
    image, label = pairs[2]
    values = np.asarray(Image.open(root / label))
    Image.fromarray(values[:-3, :-5]).save(root / label)
    height, width = values.shape
    assert refusal(root, pairs) == (
        f"label {label} is {height - 3}x{width - 5} (height x width), but its image {image} is {height}x{width}; "
        "they must be equal"
    )


def test_label_value_outside_the_classes_is_refused(root: Path, pairs: Pairs) -> None:
    label = pairs[5][1]
    values = np.asarray(Image.open(root / label)).copy()
    values[7, 9] = 9
    Image.fromarray(values).save(root / label)
    assert refusal(root, pairs) == (
        f"label {label} holds the value 9, but the data set has classes 1..8 (0 is background, 255 is ignored); "
        "check the data set's name or the label image"
    )


def test_truncated_label_is_refused(root: Path, pairs: Pairs) -> None:
    path = root / pairs[0][1]
    path.write_bytes(path.read_bytes()[:60])
    assert refusal(root, pairs).startswith(f"label {pairs[0][1]} cannot be decoded: ")


def test_truncated_image_is_refused(root: Path, pairs: Pairs) -> None:
    path = root / pairs[6][0]
    path.write_bytes(path.read_bytes()[:-500])
    message = refusal(root, pairs)
    assert message.startswith(f"image {pairs[6][0]} cannot be decoded: ")
    assert message.endswith("; replace the file")


def test_unreadable_image_is_refused(root: Path, pairs: Pairs) -> None:
    (root / pairs[0][0]).write_bytes(b"no picture")
    assert refusal(root, pairs) == (
        f"image {pairs[0][0]} cannot be read: it is no picture of a known format; replace the file"
    )


def test_missing_files_are_refused(root: Path, pairs: Pairs) -> None:
    (root / pairs[1][1]).unlink()
    assert refusal(root, pairs) == f"label {pairs[1][1]} does not exist; check the folder, or the list that names it"
    (root / pairs[1][0]).unlink()
    assert refusal(root, pairs) == f"image {pairs[1][0]} does not exist; check the folder, or the list that names it"


def test_missing_root_and_empty_list_are_refused(root: Path, pairs: Pairs) -> None:
    with pytest.raises(InputError, match=r"data root .*gone does not exist; set DATA.ROOT"):
        build_index(root / "gone", pairs, CLASSES)
    with pytest.raises(InputError, match=r"no pictures are listed for"):
        build_index(root, [], CLASSES)
