"""INSID3: the contract, the plain arithmetic beside it, what absence looks like, and the refusals."""

import copy
import dataclasses

import pytest
import torch

from sccan.backbones.small import SmallResNet
from sccan.errors import InputError
from sccan.reference.toy_encoder import TOKENS, ToyEncoder
from sccan.segmentation.methods.insid3 import INSID3, region_scores
from sccan.segmentation.methods.training_free import CERTAIN
from tests.segmentation.methods.episodes import one_query
from tests.segmentation.methods.plain_training_free import insid3
from tests.segmentation.methods.scenes import CHANNELS, plain_inputs, scenes, toy_encoder

RANK = 5


def _method(**settings: object) -> INSID3:
    return INSID3(toy_encoder(), **{"stages": (TOKENS,), "rank": RANK, **settings})  # type: ignore[arg-type]


def test_conditioning_once_and_predicting_many_is_the_full_forward() -> None:
    method, episode = _method(soft=True).eval(), scenes()
    whole = method(episode)
    assert whole.shape == (2, 2, 2, 128, 160)
    assert whole[:, :, 0].abs().max() == 0
    support, query = method.encode_episode(episode)
    assert torch.equal(method.predict(query, method.condition(support, episode.support_labels)), whole)
    for b in range(2):
        for q in range(2):
            torch.testing.assert_close(method(one_query(episode, b, q))[0, 0], whole[b, q], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tau", [0.5, 0.8])
@pytest.mark.parametrize("shots", [1, 2, 3])
def test_the_plain_arithmetic_gives_the_same(shots: int, tau: float) -> None:
    method, episode = _method(tau=tau, threshold=0.1).eval(), scenes(shots=shots, seeds=(3, 4))
    support, query = method.encode_episode(episode)
    found = method.scored(query, method.condition(support, episode.support_labels))
    prediction = method(episode).argmax(2)
    for b in range(2):
        for q in range(2):
            plain = plain_inputs(toy_encoder(), episode, b, q, RANK)
            want = insid3(plain.query, plain.references, plain.masks, plain.basis, tau=tau, threshold=0.1)
            assert torch.equal(found[b][q].candidates, want.candidates)
            if found[b][q].scores is not None:
                assert torch.equal(found[b][q].regions, want.regions)
            enlarged = want.grid_mask.view(1, 1, 8, 10).float()
            mask = torch.nn.functional.interpolate(enlarged, size=(128, 160), mode="bilinear")[0, 0] > 0.5
            assert torch.equal(prediction[b, q].bool(), mask)


def test_an_object_is_found_and_one_that_is_not_there_is_not() -> None:
    method, episode = _method().eval(), scenes(256, 256, seeds=(0,))
    found = method(episode)[:, :, :].argmax(2)
    both, either = found & episode.query_labels, found | episode.query_labels
    assert both.sum() / either.sum() > 0.7
    assert episode.support_labels is not None
    nothing = dataclasses.replace(episode, support_labels=torch.zeros_like(episode.support_labels))
    logits = method(nothing)
    assert logits[:, :, 1].unique().tolist() == [-CERTAIN]


def test_soft_logits_have_the_sign_of_the_scores_and_a_smoother_border() -> None:
    episode = scenes(seeds=(0,))
    hard, soft = _method().eval()(episode)[:, :, 1], _method(soft=True).eval()(episode)[:, :, 1]
    assert ((hard > 0) == (soft > 0)).float().mean() > 0.9
    assert hard.max() == 0.5
    assert len(soft.unique()) > len(hard.unique())


def test_half_precision_halves_the_state_and_moves_little() -> None:
    method, half, episode = _method(soft=True).eval(), _method(soft=True, half_state=True).eval(), scenes()
    support, query = method.encode_episode(episode)
    states = [own.condition(support, episode.support_labels) for own in (method, half)]
    assert [state.cells.dtype for state in states] == [torch.float32, torch.float16]
    agree = [own.predict(query, state).argmax(2) for own, state in zip((method, half), states, strict=True)]
    assert (agree[0] == agree[1]).float().mean() > 0.99


def test_scores_by_hand() -> None:
    """Three regions of one, two and one cells; the second holds the seed."""
    cells = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.6, 0.8]])
    forward = torch.tensor([0.1, 0.9, 0.7, 0.5])
    candidates, regions = torch.tensor([False, True, False, True]), torch.tensor([0, 1, 1, 2])
    scores = region_scores(cells, cells, forward, candidates, regions, torch.tensor([0.0, 1.0]))
    # No candidates; the seed's share is 1 though half of it are candidates; 0.5 times cosine 0.8.
    torch.testing.assert_close(scores, torch.tensor([0.0, 0.8, 0.4]))


