"""tools/episodes.py: the same config writes the same file; showing and comparing need no data."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sccan.builders.segmentation.data import open_data
from sccan.builders.segmentation.testing import episode_plans, fold_manifest
from sccan.commands.episodes import main
from sccan.episodes.manifest import write_manifest
from sccan.errors import InputError
from sccan.files.made import RECORD
from sccan.reference import tiny_dataset
from sccan.settings.loading import load_config
from tests.engine.toy import cpu

Refusal = Callable[[Callable[[list[str] | None], int], list[str]], str]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tiny")
    tiny_dataset.build(str(root), train=200, val=120)
    path = root / "tiny.yaml"
    path.write_text(
        f"DATA: {{NAME: pascal, ROOT: {root}, CACHE: {root}/cache, TRAIN_LIST: train.txt, VAL_LIST: val.txt,"
        " MIN_PIXELS: 600}\n"
        "EPISODE: {SHOTS: 2}\nTEST: {EPISODES: 30, SEEDS: [3, 4]}\n"
    )
    return path


def write(config: Path, out: Path, *opts: str) -> None:
    assert main(["write", "--out", str(out), "--config", str(config), *(["--opts", *opts] if opts else [])]) == 0


def test_one_file_per_seed_and_the_same_again(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(config, tmp_path / "a")
    text = capsys.readouterr().out
    write(config, tmp_path / "b")
    names = ["episodes_seed3.jsonl", "episodes_seed4.jsonl"]
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [RECORD, *names]
    for name in names:
        content = (tmp_path / "a" / name).read_text()
        assert (tmp_path / "b" / name).read_text() == content
        header = json.loads(content.splitlines()[0])
        assert (header["dataset"], header["fold"], header["shots"], header["episodes"]) == ("pascal", 0, 2, 30)
        assert f"{tmp_path / 'a' / name}: 30 episodes, hash {header['hash']}" in text


def test_no_name_makes_a_line_of_its_own(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "a\nerror: forged"
    write(config, out)
    file = out / "episodes_seed3.jsonl"
    header, *episodes = file.read_text().splitlines()
    forged = json.loads(header) | {"dataset": "b\nerror: forged\x1b[2J"}
    episodes[0] = episodes[0].replace('"query": [["', '"query": [["\\nerror: forged', 1)
    file.write_text("\n".join([json.dumps(forged), *episodes]) + "\n")
    assert main(["show", str(file), "--first", "1"]) == 0
    text = capsys.readouterr().out
    assert text.count("error: forged") == 4
    assert not [line for line in text.splitlines() if line.startswith("error:")]
    assert "\x1b" not in text


def test_episodes_of_several_queries_and_of_classes_that_are_trained_on_are_not_scored(
    config: Path, tmp_path: Path
) -> None:
    cfg = load_config(str(config))
    data = open_data(cfg, cpu())
    index, file = data.test_store.index, tmp_path / "episodes.jsonl"
    spec = next(iter(episode_plans(cfg, data)[0][1].episodes()))
    other = next(n for n in range(len(index.names)) if n not in spec.pictures and index.counts[n, spec.classes[0]])
    base = data.fold.base[0]
    shown = [n for n in range(len(index.names)) if index.counts[n, base]][:3]

    def made(**changes: Any) -> Path:
        facts = {"dataset": "pascal", "fold": 1, "protocol": "stratified", "seed": 3}
        write_manifest(file, [replace(spec, **changes)], index, **facts)
        return file

    assert fold_manifest(made(), data).specs == (spec,)
    with pytest.raises(InputError, match="has 1 classes with 2 queries each; masks are scored for one class in one"):
        fold_manifest(made(query=((*spec.query[0], other),)), data)
    with pytest.raises(InputError, match=rf"is of class {base}, on which fold 0 trains; it was made for fold 1"):
        fold_manifest(made(classes=(base,), query=(tuple(shown[:1]),), support=(tuple(shown[1:]),)), data)


def test_a_manifest_is_shown_with_and_without_its_data(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(config, tmp_path)
    file = tmp_path / "episodes_seed3.jsonl"
    capsys.readouterr()
    assert main(["show", str(file), "--first", "2"]) == 0
    text = capsys.readouterr().out
    assert "the hash fits the episodes" in text
    assert sum(line.lstrip().startswith(("0  class", "1  class", "2  class")) for line in text.splitlines()) == 2
    assert main(["show", str(file), "--first", "0", "--config", str(config)]) == 0
    text = capsys.readouterr().out
    assert "fits the data set of the config" in text
    assert "1 aeroplane" in text
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], *lines[2:], lines[1]]) + "\n")
    assert main(["show", str(file)]) == 0
    assert "the file was changed" in capsys.readouterr().out


def test_a_manifest_of_other_data_is_refused(config: Path, tmp_path: Path, refusal: Refusal) -> None:
    write(config, tmp_path)
    argv = [
        "show",
        str(tmp_path / "episodes_seed3.jsonl"),
        "--config",
        str(config),
        "--opts",
        "DATA.VAL_LIST",
        "train.txt",
    ]
    line = refusal(main, argv)
    assert line.startswith(
        f"error: manifest {tmp_path}/episodes_seed3.jsonl was made for other data: its index hash is "
    )


def test_two_manifests_are_compared(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(config, tmp_path / "a")
    write(config, tmp_path / "b", "TEST.PROTOCOL", "sccan", "TEST.SEEDS", "[3]")
    one, two, other = (
        tmp_path / name for name in ("a/episodes_seed3.jsonl", "a/episodes_seed4.jsonl", "b/episodes_seed3.jsonl")
    )
    capsys.readouterr()
    assert main(["compare", str(one), str(one)]) == 0
    assert "the same 30 episodes in the same order on the same data" in capsys.readouterr().out
    assert main(["compare", str(one), str(two)]) == 1
    text = capsys.readouterr().out
    assert "seed: 3 | 4" in text
    assert "30 and 30 episodes: " in text
    assert "the first that differs:" in text
    assert main(["compare", str(one), str(other)]) == 1
    text = capsys.readouterr().out
    assert "protocol: stratified | sccan" in text
    assert "in the other" in text  # the classes are drawn otherwise


def test_what_is_no_manifest_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    path = tmp_path / "x.jsonl"
    assert refusal(main, ["show", str(path)]) == (f"error: manifest {path} does not exist; check the path")
    path.write_text('{"format": "other"}\n')
    assert refusal(main, ["show", str(path)]) == (
        f"error: {path} is no manifest: its first line has the format 'other', not 'sccan-episodes-1'"
    )


def test_a_fold_that_cannot_be_served_writes_nothing(config: Path, tmp_path: Path, refusal: Refusal) -> None:
    line = refusal(
        main, ["write", "--out", str(tmp_path / "e"), "--config", str(config), "--opts", "EPISODE.SHOTS", "90"]
    )
    assert "but 90 shots and a query need 91; lower EPISODE.SHOTS or set DATA.SKIP_SMALL_CLASSES True" in line
    assert not (tmp_path / "e").exists()
