"""ASPP and the dense head."""

import torch
import torch.nn.functional as F

from sccan.segmentation.parts.heads import ASPP, DenseHead, PyramidHead


def test_aspp_branches_are_global_local_and_dilated_in_this_order() -> None:
    torch.manual_seed(0)
    aspp = ASPP(3, dilations=(2, 4))
    maps = torch.randn(2, 3, 9, 7)
    out = aspp(maps)
    assert out.shape == (2, 12, 9, 7)
    assert aspp.out_channels == 12
    first, second, third, fourth = aspp.branches
    whole = F.relu(maps.mean((2, 3)) @ first.weight[:, :, 0, 0].T + first.bias)  # type: ignore[operator,index]
    torch.testing.assert_close(out[:, :3], whole[..., None, None].expand(2, 3, 9, 7))
    torch.testing.assert_close(out[:, 3:6], F.relu(F.conv2d(maps, second.weight, second.bias)))  # type: ignore[arg-type]
    for branch, dilation, channels in ((third, 2, slice(6, 9)), (fourth, 4, slice(9, 12))):
        want = F.conv2d(maps, branch.weight, branch.bias, padding=dilation, dilation=dilation)  # type: ignore[arg-type]
        torch.testing.assert_close(out[:, channels], F.relu(want))


def test_the_head_keeps_the_size_and_has_the_published_number_of_parameters() -> None:
    assert DenseHead(8)(torch.randn(3, 8, 5, 9)).shape == (3, 2, 5, 9)
    published = 1_901_824 + 327_680 + 1_179_648 + 590_338  # ASPP, res1, res2, cls
    assert sum(parameter.numel() for parameter in DenseHead(256).parameters()) == published


def test_channel_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    head, maps = DenseHead(8, dropout=0.5), torch.randn(2, 8, 5, 9)
    assert not torch.equal(head.train()(maps), head(maps))
    assert torch.equal(head.eval()(maps), head(maps))


def test_the_pyramid_head_is_the_map_beside_its_pooled_grids() -> None:
    torch.manual_seed(0)
    head, maps = PyramidHead(8, 3, channels=5, bins=(1, 3)).eval(), torch.randn(2, 8, 9, 7)
    parts = [maps]
    for branch, side in zip(head.branches, (1, 3), strict=True):
        grid = F.relu(branch(F.adaptive_avg_pool2d(maps, side)))
        parts.append(F.interpolate(grid, (9, 7), mode="bilinear", align_corners=True))
    torch.testing.assert_close(head(maps), head.classify(torch.cat(parts, 1)))
    assert head.classify[0].in_channels == 16
