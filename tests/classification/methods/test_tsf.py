"""tSF: scores against plain loops, gradients, names and refusals."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.backbones.resnet12 import StridedResNet12
from sccan.classification.methods.tsf import PUBLISHED_NAMES, TSF
from sccan.classification.parts.base_tasks import LEARNED_WEIGHTS, TaskSettings
from tests.classification.made_up import made_up_episode, square_episode
from tests.classification.methods.contract import check_published_checkpoint

PLAIN = TaskSettings(rotation=False, learned_weights=False)


def _small(tasks: TaskSettings | None = None) -> TSF:
    torch.manual_seed(0)
    backbone = StridedResNet12(stem=4, widths=(4, 6, 8, 10))
    return TSF(backbone, n_base=7, n_tokens=3, heads=2, tasks=tasks)


def test_scores_are_cosines_of_class_means() -> None:
    model, episode = _small().eval(), made_up_episode()
    with torch.no_grad():
        support, query = model.encode_episode(episode)
        got = model(episode)
    for batch in range(2):
        for way in range(3):
            mean = support.maps["layer4"][batch][episode.support_labels[batch] == way].mean((0, 2, 3))
            for number in range(4):
                vector = query.maps["layer4"][batch, number].mean((-2, -1))
                want = 7 * F.cosine_similarity(mean, vector, dim=0)
                torch.testing.assert_close(got[batch, number, way], want, atol=1e-5, rtol=0)


def test_gradients_reach_every_parameter() -> None:
    for settings, episode in ((None, square_episode()), (PLAIN, made_up_episode())):
        model = _small(settings).train()
        outputs = model(episode)
        assert outputs.local_scores.shape[:3] == (2, 16 if settings is None else 4, 3)
        model.loss(outputs, episode)["total"].backward()
        (group,) = model.parameter_groups().values()
        assert {id(p) for p in group} == {id(p) for p in model.parameters()}
        assert [n for n, p in model.named_parameters() if p.grad is None or float(p.grad.abs().max()) == 0] == []


@pytest.mark.parametrize(
    ("outer", "inner"),
    [
        ("neck_tSF.", "neck_tSF."),
        ("tSF_encoder.tSF_stacker_layers.0.", "tSF_encoder.tSF_stacker_layers.0."),
        ("tSF_plus_encoder.", "tSF_plus_encoder.tSF_block."),
    ],
)
def test_published_checkpoints_load_under_all_three_names_of_the_neck(outer: str, inner: str, tmp_path: Path) -> None:
    def saved(state: dict[str, Tensor]) -> dict[str, Tensor]:
        unused = {f"{inner}attention.proj.{number}.weight": torch.zeros(10, 10, 1) for number in range(3)}
        return unused | {
            name.replace("neck_tSF.query", f"{outer}query").replace("neck_tSF.", inner): value
            for name, value in state.items()
        }

    some = {f"{outer}query_embed.weight", f"{inner}FFN.norm3.bias"}
    missing = ("similarity_res_func.clasifier.bias", r"tasks\.classifier\.bias")
    check_published_checkpoint(
        _small, PUBLISHED_NAMES, some, missing, tmp_path, saved=saved, excused=(LEARNED_WEIGHTS,)
    )


def test_the_published_network_has_the_published_number_of_parameters_that_are_used() -> None:
    backbone = StridedResNet12(widths=(64, 160, 320, 640), strides=(1, 2, 2, 2))
    model = TSF(backbone, tasks=PLAIN)
    assert sum(p.numel() for p in model.parameters()) == 12_460_992 + 2_055_040 + 41_024
