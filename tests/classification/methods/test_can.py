"""CAN: the lean head against the published pair maps, transduction, gradients, names and refusals."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sccan.backbones.resnet12 import StridedResNet12
from sccan.classification.methods.can import CAN, PUBLISHED_NAMES, CANOutputs, CANState, can_losses
from sccan.episodes.episode import Episode, Features
from tests.classification.made_up import made_up_episode, small_can
from tests.classification.methods.contract import check_published_checkpoint, query_class_ids, zero_gradients
from tests.classification.methods.plain_heads import can_pair_maps, can_scores


def _flat(model: CAN, episode: Episode) -> tuple[Tensor, Tensor]:
    support, query = model.encode_episode(episode)
    return support.maps[model.stage].flatten(-2), query.maps[model.stage].flatten(-2)


def test_scores_are_those_of_the_full_pair_maps() -> None:
    model, episode = small_can().eval(), made_up_episode()
    with torch.no_grad():
        support, query = _flat(model, episode)
        want = can_scores(model, support, episode.support_labels, query)
        got = model(episode)
    assert got.shape == (2, 4, 3)
    torch.testing.assert_close(got, want, atol=1e-5, rtol=0)


def test_training_outputs_are_those_of_the_full_pair_maps() -> None:
    model, episode = small_can(), made_up_episode()
    model.train()
    model.attention.eval()  # else the literal version would see other running statistics
    outputs = model(episode)
    support, query = _flat(model, episode)
    class_pairs, query_pairs = can_pair_maps(model, support, episode.support_labels, query)
    local = 7 * torch.einsum(
        "bqnc,bqncm->bqnm", F.normalize(class_pairs.mean(-1), dim=-1), F.normalize(query_pairs, dim=3)
    )
    torch.testing.assert_close(outputs.local_scores.flatten(-2), local, atol=1e-5, rtol=0)
    true = query_pairs[torch.arange(2)[:, None], torch.arange(4)[None], episode.query_labels]  # [B, Q, C, m]
    logits = torch.einsum("kc,bqcm->bqkm", model.classifier.weight[:, :, 0, 0], true) + model.classifier.bias[:, None]
    torch.testing.assert_close(outputs.global_logits.flatten(-2), logits, atol=1e-5, rtol=0)


def test_one_state_serves_any_queries_and_batches() -> None:
    model, episode = small_can().eval(), made_up_episode()
    with torch.no_grad():
        support, query = model.encode_episode(episode)
        whole = model(episode)
        state = model.condition(support, episode.support_labels)
        part = Features({name: value[:, 1:3] for name, value in query.maps.items()}, query.image_size)
        torch.testing.assert_close(model.predict(part, state), whole[:, 1:3])
        second = Features({name: value[1:] for name, value in support.maps.items()}, support.image_size)
        alone = model.condition(second, episode.support_labels[1:])
        last = Features({name: value[1:] for name, value in query.maps.items()}, query.image_size)
        torch.testing.assert_close(model.predict(last, alone), whole[1:], atol=1e-5, rtol=1e-5)


def test_shots_may_differ_between_classes() -> None:
    model = small_can().eval()
    maps, query = torch.rand(1, 4, 10, 2, 3), torch.rand(1, 5, 10, 2, 3)
    labels = torch.tensor([[1, 0, 0, 0]])
    with torch.no_grad():
        state = model.condition(Features({"layer4": maps}, (20, 40)), labels)
        got = model.predict(Features({"layer4": query}, (20, 40)), state)
        want = can_scores(model, maps.flatten(-2), labels, query.flatten(-2))
    torch.testing.assert_close(state.class_maps[0, 0], maps[0, 1:].mean(0).flatten(-2))
    torch.testing.assert_close(got, want, atol=1e-5, rtol=0)


def _literal_rounds(model: CAN, support: Tensor, labels: Tensor, query: Tensor, step: int, rounds: int) -> Tensor:
    """One episode, as written in the paper: pseudo-labelled queries are appended to the support."""
    scores = can_scores(model, support, labels, query)
    for number in range(1, rounds + 1):
        confidence, predicted = scores[0].max(-1)
        taken = confidence.argsort(descending=True)[: step * number]
        more = torch.cat([support, query[:, taken]], dim=1)
        scores = can_scores(model, more, torch.cat([labels, predicted[None, taken]], dim=1), query)
    return scores


def test_transduction_works_for_any_way_and_batch_and_equals_one_episode_at_a_time() -> None:
    model = small_can(transductive=True, share=0.4).eval()
    episode = made_up_episode(n_batch=3, n_way=4, n_shot=1, n_query=10)
    with torch.no_grad():
        support, query = _flat(model, episode)
        got = model(episode)
        for number in range(3):
            labels = episode.support_labels[number : number + 1]
            want = _literal_rounds(model, support[number, None], labels, query[number, None], step=4, rounds=2)
            torch.testing.assert_close(got[number], want[0], atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("n_query", "sizes"), [(75, [0, 35, 70]), (50, [0, 23, 46]), (25, [0, 11, 22]), (2, [0]), (1, [0])]
)
def test_rounds_take_the_published_numbers_of_queries(n_query: int, sizes: list[int]) -> None:
    model = small_can(transductive=True).eval()
    query = Features({"layer4": torch.rand(1, n_query, 10, 2, 3)}, (20, 40))
    with torch.no_grad():
        state = model.condition(Features({"layer4": torch.rand(1, 5, 10, 2, 3)}, (20, 40)), torch.arange(5)[None])
        assert [one.chosen.shape[1] for one in model.rounds(query, state)] == sizes


def test_losses_are_means_over_queries_and_positions_and_class_numbers_count_from_one() -> None:
    local = torch.tensor([[[[[1.0, 0.0]], [[0.0, 2.0]]]]])  # B 1, Q 1, N 2, map 1 x 2
    logits = torch.tensor([[[[[0.0, 0.0]], [[0.0, 3.0]], [[0.0, 0.0]]]]])
    losses = can_losses(CANOutputs(local, logits), torch.tensor([[1]]), torch.tensor([[1]]))
    by_hand_local = (torch.tensor([1.0, -2.0]).exp() + 1).log().mean()
    by_hand_global = torch.stack([torch.tensor(3.0).log(), (1 + 2 * torch.tensor(-3.0).exp()).log()]).mean()
    torch.testing.assert_close(losses["local"], by_hand_local)
    torch.testing.assert_close(losses["global"], by_hand_global)
    torch.testing.assert_close(losses["total"], by_hand_global + 0.5 * by_hand_local)
    model, episode = small_can(), made_up_episode()
    outputs = model.train()(episode)
    ids = query_class_ids(episode)
    torch.testing.assert_close(model.loss(outputs, episode), can_losses(outputs, episode.query_labels, ids))


def test_gradients_reach_every_parameter() -> None:
    zero = zero_gradients(small_can(), made_up_episode())
    assert zero in ([], ["attention.reduce.bias"])  # it feeds a norm: zero up to rounding


def test_the_head_computes_in_float32_under_autocast() -> None:
    model, episode = small_can().train(), made_up_episode()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = model(episode)
        assert model.encode(episode.support_images.flatten(0, 1)).maps["layer4"].dtype == torch.bfloat16
    assert outputs.local_scores.dtype == outputs.global_logits.dtype == torch.float32


def test_a_published_checkpoint_loads_strictly_with_prefix(tmp_path: Path) -> None:
    some = {"clasifier.weight", "cam.conv1.conv.bias", "cam.conv1.bn.running_mean", "base.layer1.0.conv1.weight"}
    check_published_checkpoint(small_can, PUBLISHED_NAMES, some, ("clasifier.bias", r"classifier\.bias"), tmp_path)


def test_the_published_network_has_the_published_number_of_parameters() -> None:
    assert sum(p.numel() for p in CAN(StridedResNet12()).parameters()) == 8_071_014


def test_pictures_of_another_size_are_refused() -> None:
    model = small_can().eval()
    with pytest.raises(ValueError, match=r"maps are \(3, 3\), but the attention is for \(2, 3\)"):
        model.condition(model.encode(torch.randn(4, 3, 40, 40)).view(1, 4), torch.tensor([[0, 1, 0, 1]]))


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_outside_zero_and_one_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="must be in"):
        small_can(share=share)


def test_a_state_is_no_part_of_the_model() -> None:
    model = small_can().eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():
        state = model.condition(
            Features({"layer4": torch.rand(1, 4, 10, 2, 3)}, (20, 40)), torch.tensor([[0, 1, 0, 1]])
        )
        assert isinstance(state, CANState)
        model.predict(Features({"layer4": torch.rand(1, 6, 10, 2, 3)}, (20, 40)), state)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
