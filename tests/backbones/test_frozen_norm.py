"""The frozen norm against torchvision's own, bit for bit."""

import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d as Torchvisions

from sccan.backbones.frozen_norm import FrozenBatchNorm2d


def test_it_loads_a_trained_norm_and_computes_what_torchvisions_does_to_the_bit() -> None:
    random = torch.Generator().manual_seed(0)
    trained = nn.BatchNorm2d(5)
    for value in (*trained.parameters(), trained.running_mean, trained.running_var):
        value.data = torch.rand(5, generator=random) + 0.1
    ours, theirs = FrozenBatchNorm2d(5), Torchvisions(5)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for norm in (ours, theirs):
        norm.load_state_dict(trained.state_dict(), strict=True)
    maps = torch.randn(2, 5, 7, 9, generator=random)
    assert torch.equal(ours(maps), theirs(maps))
    assert list(ours.parameters()) == []
    torch.testing.assert_close(ours(maps), trained.eval()(maps))
