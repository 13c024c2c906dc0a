"""Updates of real methods by two processes: ``python -m torch.distributed.run ... -m tests.engine.parallel FOLDER``."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sccan.engine.distributed import Runtime, start
from sccan.engine.optimizers import OptimizerSettings
from sccan.engine.update import Updater
from sccan.segmentation.parts.pixel_batch import PixelBatch
from tests.classification.made_up import made_up_episode, small_can
from tests.engine.processes import run_module
from tests.engine.test_update import halves
from tests.segmentation.methods import test_bam, test_pspnet, test_sccan
from tests.segmentation.methods.episodes import made_up_episode as segmentation_episode

STEPS = 2


def _sccan() -> tuple[nn.Module, list[Any]]:
    return test_sccan._model(feature_dropout=0.0, head_dropout=0.0), halves(segmentation_episode())


def _bam() -> tuple[nn.Module, list[Any]]:
    model = test_bam._model(feature_dropout=0.0, head_dropout=0.0, base_dropout=False)
    return model, halves(segmentation_episode())


def _pspnet() -> tuple[nn.Module, list[Any]]:
    model, batch = test_pspnet._small(), test_pspnet._batch()
    for module in model.modules():
        if isinstance(module, nn.Dropout2d):
            module.p = 0.0
    # Two pictures each: norms want more than one value per channel of the pooled grids.
    return model, [PixelBatch(batch.images.roll(n, -1), batch.labels.roll(n, -1)) for n in (0, 7)]


def _can() -> tuple[nn.Module, list[Any]]:
    return small_can(), halves(made_up_episode())


METHODS: dict[str, Callable[[], tuple[nn.Module, list[Any]]]] = {
    "sccan": _sccan,
    "bam": _bam,
    "pspnet": _pspnet,
    "can": _can,
}


def updated(name: str, runtime: Runtime) -> dict[str, Tensor]:
    """Weights after some updates with this process's batch, or with those of both on a single process."""
    model, batches = METHODS[name]()
    names = list(model.state_dict())
    recipe = {group: OptimizerSettings("sgd", lr=0.1) for group in model.parameter_groups()}  # type: ignore[operator]
    updater = Updater(model.train(), recipe, 10, runtime)
    mine = batches if runtime.world_size == 1 else [batches[runtime.rank]]
    for number in range(1, STEPS + 1):
        updater.step(number, mine, len(mine))
    assert list(model.state_dict()) == names
    return {name: value.detach().clone() for name, value in model.named_parameters()}


def launch(folder: Path) -> list[dict[str, dict[str, Tensor]]]:
    """What each of two processes has."""
    launcher = ("torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "tests.engine.parallel")
    code, output = run_module(*launcher, str(folder))
    assert code == 0, output
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(2)]


if __name__ == "__main__":
    torch.set_num_threads(1)
    with start("cpu") as place:
        torch.save({name: updated(name, place) for name in METHODS}, Path(sys.argv[1]) / f"rank{place.rank}.pt")
