"""Class means as a method, and the classifier of base classes that trains its backbone."""

import dataclasses

import torch
import torch.nn.functional as F

from sccan.backbones.resnet12_pooled import PooledResNet12
from sccan.classification.methods.prototypes import PUBLISHED_NAMES, BaseClassifier, Prototypes, unit_pixels
from tests.classification.made_up import made_up_episode


def _backbone() -> PooledResNet12:
    torch.manual_seed(0)
    return PooledResNet12(widths=(4, 6, 8, 12), drop_rate=0)


def test_scores_are_minus_the_squared_distances_to_class_means() -> None:
    model, episode = Prototypes(_backbone()).eval(), made_up_episode()
    with torch.no_grad():
        got = model(episode)
        assert got.shape == (2, 4, 3)
        for n in range(2):
            assert episode.support_images is not None
            assert episode.query_images is not None
            support, query = (
                model.backbone(part[n])["layer4"].mean((2, 3))
                for part in (episode.support_images, episode.query_images)
            )
            for way in range(3):
                mean = support[episode.support_labels[n] == way].mean(0)
                torch.testing.assert_close(got[n, :, way], -(query - mean).square().sum(1), atol=1e-5, rtol=1e-4)
    loss = model.loss(got, episode)["total"]
    torch.testing.assert_close(loss, F.cross_entropy(got.flatten(0, 1), episode.query_labels.flatten()))


def test_in_training_queries_and_supports_have_norms_of_their_own() -> None:
    model, episode = Prototypes(_backbone()).train(), made_up_episode()
    assert episode.query_images is not None
    other = dataclasses.replace(episode, query_images=episode.query_images * 5 + 1)
    support, _ = model.encode_episode(episode)
    changed, _ = model.encode_episode(other)
    assert torch.equal(support.maps["layer4"], changed.maps["layer4"])
    model.loss(model(episode), episode)["total"].backward()
    assert all(p.grad is not None for p in model.parameter_groups()["model"])


def test_unit_pixels_and_transduction_change_what_they_should() -> None:
    pixels = unit_pixels(torch.tensor([3.0, 0.0, 4.0]).view(1, 3, 1, 1))
    torch.testing.assert_close(pixels.flatten(), torch.tensor([0.6, 0.0, 0.8]))
    episode = made_up_episode(n_query=9)
    plain = Prototypes(_backbone()).eval()
    for settings in ({"unit_pixels": True}, {"transductive": True}):
        other = Prototypes(_backbone(), **settings).eval()
        other.load_state_dict(plain.state_dict())
        assert not torch.allclose(plain(episode), other(episode))


def test_base_classes_are_learned_from_single_pictures_and_episodes_answered_by_means() -> None:
    model, episode = BaseClassifier(_backbone(), n_base=7), made_up_episode()
    plain = Prototypes(_backbone()).eval()
    torch.testing.assert_close(model.eval()(episode), plain(episode))
    assert episode.query_images is not None
    outputs = model.train()(episode)
    assert outputs.shape == (2, 4, 7)
    model.eval()
    vectors = model.encode(episode.query_images.flatten(0, 1)).maps["layer4"].flatten(1)
    model.train()
    assert vectors.shape == (8, 12)
    labels = torch.stack([c[q] - 1 for c, q in zip(episode.classes, episode.query_labels, strict=True)])
    losses = model.loss(outputs, episode)
    torch.testing.assert_close(losses["total"], F.cross_entropy(outputs.flatten(0, 1), labels.flatten()))
    losses["total"].backward()
    (group,) = model.parameter_groups().values()
    assert {id(p) for p in group} == {id(p) for p in model.parameters()}
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_published_names_are_those_of_encoder_and_classifier() -> None:
    model = BaseClassifier(_backbone(), n_base=7)
    state = {
        f"encoder.{n.removeprefix('backbone.')}": v for n, v in model.state_dict().items() if "classifier" not in n
    }
    state |= {"pre_fc.0.weight": model.classifier.weight, "pre_fc.0.bias": model.classifier.bias}
    assert set(PUBLISHED_NAMES.ours(state)) == set(model.state_dict())
