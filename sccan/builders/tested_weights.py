"""What the numbers of a test come from: a checkpoint, or the weights of a backbone where nothing is trained."""

from __future__ import annotations

from dataclasses import dataclass

from yacs.config import CfgNode

from sccan.backbones.weights import weights_digest
from sccan.errors import InputError
from sccan.method import Method


@dataclass(frozen=True)
class TestedWeights:
    """Where the numbers of a tested method come from.

    Attributes:
        source: file, or name of the backbone's weights.
        digest: of their content.
        selection: how they were chosen.
    """

    source: str
    digest: str
    selection: str


def weights_of_backbone(cfg: CfgNode, method: Method) -> TestedWeights:
    """Of a method that is not trained."""
    digest = weights_digest(method.get_submodule("backbone"))[:16]
    return TestedWeights(cfg.BACKBONE.WEIGHTS, digest, "nothing is trained")


def refuse_checkpoint(cfg: CfgNode, weights: str) -> None:
    """Raises InputError: a checkpoint is given for a method that has none."""
    if weights or cfg.TEST.WEIGHTS:
        raise InputError(
            f"{cfg.METHOD.NAME} has no checkpoint, since nothing of it is trained; leave the weights out and name "
            "those of its backbone (BACKBONE.WEIGHTS)"
        )


def refuse_training(cfg: CfgNode) -> None:
    """Raises InputError: always, for a method that has nothing to train."""
    raise InputError(
        f"METHOD.NAME is {cfg.METHOD.NAME!r}, which has nothing to train; test it, or choose another method"
    )
