"""The base-class segmenter."""

import pytest
import torch
from torch import nn

from sccan.backbones.small import SmallResNet
from sccan.errors import InputError
from sccan.segmentation.methods.pixel_classifier import PixelBatch, PixelClassifier
from sccan.segmentation.parts.losses import pixel_cross_entropy


def _batch() -> PixelBatch:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 6, (2, 33, 49), generator=generator)
    labels[labels == 5] = 255
    return PixelBatch(torch.randn(2, 3, 33, 49, generator=generator), labels)


def test_logits_have_the_size_of_the_pictures_and_the_loss_weighs_the_background() -> None:
    torch.manual_seed(0)
    model, batch = PixelClassifier(SmallResNet(), 5, background_weight=0.4), _batch()
    logits = model(batch)
    assert logits.shape == (2, 5, 33, 49)
    losses = model.loss(logits, batch)
    assert set(losses) == {"cross_entropy", "total"}
    torch.testing.assert_close(losses["total"], pixel_cross_entropy(logits, batch.labels, background_weight=0.4))


def test_every_parameter_is_trained_once_and_gets_a_gradient() -> None:
    torch.manual_seed(0)
    model, batch = PixelClassifier(SmallResNet(), 5), _batch()
    model.loss(model(batch), batch)["total"].backward()
    (group,) = model.parameter_groups().values()
    assert len(group) == len(set(group)) == len(list(model.parameters()))
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in group)


def test_a_few_steps_learn_to_tell_bright_from_dark() -> None:
    torch.manual_seed(0)
    labels = torch.zeros(2, 33, 49, dtype=torch.int64)
    labels[:, 8:24, 16:40] = 1
    batch = PixelBatch(labels.unsqueeze(1).expand(2, 3, 33, 49) * 2.0 - 1, labels)
    model = PixelClassifier(SmallResNet(), 2).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(15):
        loss = model.loss(model(batch), batch)["total"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_another_stage_and_another_classifier_can_be_given() -> None:
    classifier = nn.Sequential(nn.Conv2d(64, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 5, 1))
    assert PixelClassifier(SmallResNet(), 5, stage="layer2", classifier=classifier)(_batch()).shape == (2, 5, 33, 49)


def test_a_stage_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="has no stage 'layer5'"):
        PixelClassifier(SmallResNet(), 5, stage="layer5")
