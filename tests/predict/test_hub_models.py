"""Models of the hub: pushed with their card, fetched once, pinned to a commit, and nothing read but safetensors."""

from __future__ import annotations

import json
import logging
import pickle
import sys
from pathlib import Path

import pytest
import yaml

import sccan
from sccan.builders.checkpoints import sha256
from sccan.commands import segment
from sccan.errors import InputError
from sccan.files.writing import write_json
from sccan.predict.model_card import model_card
from tests.predict.made_up import classifier_file, disc, save, segmenter_file, white_on_black
from tests.predict.model_hub import TOKEN, ModelHub, model_hub

__all__ = ["model_hub"]

NAME = "some-body/small.model"
ADDRESS = f"hf://{NAME}"
MANIFESTS = ["7d89f50d8896e80f", "1234567890abcdef"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True, raising=False)  # not known to older ones
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("SCCAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A file of weights with the results of two tests beside it, one of them of other weights."""
    path = segmenter_file(tmp_path / "run", "best.safetensors")
    digest = sccan.load(path).trained.digest
    spread = {"mean": 0.71234, "half_width_95": 0.0305, "per_seed": [0.7, 0.72]}
    record = {
        "version": 1, "method": "SCCAN", "data_set": "shapes (60 test pictures)", "protocol": "stratified", "fold": 2,
        "shots": 1, "seeds": [1, 2], "manifests": MANIFESTS, "episodes": [1000, 1000], "checkpoint_digest": digest,
        "miou": spread, "fb_iou": {"mean": 0.8, "half_width_95": None, "per_seed": [0.8, 0.8]},
    }  # fmt: skip
    for name, known in (("stratified_1shot", digest), ("bam_5shot", "of others")):
        write_json(path.parent / "results" / name / "results.json", {**record, "checkpoint_digest": known})
    return path


def examples(folder: Path) -> tuple[Path, Path]:
    """One example, and one picture."""
    image, mask = disc(48, 64)
    save(folder / "examples" / "a.png", image)
    save(folder / "examples" / "masks" / "a.png", white_on_black(mask))
    save(folder / "photos" / "b.png", disc(60, 80, seed=1)[0])
    return folder / "examples", folder / "photos"


def test_what_is_pushed_comes_back_the_same_and_says_what_it_is(model_hub: ModelHub, run: Path) -> None:
    own = sccan.load(run)
    pinned = own.push(ADDRESS, license_name="cc-by-4.0")
    commit = model_hub.branches[NAME]["main"]
    assert pinned == f"{ADDRESS}@{commit}"
    files = model_hub.commits[NAME][commit]
    assert set(files) == {"model.safetensors", "config.yaml", "README.md"}
    assert files["model.safetensors"] == run.read_bytes()
    assert yaml.safe_load(files["config.yaml"])["METHOD"]["NAME"] == "sccan"
    fetched = sccan.load(ADDRESS)
    assert fetched.trained.digest == own.trained.digest
    assert fetched.facts["model"] == pinned, "results name the commit"
    assert pinned in fetched.trained.note


def test_the_card_holds_the_numbers_of_these_weights_alone(model_hub: ModelHub, run: Path) -> None:
    sccan.load(run).push(ADDRESS, license_name="cc-by-4.0")
    card = model_hub.commits[NAME][model_hub.branches[NAME]["main"]]["README.md"].decode()
    _, front, text = card.split("---\n", 2)
    assert yaml.safe_load(front) == {
        "license": "cc-by-4.0", "library_name": "sccan", "pipeline_tag": "image-segmentation",
        "tags": ["few-shot", "sccan"],
    }  # fmt: skip
    assert "71.23 ± 3.05" in text
    assert "80.00" in text
    assert text.count("shapes (60 test pictures), fold 2") == 2, "a line per score"
    assert "2000" in text
    assert ", ".join(MANIFESTS) in text
    assert f"sccan segment --model {ADDRESS} " in text
    assert sccan.load(run).trained.digest in text


def test_a_card_without_tests_says_so_and_stays_in_its_lines(tmp_path: Path) -> None:
    trained = sccan.load(classifier_file(tmp_path)).trained
    header = {"data": "x\n---\nlicense: none", "classes": [f"c{number}" for number in range(99)]}
    card = model_card(trained, header, address=ADDRESS, license_name="mit")
    assert "- data: x --- license: none\n" in card
    assert "c39 ..." in card
    assert "c40" not in card
    assert "No test of these weights" in card
    assert "sccan classify" in card
    write_json(tmp_path / "results" / "one" / "results.json", {"checkpoint_digest": trained.digest, "data_set": 1})
    with pytest.raises(InputError, match=r"results.json beside the weights lacks .*test again"):
        model_card(trained, {}, address=ADDRESS, license_name="mit")


def test_a_branch_is_looked_up_and_a_commit_is_not(model_hub: ModelHub, run: Path, cache: Path) -> None:
    first = model_hub.commit(NAME, {"model.safetensors": run.read_bytes()})
    sccan.load(ADDRESS)
    gets = [path for method, path in model_hub.asked if method == "GET"]
    assert gets == [f"/{NAME}/resolve/{first}/model.safetensors", f"/elsewhere/{sha256(run)}"]
    asked = len(model_hub.asked)
    assert sccan.load(f"{ADDRESS}@{first}").trained.name == f"{ADDRESS}@{first}"
    assert len(model_hub.asked) == asked, "what is here needs no connection"
    second = model_hub.commit(NAME, {"model.safetensors": segmenter_file(run.parent, "other.safetensors").read_bytes()})
    assert sccan.load(ADDRESS).trained.name == f"{ADDRESS}@{second}"
    assert sccan.load(f"{ADDRESS}@{first}").trained.name == f"{ADDRESS}@{first}"
    kept = {path.relative_to(cache / "weights" / NAME).as_posix() for path in cache.rglob("*") if path.is_file()}
    assert kept == {"main/commit.txt", f"{first}/model.safetensors", f"{second}/model.safetensors"}


def test_the_token_is_shown_to_the_hub_and_to_nobody_it_sends_on_to(model_hub: ModelHub, run: Path) -> None:
    model_hub.commit(NAME, {"model.safetensors": run.read_bytes()})
    sccan.load(ADDRESS)
    assert {token for _, token in model_hub.shown} == {f"Bearer {TOKEN}"}
    assert all("/resolve/" in path for path, _ in model_hub.shown)


def test_without_a_connection_a_branch_is_what_it_was(
    model_hub: ModelHub, run: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    commit = model_hub.commit(NAME, {"model.safetensors": run.read_bytes()})
    sccan.load(ADDRESS)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with caplog.at_level(logging.INFO):
        assert sccan.load(ADDRESS).trained.name == f"{ADDRESS}@{commit}"
    assert f"the hub does not answer; {ADDRESS} is what it was at the last time, {commit[:12]}" in caplog.text
    with pytest.raises(InputError, match="the hub does not answer"):
        sccan.load("hf://some-body/another")


@pytest.mark.parametrize(
    "address",
    [
        "hf://",
        "hf://model",
        "hf://a/b/c",
        "hf://../b",
        "hf://a/..",
        "hf://a/b@../../x",
        "hf://a/b@",
        "hf:///etc/passwd",
    ],
)
def test_no_address_leads_out_of_the_cache(address: str, model_hub: ModelHub, cache: Path) -> None:
    with pytest.raises(InputError, match="names no model; expected hf://OWNER/NAME"):
        sccan.load(address)
    assert not cache.exists()
    assert not model_hub.asked


def test_nothing_but_safetensors_is_read(model_hub: ModelHub, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self):  # type: ignore[no-untyped-def]
            return Path.touch, (tmp_path / "ran",)

    model_hub.commit(NAME, {"model.safetensors": pickle.dumps(Evil())})
    with pytest.raises(InputError, match=", is no safetensors; nothing else is read from the hub"):
        sccan.load(ADDRESS)
    assert not (tmp_path / "ran").exists()


def test_refusals_of_a_push(model_hub: ModelHub, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = sccan.load(run)
    with pytest.raises(InputError, match="name the licence of the weights, such as apache-2.0"):
        model.push(ADDRESS)
    with pytest.raises(InputError, match="'hf://small' names no model"):
        model.push("hf://small", license_name="mit")
    with pytest.raises(
        InputError, match="packaged is no file of weights that carries its settings; push the run folder"
    ):
        sccan.load().push(ADDRESS, license_name="mit")
    monkeypatch.setenv("HF_TOKEN", "hf_" + "y" * 20)
    with pytest.raises(InputError, match="the hub took nothing .*401.*; log in with hf auth login") as told:
        model.push(ADDRESS, license_name="mit")
    assert "\n" not in str(told.value)
    assert not model_hub.commits.get(NAME)


def test_without_the_extra_it_is_one_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = sccan.load(run)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        InputError, match=r"the model hub needs the package huggingface_hub.*pip install 'sccan\[hub\]'"
    ):
        sccan.load(ADDRESS)
    with pytest.raises(InputError, match=r"needs the package huggingface_hub.*pip install 'sccan\[hub\]'"):
        model.push(ADDRESS, license_name="mit")


def test_segment_takes_a_model_of_the_hub_and_its_results_name_the_commit(
    model_hub: ModelHub, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit = model_hub.commit(NAME, {"model.safetensors": run.read_bytes()})
    support, photos = examples(tmp_path)
    words = ["--model", ADDRESS, "--support", str(support), "--images", str(photos), "--out", str(tmp_path / "out")]
    assert segment.main(words) == 0
    assert f"{ADDRESS}@{commit}" in capsys.readouterr().out
    told = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert told["info"]["model"] == f"{ADDRESS}@{commit}"
    own = [*words[:1], str(run), *words[2:-1], str(tmp_path / "out")]
    assert segment.main(own) == 0, "the same weights from a file go on with these results"
