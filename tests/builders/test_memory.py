"""Settings that ask for more memory than there is are refused in a line, before anything is allocated."""

from __future__ import annotations

import pytest
import torch

from sccan.builders import memory
from sccan.builders.memory import require_memory
from sccan.commands.train import require_fit
from sccan.errors import InputError
from sccan.settings.loading import load_config

CPU = torch.device("cpu")
SHAPES, LABELS = "config/shapes/shapes_split0", "config/cifar_fs/can_cpu_5w1s.yaml"


@pytest.fixture(autouse=True)
def _little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "machine_bytes", lambda device: 8 << 30)


@pytest.mark.parametrize("config", [f"{SHAPES}.yaml", f"{SHAPES}_bam.yaml", f"{SHAPES}_base.yaml", LABELS])
def test_what_fits_passes(config: str) -> None:
    require_fit(load_config(config), CPU)


@pytest.mark.parametrize(
    ("config", "opts", "line"),
    [
        (
            f"{SHAPES}.yaml",
            ["TRAIN.BATCH_SIZE", "100000"],
            r"a batch of 200000 pictures of .*; lower TRAIN\.BATCH_SIZE",
        ),
        (LABELS, ["PICTURE.SIZE", "[4000,4000]"], r"pictures of 4000x4000 takes more than .* GB, but cpu has 8\.59 GB"),
        (
            f"{SHAPES}.yaml",
            ["METHOD.SCCAN.CHANNELS", "8192"],
            r"8192 channels .*; lower METHOD\.SCCAN\.CHANNELS or DEPTH",
        ),
        (f"{SHAPES}_bam.yaml", ["METHOD.BAM.CHANNELS", "8192"], r"8192 channels .*; lower METHOD\.BAM\.CHANNELS"),
        (
            f"{SHAPES}_base.yaml",
            ["BACKBONE.SMALL.WIDTHS", "[4096,4096,4096,4096]"],
            r"a backbone of 4096 4096 4096 4096 channels .*; lower BACKBONE\.SMALL\.WIDTHS",
        ),
        (LABELS, ["BACKBONE.RESNET12.WIDTHS", "[4096,4096,4096,4096]"], r"lower BACKBONE\.RESNET12\.WIDTHS"),
    ],
)
def test_what_is_larger_than_the_machine_is_one_line(config: str, opts: list[str], line: str) -> None:
    with pytest.raises(InputError, match=line) as caught:
        require_fit(load_config(config, opts), CPU)
    assert "\n" not in str(caught.value)


def test_a_frozen_backbone_needs_its_weights_alone() -> None:
    cfg = load_config(f"{SHAPES}.yaml", ["BACKBONE.SMALL.WIDTHS", "[4096,4096,4096,4096]"])
    require_memory(cfg, CPU, classification=False, learns_backbone=False)
    with pytest.raises(InputError, match="a backbone of 4096 4096 4096 4096 channels"):
        require_memory(cfg, CPU, classification=False, learns_backbone=True)
