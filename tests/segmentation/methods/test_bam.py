"""BAM: the three verbs, what is frozen, the ensemble, shots, losses, names and parameter counts."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from sccan.backbones.deep_stem import BAM_DILATIONS, DeepStemResNet
from sccan.backbones.frozen_norm import FrozenBatchNorm2d
from sccan.backbones.small import SmallResNet
from sccan.backbones.stage import Backbone
from sccan.backbones.vgg import VGG16
from sccan.backbones.weights import load_weights
from sccan.errors import InputError
from sccan.segmentation.methods import bam
from sccan.segmentation.methods.bam import BAM, PUBLISHED_NAMES, BAMOutputs, Ensemble, ShotWeights
from sccan.segmentation.parts.gram import gram_matrix
from sccan.segmentation.parts.heads import PyramidHead
from sccan.segmentation.parts.losses import pixel_cross_entropy
from tests.segmentation.methods.episodes import BASE, B, K, Q, made_up_episode, one_query

CASES = Path(__file__).parents[2] / "reference" / "cases" / "bam"


def _head(in_channels: int) -> PyramidHead:
    return PyramidHead(in_channels, len(BASE) + 1, channels=8, norm_layer=FrozenBatchNorm2d)


def _model(n_shot: int = K, **settings: object) -> BAM:
    torch.manual_seed(0)
    backbone = SmallResNet(stem=(4, 4, 6), widths=(6, 8, 10, 12), blocks=(1, 1, 1, 1), norm_layer=FrozenBatchNorm2d)
    head = settings.pop("base_head", None) or _head(12)
    numbers = {"channels": 12, "aspp_dilations": (1, 2), "n_shot": n_shot}
    model = BAM(backbone, head, BASE, **{**numbers, **settings})  # type: ignore[arg-type]
    with torch.no_grad():  # not the meta learner alone
        model.ensemble.adjust.weight.copy_(torch.tensor([0.9, 0.4]).view(1, 2, 1, 1))
        model.ensemble.join.weight.copy_(torch.tensor([0.8, 0.5]).view(1, 2, 1, 1))
    return model


def test_conditioning_once_and_predicting_many_is_the_full_forward() -> None:
    model, episode = _model().eval(), made_up_episode()
    whole = model(episode)
    assert whole.shape == (B, Q, 2, 49, 65)
    support, query = model.encode_episode(episode)
    torch.testing.assert_close(model.predict(query, model.condition(support, episode.support_labels)), whole)
    for b in range(B):
        for q in range(Q):
            torch.testing.assert_close(model(one_query(episode, b, q))[0, 0], whole[b, q], rtol=1e-4, atol=1e-5)


def test_the_base_head_runs_once_per_query_whatever_the_shots() -> None:
    model, seen = _model().eval(), []
    model.base_head.register_forward_hook(lambda module, args, out: seen.append(len(args[0])))
    model(made_up_episode())
    assert seen == [B * Q]


def test_gram_matrices_are_made_once_per_picture_whatever_the_queries_and_shots(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[int, ...]] = []

    def counted(maps: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(maps.shape[:-3]))
        return gram_matrix(maps)

    monkeypatch.setattr(bam, "gram_matrix", counted)
    _model().eval()(made_up_episode())
    assert seen == [(B, K), (B, Q)]


def test_supports_reach_the_priors_stage_masked_only() -> None:
    model, episode, seen = _model().eval(), made_up_episode(), []
    support, query = (model.encode(x.flatten(0, 1)) for x in (episode.support_images, episode.query_images))  # type: ignore[union-attr]
    want = model.predict(query.view(B, Q), model.condition(support.view(B, K), episode.support_labels))
    model.backbone.layer4.register_forward_hook(lambda module, args, out: seen.append(len(args[0])))
    torch.testing.assert_close(model(episode), want)
    assert seen == [B * Q, B * K]
    assert list(model.encode_episode(episode)[0].maps) == ["layer3", "layer2"]


def test_a_stage_that_supports_need_is_made_of_them() -> None:
    model, episode = _model(merge_stages=("layer4", "layer2")).eval(), made_up_episode()
    assert "layer4" in model.encode_episode(episode)[0].maps
    assert model(episode).shape == (B, Q, 2, 49, 65)


def test_no_stage_beyond_the_last_one_used_is_computed() -> None:
    model = _model(prior_stage="layer3", merge_stages=("layer2", "layer1"), base_head=_head(10)).eval()
    model.backbone.layer4.register_forward_hook(lambda module, args, out: pytest.fail("layer4 is not used"))
    assert model(made_up_episode()).shape == (B, Q, 2, 49, 65)


def test_features_may_come_instead_of_images() -> None:
    model, episode = _model().eval(), made_up_episode()
    support, query = model.encode_episode(episode)
    cached = dataclasses.replace(
        episode, support_images=None, query_images=None, support_features=support, query_features=query
    )
    torch.testing.assert_close(model(cached), model(episode))


def test_supports_are_seen_through_their_mask_alone() -> None:
    """Background pixels of the support reach the prior and the prototype through the backbone's reach only."""
    model, episode = _model(prior_stage="layer2", merge_stages=("layer3", "layer2")).eval(), made_up_episode()
    support, _ = model.encode_episode(episode)
    masks = (episode.support_labels == 1).float().unsqueeze(2)
    changed = {name: maps.clone() for name, maps in support.maps.items()}
    changed["layer1"][..., -2:, :] += 5  # rows far from the foreground
    moved = dataclasses.replace(support, maps=changed)
    torch.testing.assert_close(model._masked(moved, masks), model._masked(support, masks))


