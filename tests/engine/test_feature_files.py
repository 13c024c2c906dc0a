"""Features on a disk: what was written is read, bit by bit and in its layout; damage is one line."""

from pathlib import Path

import pytest
import torch

from sccan.engine.feature_files import FeatureFiles
from sccan.episodes.episode import Features
from sccan.errors import InputError


def files(folder: Path, budget: int = 1 << 20) -> FeatureFiles:
    return FeatureFiles(folder / "features", lambda number, support: f"{number:08x}{support:d}", budget_bytes=budget)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_features_return_as_they_were(tmp_path: Path, layout: torch.memory_format) -> None:
    maps = {"layer2": torch.randn(1, 4, 6, 5), "layer4": torch.randn(1, 8, 3, 2)}
    maps = {name: value.contiguous(memory_format=layout) for name, value in maps.items()}
    files(tmp_path).write(7, Features(maps, (48, 40)))
    found = files(tmp_path).read(7)
    assert found is not None
    assert found.image_size == (48, 40)
    for name, value in maps.items():
        assert torch.equal(found.maps[name], value)
        assert found.maps[name].stride() == value.stride()
    assert files(tmp_path).read(8) is None


def test_every_map_keeps_its_own_layout(tmp_path: Path) -> None:
    last = torch.randn(1, 4, 6, 5).contiguous(memory_format=torch.channels_last)
    files(tmp_path).write(7, Features({"last": last, "first": torch.randn(1, 4, 6, 5)}, (48, 40)))
    found = files(tmp_path).read(7)
    assert found is not None
    assert found.maps["last"].stride() == last.stride()
    assert found.maps["first"].is_contiguous()


def test_the_folder_keeps_its_budget_over_several_runs(tmp_path: Path) -> None:
    features = Features({"map": torch.zeros(1, 4, 16, 16)}, (32, 32))  # 4096 bytes
    first = files(tmp_path, 10_000)
    for number in range(5):
        first.write(number, features)
    assert [first.read(number) is not None for number in range(3)] == [True, True, False]
    files(tmp_path, 10_000).write(4, features)
    assert files(tmp_path).read(4) is None


def test_the_same_features_are_the_same_bytes_in_every_run(tmp_path: Path) -> None:
    maps = {name: torch.ones(1, 4, 3, 2).contiguous(memory_format=torch.channels_last) for name in ("c", "a", "b")}
    stores = [files(tmp_path / str(run)) for run in range(20)]
    for run, store in enumerate(stores):
        ordered = maps if run % 2 else dict(sorted(maps.items()))
        store.write(7, Features(ordered, (48, 40)))
    assert len({store.path(7).read_bytes() for store in stores}) == 1


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    store = files(tmp_path)
    store.folder.mkdir()
    store.path(3).write_bytes(b"no tensors")
    with pytest.raises(InputError, match="holds no features .* delete it"):
        store.read(3)