def test_the_basis_is_computed_once_for_a_size_and_anew_for_other_weights() -> None:
    torch.manual_seed(0)
    backbone = SmallResNet(stem=(4, 4, 6), widths=(6, 8, 10, 12), blocks=(1, 1, 1, 1))
    method, episode, seen = INSID3(backbone, stages=("layer4",), rank=0.25).eval(), scenes(), []
    backbone.register_forward_hook(lambda module, args, out: seen.append(tuple(args[0].shape)))
    support, query = method.encode_episode(episode)
    method.predict(query, method.condition(support, episode.support_labels))
    method.predict(query, method.condition(support, episode.support_labels))
    assert seen.count((1, 3, 128, 160)) == 1
    first = method.cells.basis(query)
    changed = {name: value + 0.1 * torch.rand_like(value.float()) for name, value in method.state_dict().items()}
    twin = copy.deepcopy(method)
    method.load_state_dict(changed)
    again = method.cells.basis(query)
    assert first is not None
    assert again is not None
    assert not torch.allclose(first, again)
    assert seen.count((1, 3, 128, 160)) == 2
    torch.testing.assert_close(twin.cells.basis(query), first)


def test_several_stages_are_joined_as_unit_vectors_at_the_grid_of_the_first() -> None:
    torch.manual_seed(0)
    backbone = SmallResNet(stem=(4, 4, 6), widths=(6, 8, 10, 12), blocks=(1, 1, 1, 1))
    method, episode = INSID3(backbone, stages=("layer3", "layer1"), rank=0).eval(), scenes()
    support, query = method.encode_episode(episode)
    assert list(support.maps) == ["layer3", "layer1"]
    cells = method.cells.unit(query)
    height, width = method.cells.grid(query)
    assert cells.shape == (2, 2, height * width, 10 + 6)
    torch.testing.assert_close(cells.norm(dim=-1), torch.ones(cells.shape[:-1]))
    torch.testing.assert_close(cells[..., :10].norm(dim=-1).mean(), torch.tensor(0.5**0.5), atol=0.05, rtol=0)
    assert method.predict(query, method.condition(support, episode.support_labels)).shape == (2, 2, 2, 128, 160)


def test_there_is_nothing_to_train() -> None:
    method, episode = _method(), scenes()
    assert method.parameter_groups() == {}
    assert not any(parameter.requires_grad for parameter in method.parameters())
    with pytest.raises(ValueError, match="INSID3 has nothing to train"):
        method.loss(method(episode), episode)


@pytest.mark.parametrize(
    ("rank", "line"),
    [
        (CHANNELS, "rank 48 would leave nothing of 48 channels"),
        (500, "rank 500 would leave nothing of 48 channels"),
        (0.999, "rank 48 would leave nothing of 48 channels"),
    ],
)
def test_a_rank_that_leaves_nothing_is_refused_when_the_method_is_made(rank: float, line: str) -> None:
    with pytest.raises(InputError, match=line):
        _method(rank=rank)


def test_ranks_that_features_do_not_have_are_refused_when_pictures_come() -> None:
    episode = scenes(48, 64)
    with pytest.raises(InputError, match="rank 12 needs more than 12 cells, but the map has 12"):
        _method(rank=12)(episode)
    with pytest.raises(InputError, match="rank 11, but positions show in [67] directions"):
        _method(rank=11)(episode)
    encoder = ToyEncoder(CHANNELS, position=0.0).freeze()
    with pytest.raises(InputError, match="rank 5, but positions show in 0 directions of these features"):
        INSID3(encoder, stages=(TOKENS,), rank=5)(episode)
    with pytest.raises(InputError, match="ToyEncoder has no stage 'layer4'"):
        INSID3(encoder, stages=("layer4",), rank=0)
