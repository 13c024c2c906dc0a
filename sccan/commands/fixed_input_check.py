"""What a model makes of fixed inputs, in numbers that two people can compare.

The inputs are drawn from generators seeded by their own names (`sccan.reference.fill`), so nothing but the weights can
make a difference. Digests of weights and inputs are the same on every machine; outputs agree to rounding, and in every
bit where machine, versions and number of threads are the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sccan.builders.classification.class_words import needs_words
from sccan.builders.released.checkpoint import Released
from sccan.classification.methods.tasnet import TasNet
from sccan.method import Method
from sccan.reference import fill
from sccan.segmentation.parts.pixel_batch import PixelBatch

HEIGHT, WIDTH = 161, 129
"""Of the pictures for segmentation."""
WAYS, QUERIES = 5, 4
SHOWN = 4


@dataclass(frozen=True)
class FixedInputCheck:
    """Outputs of one model for fixed inputs.

    Attributes:
        weights: digest of names, shapes and values.
        inputs: digest of the inputs.
        outputs: what came out, [...].
    """

    weights: str
    inputs: str
    outputs: Tensor

    def same(self, other: FixedInputCheck) -> bool:
        """Whether both agree in every bit."""
        return (self.weights, self.inputs) == (other.weights, other.inputs) and torch.equal(self.outputs, other.outputs)

    def lines(self) -> list[str]:
        """For a terminal."""
        values = self.outputs.double()
        first = ", ".join(f"{value:.6g}" for value in values.flatten()[:SHOWN].tolist())
        shape = "x".join(map(str, self.outputs.shape))
        return [
            f"weights  sha256 {self.weights}",
            f"inputs   sha256 {self.inputs}",
            f"outputs  {shape}: mean {values.mean():.6g}, deviation {values.std():.6g}, "
            f"from {values.min():.6g} to {values.max():.6g}",
            f"         first {first}",
            f"         sha256 {_digest([('outputs', self.outputs)])} (on this machine)",
        ]


def fixed_input_check(released: Released, model: nn.Module) -> FixedInputCheck:
    """Run a model on fixed inputs.

    Args:
        released: what it was built from.
        model: in evaluation mode, on the CPU.
    """
    inputs = _inputs(released, model)
    with torch.no_grad():
        outputs = _run(model, inputs)
    # Of the weights in the file; what a model makes up itself (generators, buffers of zeros) is no part of them.
    own = model.state_dict()
    named = sorted((name, own[name]) for name in released.state if name in own)
    return FixedInputCheck(_digest(named), _digest(inputs.items()), outputs)


def _inputs(released: Released, model: nn.Module) -> dict[str, Tensor]:
    if released.is_classifier:
        height, width = released.cfg.PICTURE.SIZE
        drawn = {
            "support": fill.image("support", (1, WAYS, 3, height, width)),
            "query": fill.image("query", (1, QUERIES, 3, height, width)),
        }
        if isinstance(model, TasNet) and needs_words(model):
            drawn["words"] = fill.feature("words", (WAYS, len(model.word_bias)))
    else:
        n_shot = released.cfg.EPISODE.SHOTS
        drawn = {
            "support": fill.image("support", (1, n_shot, 3, HEIGHT, WIDTH)),
            "support_mask": fill.mask("support_mask", (1, n_shot, HEIGHT, WIDTH)),
            "query": fill.image("query", (1, 1, 3, HEIGHT, WIDTH)),
        }
    return {name: torch.from_numpy(value) for name, value in drawn.items()}


def _run(model: nn.Module, inputs: Mapping[str, Tensor]) -> Tensor:
    """Logits or scores of the query."""
    query = inputs["query"]
    if not isinstance(model, Method):  # a base learner sees single pictures
        return model(PixelBatch(query[0], torch.zeros(query[0, :, 0].shape, dtype=torch.int64)))
    if isinstance(model, TasNet):
        model.know(inputs["words"])
    support = inputs["support"]
    labels = inputs.get("support_mask", torch.arange(WAYS).expand(1, WAYS))
    features = model.encode(support[0]).view(*support.shape[:2])
    return model.predict(model.encode(query[0]).view(*query.shape[:2]), model.condition(features, labels))


def _digest(named: Iterable[tuple[str, Tensor]]) -> str:
    """The first 16 hexadecimal digits of a SHA-256 over names, kinds, shapes and values."""
    found = hashlib.sha256()
    for name, value in named:
        found.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        found.update(value.detach().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