@pytest.mark.parametrize("training", [False, True])
def test_the_own_class_is_left_out_of_the_base_map(training: bool) -> None:
    model = _model().train(training)
    logits = torch.randn(B, Q, len(BASE) + 1, 3, 4, generator=torch.Generator().manual_seed(0))
    state = model.condition(*_support(model)).of_classes(torch.tensor([[7], [3]]))  # one base class, one novel
    shares = logits.softmax(2)
    out = model.base_map(logits, state, (3, 4))[:, :, 0]
    torch.testing.assert_close(out[0], shares[0, :, [1, 2, 4]].sum(1))
    torch.testing.assert_close(out[1], shares[1, :, 1:].sum(1))


def _support(model: BAM):  # type: ignore[no-untyped-def]
    episode = made_up_episode()
    return model.encode_episode(episode)[0], episode.support_labels


def test_the_ensemble_by_hand() -> None:
    ensemble = Ensemble()
    with torch.no_grad():
        ensemble.adjust.weight.copy_(torch.tensor([0.5, 2.0]).view(1, 2, 1, 1))
        ensemble.join.weight.copy_(torch.tensor([3.0, 10.0]).view(1, 2, 1, 1))
    meta = torch.log(torch.tensor([0.25, 0.75])).view(1, 1, 2, 1, 1)
    final = ensemble(meta, torch.full((1, 1, 1, 1, 1), 0.2), torch.tensor([[0.1]]))
    adjusted = 0.5 * 0.25 + 2 * 0.1, 0.5 * 0.75 + 2 * 0.1
    torch.testing.assert_close(final.flatten(), torch.tensor([3 * adjusted[0] + 10 * 0.2, adjusted[1]]))


def test_the_ensemble_begins_as_the_meta_learner_alone() -> None:
    meta = torch.randn(B, Q, 2, 3, 4, generator=torch.Generator().manual_seed(0))
    final = Ensemble()(meta, torch.rand(B, Q, 1, 3, 4), torch.rand(B, Q))
    torch.testing.assert_close(final, meta.softmax(2))


def test_shots_are_weighed_in_the_order_of_their_difference() -> None:
    weights = ShotWeights(3, 0)
    assert isinstance(weights.network, nn.Conv2d)
    with torch.no_grad():
        weights.network.weight.copy_(torch.diag(torch.tensor([1.0, 2.0, 3.0]))[..., None, None])
    difference = torch.tensor([[[0.3, 0.1, 0.2]]])
    want = torch.tensor([0.9, 0.1, 0.4]).softmax(0)  # the smallest is multiplied by 1, the largest by 3
    torch.testing.assert_close(weights(difference)[0, 0], want)


def test_a_single_convolution_begins_as_the_mean() -> None:
    torch.testing.assert_close(ShotWeights(4, 0)(torch.rand(B, Q, 4)), torch.full((B, Q, 4), 0.25))


def test_the_order_of_shots_does_not_matter() -> None:
    model, episode = _model().eval(), made_up_episode()
    assert episode.support_images is not None
    order = [2, 0, 1]
    turned = dataclasses.replace(
        episode, support_images=episode.support_images[:, order], support_labels=episode.support_labels[:, order]
    )
    torch.testing.assert_close(model(turned), model(episode), rtol=1e-4, atol=1e-5)


def test_one_shot_counts_whole_and_another_number_is_refused() -> None:
    model, episode = _model(), made_up_episode()
    support, query = model.encode_episode(episode)
    one = dataclasses.replace(support, maps={name: maps[:, :1] for name, maps in support.maps.items()})
    evidence = model.evidence(query, model.condition(one, episode.support_labels[:, :1]))
    assert (evidence.weights == 1).all()
    two = dataclasses.replace(support, maps={name: maps[:, :2] for name, maps in support.maps.items()})
    with pytest.raises(InputError, match="this BAM weighs 3 shots, but episodes have 2"):
        model.condition(two, episode.support_labels[:, :2])


def test_the_losses_are_named_and_add_up() -> None:
    model, episode = _model(meta_weight=0.5, base_weight=0.25).train(), made_up_episode()
    outputs = model(episode)
    losses = model.loss(outputs, episode)
    assert set(losses) == {"final", "meta", "base", "total"}
    torch.testing.assert_close(losses["total"], losses["final"] + 0.5 * losses["meta"] + 0.25 * losses["base"])
    labels = episode.query_labels.flatten(0, 1)
    torch.testing.assert_close(losses["final"], pixel_cross_entropy(outputs.final.flatten(0, 1), labels))


