"""Published files become safetensors that compute the same, bit by bit, and say where they come from."""

import hashlib
from pathlib import Path

import pytest
import safetensors.torch
import torch

from sccan.builders.released.checkpoint import read_released
from sccan.commands.convert_checkpoint import main
from sccan.commands.fixed_input_check import fixed_input_check
from sccan.engine.checkpoint import read_header
from sccan.errors import InputError
from tests.published_files import SYSTEMS, save_published, small_model


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_converted_file_computes_what_the_published_one_does(
    tmp_path: Path, system: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = small_model(system)
    source = save_published(tmp_path / "published.pth", system, model)
    assert main([str(source), "--out", str(tmp_path / "out"), "--prove"]) == 0
    assert "the same in every bit" in capsys.readouterr().out
    converted = read_released(tmp_path / "out" / "published.safetensors")
    assert converted.system == system
    assert converted.inferred == {}
    built = converted.build()
    assert fixed_input_check(converted, built).same(fixed_input_check(converted, model))
    name, parameter = next(iter(built.named_parameters()))
    with torch.no_grad():
        parameter.flatten()[0] += 1.0
    assert not fixed_input_check(converted, built).same(fixed_input_check(converted, model)), name


def test_the_header_says_where_it_comes_from(tmp_path: Path) -> None:
    folder = tmp_path / "pascal" / "SCCAN" / "split1" / "resnet50" / "snapshot"
    folder.mkdir(parents=True)
    source = save_published(folder / "train5_epoch_150_0.7425.pth", "sccan", small_model("sccan"))
    assert main([str(source)]) == 0
    header = read_header(folder / "train5_epoch_150_0.7425.safetensors")
    expected = {"method": "sccan", "backbone": "small", "data": "pascal", "fold": 1, "shots": 5, "score": 0.7425}
    assert {key: header[key] for key in expected} == expected
    assert "test fold" in header["selection"]
    assert header["settings"]["METHOD"]["SCCAN"]["DEPTH"] == 3
    assert "METHOD.SCCAN.GRID" in header["note"]
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert header["source"] == {"file": source.name, "sha256": digest, "bytes": source.stat().st_size}


def test_nothing_is_overwritten_and_nothing_half_written(tmp_path: Path) -> None:
    source = save_published(tmp_path / "a.pth", "can", small_model("can"))
    assert main([str(source)]) == 0
    with pytest.raises(InputError, match=r"a\.safetensors is already there; give --overwrite"):
        main([str(source)])
    assert main([str(source), "--overwrite"]) == 0
    with pytest.raises(InputError, match="is the source itself"):
        main([str(tmp_path / "a.safetensors"), "--overwrite"])
    with pytest.raises(InputError, match="one file, but there are 2 sources"):
        main([str(source), str(source), "--out", str(tmp_path / "b.safetensors")])
    with pytest.raises(InputError, match="two sources would both become"):
        main([str(source), str(tmp_path / "a.pth.tar"), "--out", str(tmp_path / "both")])
    state = safetensors.torch.load_file(tmp_path / "a.safetensors")
    del state["classifier.bias"]
    torch.save(state, tmp_path / "cut.pth")
    with pytest.raises(InputError, match=r"1 missing: classifier\.bias"):
        main([str(tmp_path / "cut.pth"), "--out", str(tmp_path / "none")])
    assert not (tmp_path / "none").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pth", "a.safetensors", "cut.pth"]


def test_the_same_weights_give_the_same_numbers_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for name in ("one", "two"):
        source = save_published(tmp_path / f"{name}.pth", "bam", small_model("bam", seed=5))
        main([str(source), "--prove", "--out", str(tmp_path / "out")])
        lines = capsys.readouterr().out.splitlines()
        printed.append([line for line in lines if "sha256" in line or "first" in line])
    assert printed[0] == printed[1]
    assert len(printed[0]) == 4
