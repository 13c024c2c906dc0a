"""The pooled ResNet-12: sizes, dropping in training only, the counter of its blocks, initial weights, refusals."""

import math

import pytest
import torch

from sccan.backbones.resnet12_pooled import PooledResNet12

SMALL = (4, 6, 8, 10)


def test_stages_announce_what_the_maps_are_and_the_last_does_not_pool() -> None:
    backbone = PooledResNet12(widths=SMALL).eval()
    with torch.inference_mode():
        maps = backbone(torch.randn(2, 3, 84, 50))
    assert {name: tuple(value.shape) for name, value in maps.items()} == {
        "layer1": (2, 4, 42, 25),
        "layer2": (2, 6, 21, 13),
        "layer3": (2, 8, 11, 7),
        "layer4": (2, 10, 11, 7),
    }
    assert [stage.stride for stage in backbone.stages.values()] == [2, 4, 8, 8]
    assert all(maps[name].shape[1] == stage.channels for name, stage in backbone.stages.items())
    assert float(maps["layer4"].min()) < 0


def test_the_published_network_has_the_published_number_of_parameters_and_counters() -> None:
    backbone = PooledResNet12()
    assert sum(parameter.numel() for parameter in backbone.parameters()) == 12_424_320
    counter = backbone.state_dict()["layer3.0.num_batches_tracked"]
    assert (counter.dtype, tuple(counter.shape)) == (torch.int64, ())


def test_evaluation_drops_nothing_and_training_drops_elements_first_and_squares_later() -> None:
    torch.manual_seed(0)
    backbone = PooledResNet12(widths=(32, 32, 32, 32), drop_rate=0.5, block_size=3, ramp=1)
    images = torch.randn(4, 3, 40, 56)
    maps = backbone(images)
    shares = {name: float((value == 0).float().mean()) for name, value in maps.items()}
    assert shares["layer1"] == pytest.approx(0.5, abs=0.02)
    assert shares["layer2"] == pytest.approx(0.5, abs=0.02)
    assert 0.3 < shares["layer3"] < 0.5
    alone = (maps["layer4"] == 0).float()  # every dropped cell belongs to a dropped square of 3 x 3
    squares = torch.nn.functional.avg_pool2d(alone, 3, stride=1) == 1
    covered = torch.nn.functional.max_pool2d(torch.nn.functional.pad(squares.float(), (2,) * 4), 3, stride=1)
    assert torch.equal(covered, alone)
    backbone.eval()
    assert torch.equal(backbone(images)["layer4"], backbone(images)["layer4"])
    assert bool((backbone(images)["layer4"] != 0).all())


def test_blocks_count_their_calls_in_training_and_in_evaluation_only_on_request() -> None:
    for count_evaluation, expected in ((False, 2), (True, 3)):
        backbone = PooledResNet12(widths=SMALL, count_evaluation=count_evaluation)
        for mode in (True, False, True):
            backbone.train(mode)(torch.randn(2, 3, 40, 48))
        assert [int(backbone.get_submodule(name)[0].num_batches_tracked) for name in backbone.stages] == [expected] * 4


def test_convolutions_start_with_the_deviation_of_their_fan_out() -> None:
    torch.manual_seed(0)
    weight = PooledResNet12().get_submodule("layer3")[0].conv2.weight.detach()  # 320 outputs, 3 x 3
    assert float(weight.std()) == pytest.approx(math.sqrt(2 / (9 * 320)), rel=0.01)


def test_unfit_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="there are 4, 3"):
        PooledResNet12(strides=(1, 2, 2))
    with pytest.raises(ValueError, match=r"drop rate is 1\.0"):
        PooledResNet12(drop_rate=1.0)
