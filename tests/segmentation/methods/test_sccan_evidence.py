"""SCCAN over evidence: untrained it is the method that gives the evidence; trained it adds to it."""

import pytest
import torch

from sccan.backbones.small import SmallResNet
from sccan.builders.segmentation.models import build_method
from sccan.episodes.episode import Episode
from sccan.errors import InputError
from sccan.method import Method
from sccan.segmentation.methods.frost import FROST
from sccan.segmentation.methods.guided_density import GuidedDensity
from sccan.segmentation.methods.insid3 import INSID3
from sccan.segmentation.methods.sccan import SCCAN
from sccan.segmentation.methods.training_free import TrainingFreeMethod
from sccan.settings.loading import load_config
from tests.segmentation.methods.scenes import scenes

STAGES = ("layer3", "layer4")
EVIDENCE = {
    "guided_density": lambda backbone: GuidedDensity(backbone, stages=STAGES, sigma=0.1),
    "insid3": lambda backbone: INSID3(backbone, stages=("layer1",), rank=0, soft=True),
    "frost": lambda backbone: FROST(backbone, stages=("layer4",), rank=0),
}


def _models(name: str) -> tuple[SCCAN, TrainingFreeMethod]:
    torch.manual_seed(0)
    backbone = SmallResNet(stem=(4, 4, 6), widths=(6, 8, 10, 12), blocks=(1, 1, 1, 1))
    told = EVIDENCE[name](backbone).eval()
    shape = {"channels": 12, "grid": (8, 12), "window": 4, "heads": 3, "depth": 2, "aspp_dilations": (1, 2)}
    return SCCAN(backbone, evidence=told, **shape).eval(), told  # type: ignore[arg-type]


def _margins(method: Method, episode: Episode) -> torch.Tensor:
    with torch.no_grad():
        return method(episode).diff(dim=2)


@pytest.mark.parametrize("name", EVIDENCE)
@pytest.mark.parametrize("shots", [1, 3])
def test_untrained_it_says_what_the_evidence_says(name: str, shots: int) -> None:
    model, told = _models(name)
    episode = scenes(shots=shots)
    torch.testing.assert_close(_margins(model, episode), _margins(told, episode), rtol=1e-4, atol=1e-4)


def test_a_step_changes_what_it_says_and_leaves_the_evidence() -> None:
    model, told = _models("guided_density")
    episode = scenes(shots=1)
    before = _margins(told, episode)
    optimizer = torch.optim.SGD([p for group in model.parameter_groups().values() for p in group], lr=0.1)
    losses = []
    for _ in range(8):
        loss = model.loss(model(episode), episode)["total"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.01
    assert torch.equal(_margins(told, episode), before)
    assert float((_margins(model, episode) - before).abs().max()) > 0.01


def test_a_cut_moves_the_answer_and_not_what_is_learned() -> None:
    model, _ = _models("guided_density")
    episode = scenes(shots=1)
    plain = _margins(model, episode)
    learned = float(model.train().loss(model(episode), episode)["total"].detach())
    model.cut = -1.5
    torch.testing.assert_close(_margins(model.eval(), episode), plain + 1.5)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout2d):
            module.p = 0.0
    assert float(model.train().loss(model(episode), episode)["total"].detach()) == pytest.approx(learned)


def test_a_checkpoint_holds_the_backbone_once() -> None:
    model, _ = _models("guided_density")
    kept = model.state_dict()
    assert not [name for name in kept if "evidence" in name]
    other, _ = _models("guided_density")
    other.load_state_dict(kept)


@pytest.mark.parametrize("name", EVIDENCE)
def test_evidence_looks_at_examples_once(name: str) -> None:
    model, told = _models(name)
    assert EVIDENCE[name](model.backbone).supports_differ == (name != "insid3")
    assert not told.supports_differ
    assert not model.supports_differ


def test_run_files_name_the_evidence() -> None:
    options = ["METHOD.SCCAN.EVIDENCE", "guided_density", "METHOD.GUIDED_DENSITY.STAGES", "[layer3, layer4]"]
    model = build_method(load_config("config/shapes/shapes_split0.yaml", options), range(6, 21), pretrained=False)
    assert isinstance(model, SCCAN)
    assert isinstance(model.evidence, GuidedDensity)
    assert model.evidence.cells.stages == STAGES
    bare = load_config("config/shapes/shapes_split0.yaml", [])
    assert build_method(bare, range(6, 21), pretrained=False).evidence is None
    cfg = load_config("config/shapes/shapes_split0.yaml", ["METHOD.SCCAN.EVIDENCE", "guided"])
    with pytest.raises(InputError, match="METHOD.SCCAN.EVIDENCE is 'guided', expected one of insid3, frost, guided_d"):
        build_method(cfg, range(6, 21), pretrained=False)
