"""The verbs of a method as graphs: encode, condition and predict.

Graphs hold one episode: K support pictures and one query. Letters: N pictures, K shots, H W picture size, C channels.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sccan.classification.methods.logistic_shot import LogisticShot
from sccan.classification.methods.simple_shot import SimpleShot
from sccan.engine.folded import fold_backbones
from sccan.engine.onnx_backbone import without_margins
from sccan.engine.onnx_graph import Axes, graph_of
from sccan.episodes.episode import Features
from sccan.errors import InputError
from sccan.graphs.states import named_tensors, with_tensors
from sccan.method import Method
from sccan.segmentation.methods.bam import BAM
from sccan.segmentation.methods.guided_density import GuidedDensity
from sccan.segmentation.methods.sccan import SCCAN

LOOKS_AT_VALUES = "what it does depends on values that a graph cannot look at; the states of the examples are beside it"
WITHOUT_CONDITION: Mapping[type[Method], str] = {
    GuidedDensity: LOOKS_AT_VALUES,
    SimpleShot: "it is the mean over each class; the states of the examples are beside it",
    LogisticShot: "scikit-learn fits it; the states of the examples are beside it",
}
"""Method -> why its `condition` is no graph."""
EXPORTED: tuple[type[Method], ...] = (SCCAN, BAM, *WITHOUT_CONDITION)
QUERY = "query."
"""What names of a query's maps begin with."""


@dataclass(frozen=True)
class Verb:
    """A graph and how it is called.

    Attributes:
        content: the graph.
        inputs, outputs: their names, in order.
    """

    content: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Verbs:
    """Graphs of a method's verbs for pictures of one size.

    Attributes:
        method: a copy, its norms folded, in evaluation mode on the CPU.
        size: H and W.
    """

    def __init__(self, method: Method, size: tuple[int, int]) -> None:
        """Raises InputError: it is a method that cannot be written as graphs."""
        if type(method) not in EXPORTED:
            names = ", ".join(kind.__name__ for kind in EXPORTED)
            raise InputError(f"{type(method).__name__} cannot be written as ONNX; what can: {names}")
        if isinstance(method, SCCAN) and method.evidence is not None:
            raise InputError("SCCAN over evidence cannot be written as ONNX; export one that learned with its prior")
        self.method, self.size = copy.deepcopy(method).cpu().eval(), size
        if isinstance(self.method, GuidedDensity):
            self.method.aligns = False
        fold_backbones(self.method)
        without_margins(self.method, size)

    @property
    def no_condition(self) -> str:
        """Why `condition` is no graph; empty: it is one."""
        return WITHOUT_CONDITION.get(type(self.method), "")

    def predict_name(self, state: Any) -> str:
        """What the graph of `predict` is called; states whose graphs differ get different names."""
        if isinstance(self.method, GuidedDensity):
            return f"predict_radius_{state[0].radius}"
        return "predict"

    def encode(self) -> Verb:
        """``images`` [N, 3, H, W], normalised, to the maps [N, C, h, w] of pictures."""
        images = torch.zeros(1, 3, *self.size)
        names = list(self._encoded(images).maps)
        axes = {name: {0: "pictures"} for name in ("images", *names)}
        return self._graph(_Encode(self.method), [images], ["images"], names, axes)

    def as_example(self, image: Tensor, features: Features) -> Features:
        """Features of a picture [1, 3, H, W] as those of an example, given what `encode` makes of it."""
        with torch.no_grad():
            return self.method.as_support(features, image)

    def condition(self, support: Features, labels: Tensor) -> Verb:
        """Maps of K support pictures [1, K, C, h, w] and ``labels`` [1, K, H, W] to the tensors of a state.

        Args:
            support, labels: an example.

        Raises InputError: it is none, see `no_condition`.
        """
        if self.no_condition:
            raise InputError(
                f"condition of {type(self.method).__name__} cannot be written as ONNX: {self.no_condition}"
            )
        maps = list(support.maps)
        state = self.method.condition(support, labels)
        results = [name for name, _ in named_tensors(state)]
        shots = {name: {1: "shots"} for name in ("labels", *maps)} if isinstance(self.method, SCCAN) else {}
        axes = {**shots, **_axes_of(self.method, state)}
        module = _Condition(self.method, maps, self.size)
        return self._graph(module, [labels, *support.maps.values()], ["labels", *maps], results, axes)

    def predict(self, query: Features, state: Any) -> Verb:
        """Maps of a query [1, 1, C, h, w] and the tensors of a state to ``logits``.

        Args:
            query: an example.
            state: an example; numbers in it that are whole are part of the graph.
        """
        maps, known = list(query.maps), dict(named_tensors(state))
        names = [*(f"{QUERY}{name}" for name in maps), *known]
        module = _Predict(self.method, maps, self.size, state)
        axes = _axes_of(self.method, state)
        return self._graph(module, [*query.maps.values(), *known.values()], names, ["logits"], axes)

    def _encoded(self, images: Tensor) -> Features:
        with torch.no_grad():
            return self.method.encode(images)

    def _graph(
        self, module: nn.Module, example: Sequence[Tensor], names: Sequence[str], results: Sequence[str], axes: Axes
    ) -> Verb:
        content = graph_of(module.eval(), example, names=names, results=results, axes=axes)
        return Verb(content, tuple(names), tuple(results))


def _axes_of(method: Method, state: Any) -> Axes:
    """Which sizes of a state's tensors are free: shots, anchors, ways."""
    if isinstance(method, GuidedDensity):
        return {name: {0: name.split(".")[-2]} for name, value in named_tensors(state) if value.ndim}
    if isinstance(method, (SimpleShot, LogisticShot)):
        return {"learned": {1: "ways"}, "vectors": {1: "pictures"}, "labels": {1: "pictures"}}
    if isinstance(method, SCCAN):
        return {name: {1: "shots"} for name, _ in named_tensors(state) if name.startswith("prior.")}
    return {}


class _Encode(nn.Module):
    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.method.encode(images).maps.values())


class _Condition(nn.Module):
    def __init__(self, method: Method, maps: Sequence[str], size: tuple[int, int]) -> None:
        super().__init__()
        self.method, self.maps, self.size = method, maps, size

    def forward(self, labels: Tensor, *maps: Tensor) -> tuple[Tensor, ...]:
        support = Features(dict(zip(self.maps, maps, strict=True)), self.size)
        return tuple(value for _, value in named_tensors(self.method.condition(support, labels)))


class _Predict(nn.Module):
    def __init__(self, method: Method, maps: Sequence[str], size: tuple[int, int], state: Any) -> None:
        super().__init__()
        self.method, self.maps, self.size, self.state = method, maps, size, state

    def forward(self, *tensors: Tensor) -> Tensor:
        count = len(self.maps)
        query = Features(dict(zip(self.maps, tensors[:count], strict=True)), self.size)
        return self.method.predict(query, with_tensors(self.state, iter(tensors[count:])))