def test_without_base_labels_the_base_maps_are_not_made_large() -> None:
    model, episode = _model().train(), dataclasses.replace(made_up_episode(), query_base_labels=None)
    outputs = model(episode)
    assert isinstance(outputs, BAMOutputs)
    assert outputs.base is None
    assert set(model.loss(outputs, episode)) == {"final", "meta", "total"}


def test_gradients_reach_every_trainable_parameter_and_no_frozen_one() -> None:
    model, episode = _model(feature_dropout=0.0, head_dropout=0.0).train(), made_up_episode()
    model.loss(model(episode), episode)["total"].backward()
    (trained,) = model.parameter_groups().values()
    assert len(trained) == len(set(trained))
    named = dict(model.named_parameters())
    frozen = {name for name in named if name.startswith(("backbone.", "base_head."))}
    assert {id(p) for p in trained} == {id(p) for name, p in named.items() if name not in frozen}
    assert all(named[name].grad is None for name in frozen)
    assert all(named[name].grad is not None and named[name].grad.any() for name in named if name not in frozen)


@pytest.mark.parametrize("base_dropout", [True, False])
def test_the_frozen_base_head_stays_in_eval_mode_but_for_its_dropout(base_dropout: bool) -> None:
    model = _model(base_dropout=base_dropout)
    model.base_head.classify[1] = nn.BatchNorm2d(8)  # a norm that could learn
    model.train()
    training = {type(module) for module in model.base_head.modules() if module.training}
    assert training == ({nn.Dropout2d} if base_dropout else set())
    assert not model.backbone.training
    assert not any(module.training for module in model.eval().modules())


@pytest.mark.parametrize(
    ("backbone", "n_shot", "total", "trained"),
    [
        (lambda: DeepStemResNet(50, dilations=BAM_DILATIONS), 1, 51_631_062, 4_917_254),
        (lambda: DeepStemResNet(101, dilations=BAM_DILATIONS), 1, 70_623_190, 4_917_254),
        (VGG16, 1, 24_238_166, 4_524_038),
    ],
)
def test_the_published_parameter_counts(backbone, n_shot: int, total: int, trained: int) -> None:  # type: ignore[no-untyped-def]
    with torch.device("meta"):
        made: Backbone = backbone()
        head = PyramidHead(made.stage("layer4").channels, 16, norm_layer=nn.BatchNorm2d)
        model = BAM(made, head, range(1, 16), n_shot=n_shot)
    assert sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad) == trained
    norms = sum(b.numel() for n, b in model.backbone.named_buffers() if n.endswith((".weight", ".bias")))
    assert sum(parameter.numel() for parameter in model.parameters()) + norms == total


def test_a_published_5_shot_checkpoint_loads_strictly(tmp_path: Path) -> None:
    manifest = json.loads((CASES / "bam_resnet50_5shot_train.json").read_text())["weights"]
    state = {
        f"module.{name}": torch.full(shape, float(index)).to(getattr(torch, kind))
        for index, (name, (shape, kind)) in enumerate(manifest.items())
    }
    path = tmp_path / "train5_epoch_47.5_0.4926.pth"
    torch.save({"epoch": 47.5, "state_dict": state}, path)
    head = PyramidHead(2048, 16, norm_layer=FrozenBatchNorm2d)
    model = BAM(DeepStemResNet(50, dilations=BAM_DILATIONS), head, range(1, 16), n_shot=5)
    load_weights(model, path, names=PUBLISHED_NAMES)
    assert model.shot_weights is not None
    assert model.shot_weights.network[2].weight.eq(state["module.kshot_rw.2.weight"]).all()
    assert model.ensemble.join.weight.eq(state["module.cls_merge.weight"]).all()
    published = set(PUBLISHED_NAMES.published(model.state_dict()))
    assert published == {name for name in manifest if not name.endswith("num_batches_tracked")}


def test_a_first_stage_cannot_be_the_priors() -> None:
    with pytest.raises(InputError, match="layer1 is the first stage of SmallResNet"):
        _model(prior_stage="layer1")


def test_the_ensemble_and_the_shot_weights_compute_in_float32_under_autocast() -> None:
    model = _model().eval()
    generator = torch.Generator().manual_seed(2)
    meta, base = torch.randn(B, Q, 2, 5, 7, generator=generator), torch.rand(B, Q, 1, 5, 7, generator=generator)
    difference = torch.rand(B, Q, K, generator=generator)
    with torch.inference_mode():
        want = model.ensemble(meta, base, difference.mean(-1)), model.shot_weights(difference)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            got = model.ensemble(meta, base, difference.mean(-1)), model.shot_weights(difference)
    for one, other in zip(got, want, strict=True):
        assert torch.equal(one, other)
