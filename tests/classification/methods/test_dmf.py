"""DMF: the head against its paper's steps, states, losses, gradients, names and refusals."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.backbones.resnet12_pooled import PooledResNet12
from sccan.classification.methods.can import can_losses
from sccan.classification.methods.dmf import DMF, PUBLISHED_NAMES
from sccan.episodes.episode import Features
from tests.classification.made_up import made_up_episode
from tests.classification.methods.contract import check_published_checkpoint, query_class_ids, zero_gradients


def _small(**settings: object) -> DMF:
    """Pictures of 20 x 40 have maps of 3 x 5."""
    torch.manual_seed(0)
    model = DMF(PooledResNet12(widths=(4, 6, 8, 12), block_size=2), n_base=7, **{"groups": 4, **settings})
    for name, value in model.named_buffers():
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    return model


def _literal_score_maps(model: DMF, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
    """One episode [S, C, h, w], [S], [Q, C, h, w], pair by pair: [Q, N, h + 2, w + 2]."""
    rows = []
    for way in range(int(labels.max()) + 1):
        class_map = support[labels == way].mean(0, keepdim=True)
        kernel = F.normalize(class_map[0], dim=0).mean((1, 2))
        classes = model.meta_filter.prepare(class_map[None])
        filters = model.meta_filter.filters(classes, model.meta_filter.offsets(classes, query[None]))
        maps = model.meta_filter.filtered(query[None], filters)[0, 0]  # [Q, C, h, w]
        rows.append(F.conv2d(maps, kernel[None, :, None, None], padding=1))
    return torch.cat(rows, dim=1)


@pytest.mark.parametrize("settings", [{}, {"groups": 12}, {"ode": False}, {"filter_size": 3}])
def test_score_maps_are_those_of_every_pair_on_its_own(settings: dict[str, object]) -> None:
    model, episode = _small(**settings).eval(), made_up_episode()
    with torch.no_grad():
        support, query = model.encode_episode(episode)
        state = model.condition(support, episode.support_labels)
        got, scores = model.score_maps(query, state), model(episode)
        assert got.shape == (2, 4, 3, 5, 7)
        for number in range(2):
            want = _literal_score_maps(
                model, support.maps["layer4"][number], episode.support_labels[number], query.maps["layer4"][number]
            )
            torch.testing.assert_close(got[number], want, atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(scores[number], want.mean((2, 3)), atol=1e-5, rtol=1e-4)
    assert bool((got[..., 0, :] == 0).all() and (got[..., -1] == 0).all())


def test_shots_may_differ_between_classes_and_one_state_serves_any_queries() -> None:
    model = _small().eval()
    support, query = torch.randn(1, 4, 12, 3, 5), torch.randn(1, 5, 12, 3, 5)
    labels = torch.tensor([[1, 0, 0, 0]])
    with torch.no_grad():
        state = model.condition(Features({"layer4": support}, (20, 40)), labels)
        whole = model.predict(Features({"layer4": query}, (20, 40)), state)
        part = model.predict(Features({"layer4": query[:, 1:3]}, (20, 40)), state)
        want = _literal_score_maps(model, support[0], labels[0], query[0]).mean((2, 3))
    torch.testing.assert_close(whole[0], want, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(part, whole[:, 1:3], atol=1e-5, rtol=1e-4)


def test_the_loss_is_that_of_raw_maps_and_of_score_maps_with_their_border() -> None:
    model, episode = _small(), made_up_episode()
    outputs = model.train()(episode)
    assert outputs.local_scores.shape == (2, 4, 3, 5, 7)
    assert outputs.global_logits.shape == (2, 4, 7, 3, 5)
    ids = query_class_ids(episode)
    losses = model.loss(outputs, episode)
    torch.testing.assert_close(losses, can_losses(outputs, episode.query_labels, ids))
    torch.testing.assert_close(losses["total"], losses["global"] + 0.5 * losses["local"])
    local = F.cross_entropy(
        outputs.local_scores[..., 1:-1, 1:-1].flatten(0, 1).permute(0, 2, 3, 1).flatten(0, 2),
        episode.query_labels.flatten().repeat_interleave(15),
    )
    inside, border = 15 / 35, 20 / 35  # the border is zero: its loss is the logarithm of the number of ways
    torch.testing.assert_close(losses["local"], inside * local + border * torch.tensor(3.0).log())


def test_gradients_reach_every_parameter() -> None:
    assert zero_gradients(_small(), made_up_episode()) == []


def test_the_head_computes_in_float32_under_autocast() -> None:
    model, episode = _small().train(), made_up_episode()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = model(episode)
        model.loss(outputs, episode)["total"].backward()
    assert outputs.local_scores.dtype == outputs.global_logits.dtype == torch.float32


def test_a_published_checkpoint_loads_strictly_with_prefix(tmp_path: Path) -> None:
    some = {
        "global_clasifier.weight",
        "dw_gen.off_conv.weight",
        "dw_gen.kernel_conv.weight",
        "base.layer4.0.num_batches_tracked",
        "base.layer1.0.downsample.1.running_mean",
    }
    missing = ("dw_gen.off_conv.weight", r"meta_filter\.offset\.weight")
    check_published_checkpoint(_small, PUBLISHED_NAMES, some, missing, tmp_path)


@pytest.mark.parametrize(("groups", "generator"), [(64, 944_640), (160, 1_497_600), (320, 2_419_200), (640, 4_262_400)])
def test_the_published_networks_have_the_published_numbers_of_parameters(groups: int, generator: int) -> None:
    with torch.device("meta"):
        model = DMF(PooledResNet12(), groups=groups)
    assert sum(p.numel() for p in model.meta_filter.parameters()) == generator
    assert sum(p.numel() for p in model.parameters()) == 12_424_320 + 41_024 + generator


def test_evaluation_leaves_the_model_as_it_was() -> None:
    model, episode = _small().eval(), made_up_episode()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        model(episode)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_groups_that_do_not_divide_the_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="5 groups do not divide 12 channels"):
        _small(groups=5)
