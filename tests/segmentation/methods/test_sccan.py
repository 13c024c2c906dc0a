"""SCCAN: the three verbs, sizes, gradients, names and parameter counts."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from sccan.backbones.deep_stem import DeepStemResNet
from sccan.backbones.small import SmallResNet
from sccan.backbones.torchvision_resnet import TorchvisionResNet
from sccan.backbones.weights import load_strict, load_weights
from sccan.errors import InputError
from sccan.segmentation.methods.sccan import PUBLISHED_NAMES, SCCAN
from tests.segmentation.methods.episodes import B, K, Q, made_up_episode, one_query

CASES = Path(__file__).parents[2] / "reference" / "cases" / "sccan"


def _model(**settings: object) -> SCCAN:
    torch.manual_seed(0)
    numbers = {"channels": 12, "grid": (8, 12), "window": 4, "heads": 3, "depth": 3, "aspp_dilations": (1, 2)}
    backbone = SmallResNet(stem=(4, 4, 6), widths=(6, 8, 10, 12), blocks=(1, 1, 1, 1))
    return SCCAN(backbone, **{**numbers, **settings})  # type: ignore[arg-type]


def test_conditioning_once_and_predicting_many_equals_the_full_forward() -> None:
    model, episode = _model().eval(), made_up_episode()
    assert episode.support_images is not None
    assert episode.query_images is not None
    with torch.inference_mode():
        together = model(episode)
        support = model.encode(episode.support_images.flatten(0, 1)).view(B, K)
        state = model.condition(support, episode.support_labels)
        for q in range(Q):
            query = model.encode(episode.query_images[:, q]).view(B, 1)
            torch.testing.assert_close(model.predict(query, state)[:, 0], together[:, q], rtol=1e-4, atol=1e-5)
            for b in range(B):
                alone = model(one_query(episode, b, q))[0, 0]
                torch.testing.assert_close(alone, together[b, q], rtol=1e-4, atol=1e-5)


def test_features_computed_earlier_replace_the_pictures() -> None:
    model, episode = _model().eval(), made_up_episode()
    with torch.inference_mode():
        support, query = model.encode_episode(episode)
        cached = dataclasses.replace(
            episode, support_images=None, query_images=None, support_features=support, query_features=query
        )
        assert torch.equal(model(cached), model(episode))


@pytest.mark.parametrize(("size", "grid"), [((49, 65), (8, 12)), ((65, 33), (7, 5)), ((40, 40), (9, 9))])
def test_pictures_and_grids_of_any_shape_give_logits_at_the_size_of_the_picture(
    size: tuple[int, int], grid: tuple[int, int]
) -> None:
    model, episode = _model(grid=grid).eval(), made_up_episode(*size)
    with torch.inference_mode():
        assert model(episode).shape == (B, Q, 2, *size)
        support, query = model.encode_episode(episode)
        prior = model.prior(query, model.condition(support, episode.support_labels))
    assert prior.shape == (B, Q, 1, *grid)
    assert prior.min() >= 0
    assert prior.max() <= 1


def test_queries_may_have_another_size_than_supports() -> None:
    model, episode, other = _model().eval(), made_up_episode(), made_up_episode(33, 41)
    mixed = dataclasses.replace(episode, query_images=other.query_images, query_labels=other.query_labels)
    with torch.inference_mode():
        assert model(mixed).shape == (B, Q, 2, 33, 41)


def test_shots_are_averaged_so_their_order_and_repetition_do_not_matter() -> None:
    model, episode = _model().eval(), made_up_episode()
    assert episode.support_images is not None
    order = [2, 0, 1, 2, 0, 1]
    again = dataclasses.replace(
        episode, support_images=episode.support_images[:, order], support_labels=episode.support_labels[:, order]
    )
    with torch.inference_mode():
        torch.testing.assert_close(model(again), model(episode), rtol=1e-4, atol=1e-5)


def test_ignored_pixels_of_a_support_mask_count_as_background() -> None:
    model, episode = _model().eval(), made_up_episode()
    background = episode.support_labels.where(episode.support_labels != 255, 0)
    with torch.inference_mode():
        assert torch.equal(model(dataclasses.replace(episode, support_labels=background)), model(episode))


def test_an_empty_support_mask_gives_finite_logits_and_a_prior_of_zeros() -> None:
    model, episode = _model().eval(), made_up_episode()
    empty = dataclasses.replace(episode, support_labels=torch.zeros_like(episode.support_labels))
    with torch.inference_mode():
        support, query = model.encode_episode(empty)
        state = model.condition(support, empty.support_labels)
        assert model.prior(query, state).abs().max() == 0
        assert state.prototype.abs().max() == 0
        assert model.predict(query, state).isfinite().all()


def test_gradients_reach_every_trainable_parameter_and_no_frozen_one() -> None:
    model, episode = _model(feature_dropout=0.0, head_dropout=0.0).train(), made_up_episode()
    before = {name: value.clone() for name, value in model.backbone.state_dict().items()}
    model.loss(model(episode), episode)["total"].backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name
        else:
            assert parameter.grad is None, name
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    last_support = ("transformer.blocks.2.support_attention.", "transformer.blocks.2.support_mlp.")
    assert all(name.startswith(("backbone.", *last_support)) for name in frozen)
    assert all(torch.equal(value, before[name]) for name, value in model.backbone.state_dict().items())


def test_parameter_groups_hold_every_trainable_parameter_once() -> None:
    model = _model()
    groups = model.parameter_groups()
    assert list(groups) == ["head", "transformer"]
    grouped = [parameter for group in groups.values() for parameter in group]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {parameter for parameter in model.parameters() if parameter.requires_grad}
    assert set(groups["transformer"]) <= set(model.transformer.parameters())


def test_dropout_acts_in_training_only_and_the_loss_can_leave_ignored_pixels_out() -> None:
    model, episode = _model().train(), made_up_episode()
    assert not torch.equal(model(episode), model(episode))
    outputs = model.eval()(episode)
    assert torch.equal(model(episode), outputs)
    published, ignoring = model.loss(outputs, episode), _model(ignore_label=255).loss(outputs, episode)
    assert published["total"] == published["dice"]
    assert ignoring["total"] < published["total"]


def test_half_precision_changes_little() -> None:
    model, episode = _model().eval(), made_up_episode()
    with torch.inference_mode():
        want = model(episode)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            got = model(episode)
    assert (got.float() - want).abs().mean() < 0.1 * want.std()


def test_a_strided_backbone_serves_too() -> None:
    """Its merged stages differ in size: 8 and 16 pixels per cell."""
    torch.manual_seed(0)
    model = SCCAN(TorchvisionResNet("resnet18"), channels=8, grid=(6, 8), window=4, heads=2, depth=1).eval()
    with torch.inference_mode():
        assert model(made_up_episode(48, 64)).shape == (B, Q, 2, 48, 64)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"merge_stages": ("layer2", "layer7")}, "no stage 'layer7'"),
        ({"prior_stage": "res4"}, "no stage 'res4'"),
        ({"heads": 5}, "12 channels cannot be shared by 5 heads"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _model(**settings)


@pytest.mark.parametrize(("depth", "entries", "total"), [(50, 489, 34_951_618), (101, 744, 53_891_522)])
def test_the_default_model_has_the_published_size(depth: int, entries: int, total: int) -> None:
    with torch.device("meta"):
        model = SCCAN(DeepStemResNet(depth))
    assert len(model.state_dict()) == entries
    assert sum(parameter.numel() for parameter in model.parameters()) == total
    trainable = {name: sum(p.numel() for p in group) for name, group in model.parameter_groups().items()}
    # Published: 11,373,314 with the last block's support half, 394,752 parameters that never get a gradient.
    assert sum(trainable.values()) == 11_373_314 - 394_752
    assert trainable["transformer"] == 6_324_736 - 394_752
    parts = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert parts["down_query"] == parts["down_support"] == 393_216
    assert parts["merge_query"] == parts["merge_support"] == 131_328
    assert parts["head"] == 1_901_824 + 327_680 + 1_179_648 + 590_338


def test_names_and_shapes_are_those_of_a_published_checkpoint() -> None:
    manifest = json.loads((CASES / "model_r50_1shot_b1.json").read_text())["weights"]
    with torch.device("meta"):
        state = SCCAN(DeepStemResNet(50)).state_dict()
    published = PUBLISHED_NAMES.published(state)
    assert {name: list(value.shape) for name, value in published.items()} == {
        name: shape for name, (shape, _) in manifest.items()
    }
    assert list(PUBLISHED_NAMES.ours(published)) == list(state) == list(PUBLISHED_NAMES.ours(state))


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_published_checkpoint_loads_strictly_with_and_without_the_prefix(tmp_path: Path, prefix: str) -> None:
    source, target = _model(aspp_dilations=(1, 2, 3)), _model(aspp_dilations=(1, 2, 3))
    with torch.no_grad():
        for value in source.state_dict().values():
            if value.is_floating_point():
                value.uniform_()
    state = {prefix + name: value for name, value in PUBLISHED_NAMES.published(source.state_dict()).items()}
    optimizer = {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": [{"lr": 0.05, "params": [0]}]}
    torch.save({"epoch": 33.5, "state_dict": state, "optimizer": optimizer}, tmp_path / "train_epoch_33.5_0.4571.pth")
    load_weights(target, tmp_path / "train_epoch_33.5_0.4571.pth", names=PUBLISHED_NAMES)
    own = target.state_dict()
    assert all(torch.equal(own[name], value) for name, value in source.state_dict().items())

    del state[prefix + "cls_meta.3.bias"]
    torch.save({"state_dict": state}, tmp_path / "partial.pth")
    with pytest.raises(InputError, match=r"1 missing: head.classify.3.bias"):
        load_weights(target, tmp_path / "partial.pth", names=PUBLISHED_NAMES)


def test_a_checkpoint_of_another_depth_is_named() -> None:
    with torch.device("meta"):
        deep, model = SCCAN(DeepStemResNet(101)), SCCAN(DeepStemResNet(50))
    with pytest.raises(InputError, match="it holds a deep-stem ResNet-101, the model is a deep-stem ResNet-50"):
        load_strict(model, PUBLISHED_NAMES.ours(PUBLISHED_NAMES.published(deep.state_dict())), source="file")
