"""Methods as graphs: proved against torch, for other shots and pictures than those they were traced with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sccan.builders.released.trained import load_trained
from sccan.builders.segmentation.models import build_method
from sccan.commands.main import main
from sccan.engine.onnx_graph import session_of
from sccan.episodes.episode import Features
from sccan.errors import InputError
from sccan.graphs.exporting import Example, Exported, _Proof, segmentation_graphs
from sccan.graphs.states import named_tensors, with_tensors
from sccan.graphs.verbs import QUERY, Verbs
from sccan.method import Method
from sccan.predict.segmenter import Segmenter
from sccan.predict.supports import Supports
from sccan.settings.loading import config_of
from tests.predict.made_up import SCCAN, disc, save, segmenter_file, white_on_black
from tests.segmentation.methods.test_bam import _model as bam


def sccan_method() -> Method:
    torch.manual_seed(3)
    return build_method(config_of(SCCAN, "made up"), (), pretrained=False).eval()


def features(verbs: Verbs, count: int, seed: int) -> tuple[Features, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        maps = verbs.method.encode(torch.randn(count, 3, *verbs.size, generator=generator))
    return maps.view(1, count), (torch.rand(1, count, *verbs.size, generator=generator) > 0.6).long()


def test_a_graph_of_sccan_serves_any_number_of_shots() -> None:
    verbs = Verbs(sccan_method(), (65, 65))
    support, labels = features(verbs, 2, 0)
    query, _ = features(verbs, 1, 1)
    with torch.no_grad():
        state = verbs.method.condition(support, labels)
    condition, predict = verbs.condition(support, labels), verbs.predict(query, state)
    sessions = session_of(condition.content), session_of(predict.content)
    for shots in (1, 2, 5):
        support, labels = features(verbs, shots, 10 + shots)
        query, _ = features(verbs, 1, 20 + shots)
        with torch.no_grad():
            state = verbs.method.condition(support, labels)
            wanted = verbs.method.predict(query, state)
        maps = {name: value.numpy() for name, value in support.maps.items()}
        kept = dict(zip(condition.outputs, sessions[0].run(None, {"labels": labels.numpy(), **maps}), strict=True))
        for name, value in named_tensors(state):
            assert np.abs(kept[name].astype(float) - value.double().numpy()).max() < 1e-4, name
        given = {f"{QUERY}{name}": value.numpy() for name, value in query.maps.items()} | kept
        taken = {one.name for one in sessions[1].get_inputs()}
        [found] = sessions[1].run(None, {name: value for name, value in given.items() if name in taken})
        assert np.abs(found - wanted.numpy()).max() < 1e-4 * float(wanted.abs().max())


def test_states_become_tensors_and_back() -> None:
    verbs = Verbs(sccan_method(), (65, 65))
    support, labels = features(verbs, 2, 0)
    state = verbs.method.condition(support, labels)
    tensors = dict(named_tensors(state))
    assert "blocks.1.memory" in tensors
    again = with_tensors(state, iter(tensors.values()))
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(named_tensors(again), named_tensors(state), strict=True))


def test_what_cannot_be_written_says_so() -> None:
    can = load_trained("classify", ["METHOD.NAME", "laplacianshot"]).method
    with pytest.raises(InputError, match="LaplacianShot cannot be written as ONNX; what can: SCCAN, BAM"):
        Verbs(can, (64, 64))
    with pytest.raises(InputError, match="use multiples of 32 for ONNX"):
        Verbs(load_trained("segment").method, (100, 100))


def test_a_graph_that_deviates_is_refused() -> None:
    found = Exported()
    proof = _Proof(found)
    proof.compare("predict", {"logits": np.ones(3, np.float32)}, [("logits", torch.ones(3))])
    assert found.deviations == {"predict": 0.0}
    for wrong in (np.full(3, 1.01, np.float32), np.full(3, np.nan, np.float32)):
        with pytest.raises(InputError, match="gives other numbers than torch: logits is off by"):
            proof.compare("predict", {"logits": wrong}, [("logits", torch.ones(3))])


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    for number in range(2):
        image, mask = disc(60, 80, seed=number)
        save(tmp_path / "examples" / f"{number}.png", image)
        save(tmp_path / "examples" / "masks" / f"{number}.png", white_on_black(mask))
    return tmp_path / "examples"


def test_the_command_writes_graphs_states_and_how_far_they_are_off(
    tmp_path: Path, examples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", "--support", str(examples), "--out", str(tmp_path / "out"), "--size", "64"]
    assert main(words) == 0
    assert "no graph of condition" in capsys.readouterr().out
    told = json.loads((tmp_path / "out" / "export.json").read_text())
    assert told["largest_deviation"]["predict"] < 1e-4
    [(_, entry)] = told["states"].items()
    with np.load(tmp_path / "out" / entry["state"], allow_pickle=False) as state:
        _, [logits] = told["graphs"][entry["predict"]]
        assert logits == "logits"
        assert set(state) < set(told["graphs"][entry["predict"]][0])
    assert main(words) == 0, "its own files may be replaced"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "encode.onnx").write_text("somebody's")
    with pytest.raises(InputError, match="no result of this command"):
        main([*words[:4], str(tmp_path / "other"), *words[5:]])


def test_a_trained_sccan_is_written_whole(tmp_path: Path, examples: Path) -> None:
    model = segmenter_file(tmp_path)
    assert main(["export", "--model", str(model), "--support", str(examples), "--out", str(tmp_path / "out")]) == 0
    told = json.loads((tmp_path / "out" / "export.json").read_text())
    assert set(told["graphs"]) == {"encode.onnx", "condition.onnx", "predict.onnx"}
    assert set(told["largest_deviation"]) == {"encode", "condition", "predict"}
    assert not told["missing"]


@pytest.mark.parametrize("method", ["simpleshot", "logistic"])
def test_classifiers_on_frozen_features_are_written_for_any_ways(tmp_path: Path, method: str) -> None:
    for number in range(6):
        save(tmp_path / "kinds" / f"kind{number % 3}" / f"{number}.png", disc(60, 60, seed=number)[0])
    out = tmp_path / "out"
    words = ["export", "--model", "classify", "--support", str(tmp_path / "kinds"), "--out", str(out)]
    assert main([*words, "--opts", "METHOD.NAME", method]) == 0
    told = json.loads((out / "export.json").read_text())
    assert told["classes"] == ["kind0", "kind1", "kind2"]
    with np.load(out / told["states"]["classes"]["state"], allow_pickle=False) as state:
        assert state["learned"].shape[:2] == (1, 3)


def test_bam_is_written_whole() -> None:
    verbs = Verbs(bam(1).eval(), (65, 65))
    generator = torch.Generator().manual_seed(0)
    examples = [
        Example(torch.randn(1, 3, 65, 65, generator=generator), (torch.arange(65) > 30 + k).long().expand(65, 65))
        for k in range(2)
    ]
    found = segmentation_graphs(verbs, examples, ["half"])
    assert list(found.graphs) == ["encode", "condition", "predict"]
    assert found.graphs["condition"].inputs[0] == "labels"


TORCH_FREE = """
import sys
sys.modules["torch"] = sys.modules["sccan"] = None
{code}
from pathlib import Path
np.save(sys.argv[3], find(Path(sys.argv[1]), sys.argv[2], "object"))
"""


@pytest.mark.slow
def test_the_code_of_the_page_finds_the_same_without_torch(tmp_path: Path, examples: Path) -> None:
    assert main(["export", "--support", str(examples), "--out", str(tmp_path / "out"), "--size", "128"]) == 0
    photo = save(tmp_path / "photo.png", disc(70, 90, seed=5)[0])
    page = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    words = [str(tmp_path / "out"), str(photo), str(tmp_path / "mask.npy")]
    subprocess.run([sys.executable, "-c", TORCH_FREE.format(code=code), *words], check=True)
    found = np.load(tmp_path / "mask.npy")
    segmenter = Segmenter(load_trained("segment"), size=128, engine="torch")
    wanted = next(segmenter.each(Supports.from_folder(examples), photo)).mask("object")
    assert found.shape == wanted.shape
    assert wanted.any()
    assert (found != wanted).mean() < 0.005, "but for pixels on the border: masks are resized by Pillow here"
