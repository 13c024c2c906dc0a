"""Norms over several processes: the same numbers as one process with the whole batch, under the same names."""

import copy
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from timm.layers import BatchNormAct2d
from torch import Tensor, multiprocessing, nn

from sccan.backbones.small import SmallResNet
from sccan.backbones.synchronised import SynchronisedBatchNorm2d, synchronise_norms
from sccan.backbones.timm_backbone import timm_backbone

CPU = torch.device("cpu")
SHARES = (slice(0, 1), slice(1, 4))
"""Of four pictures, what either process sees."""


def _model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        nn.BatchNorm2d(4, momentum=0.3),
        nn.ReLU(),
        nn.Sequential(nn.BatchNorm2d(4)),
        BatchNormAct2d(4, act_layer=nn.SiLU),
    )


def _images() -> Tensor:
    return 2 + torch.randn(4, 3, 6, 9, generator=torch.Generator().manual_seed(1))


def _found(model: nn.Module, images: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """Outputs, gradients and running statistics of two training steps without an optimiser."""
    images.requires_grad_()
    for _ in range(2):
        out = model(images)
        (out.square() * weights).sum().backward()
    assert images.grad is not None
    found = {"out": out.detach(), "images": images.grad}
    found |= {f"grad {n}": p.grad for n, p in model.named_parameters() if p.grad is not None}
    return found | {f"state {n}": value.clone() for n, value in model.named_buffers()}


def _weights() -> Tensor:
    return torch.randn(4, 4, 4, 7, generator=torch.Generator().manual_seed(2))


def _process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    model = synchronise_norms(_model(), CPU).train()
    torch.save(_found(model, _images()[SHARES[rank]], _weights()[SHARES[rank]]), Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_compute_what_one_does_with_all_pictures(tmp_path: Path) -> None:
    multiprocessing.spawn(_process, (str(tmp_path),), nprocs=2)
    parts = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    whole = _found(_model().train(), _images(), _weights())
    for name, want in whole.items():
        if name in ("out", "images"):
            got = torch.cat([part[name] for part in parts])
        elif name.startswith("grad"):
            got = parts[0][name] + parts[1][name]
        else:
            got = parts[0][name]
            torch.testing.assert_close(parts[1][name], got, rtol=0, atol=0)
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_names_parameters_and_a_single_process_stay_the_same(kind: str) -> None:
    model = SmallResNet(stem=(4, 4, 6), widths=(6, 8, 10, 12), blocks=(1, 1, 1, 1)).train()
    want, state = dict(model.named_parameters()), {n: v.clone() for n, v in model.state_dict().items()}
    images = torch.randn(2, 3, 33, 41, generator=torch.Generator().manual_seed(0))
    before = model(images)["layer4"]
    model.load_state_dict(state)
    changed = synchronise_norms(model, torch.device(kind))
    norms = [m for m in changed.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert {type(norm) for norm in norms} == {SynchronisedBatchNorm2d if kind == "cpu" else nn.SyncBatchNorm}
    assert {name: id(value) for name, value in changed.named_parameters()} == {n: id(v) for n, v in want.items()}
    assert list(changed.state_dict()) == list(state)
    if kind == "cpu":
        assert torch.equal(changed(images)["layer4"], before)
        assert not torch.equal(changed.state_dict()["bn1.running_mean"], state["bn1.running_mean"])


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_norms_of_timm_keep_their_names_and_their_activation(kind: str) -> None:
    torch.manual_seed(0)
    model = timm_backbone("tf_efficientnet_lite0", stages=("blocks.1",)).train()
    names, before = list(model.state_dict()), copy.deepcopy(model)
    changed = synchronise_norms(model, torch.device(kind))
    norms = [m for m in changed.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert all(isinstance(norm, SynchronisedBatchNorm2d if kind == "cpu" else nn.SyncBatchNorm) for norm in norms)
    assert list(changed.state_dict()) == names
    images = torch.randn(2, 3, 33, 41)
    for training in (True, False) if kind == "cpu" else (False,):
        torch.testing.assert_close(changed.train(training)(images), before.train(training)(images))


def test_a_norm_that_keeps_no_statistics_is_refused() -> None:
    with pytest.raises(ValueError, match="only norms with weights, running statistics and a momentum"):
        synchronise_norms(nn.Sequential(nn.BatchNorm2d(3, affine=False)), CPU)
