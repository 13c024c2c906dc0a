"""Frozen backbones computed by onnxruntime on a CPU.

The graph of a size is traced when pictures of that size first come, which takes seconds, and kept in the cache folder
under a name that says what it is of. Maps differ from torch's by rounding alone.

Letters: N pictures, C channels, H W picture size, h w map.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sccan.backbones.efficientnet_lite import EfficientNetLite, SameConv2d
from sccan.backbones.folding import fold_frozen_norms, is_folded
from sccan.backbones.stage import Backbone
from sccan.backbones.weights import weights_digest
from sccan.engine.engines import choose_engine
from sccan.engine.onnx_graph import OPSET, graph_of, session_of
from sccan.errors import InputError
from sccan.files.cache import cache_folder
from sccan.files.writing import write_bytes_atomically

WHOLE = 32
"""Sides of pictures that a network with convolutions padded as TensorFlow does it can be traced for are multiples."""
INPUT = "images"


class OnnxBackbone(Backbone):
    """A frozen backbone whose maps come from onnxruntime, one core for each call.

    Attributes:
        own: the same backbone, by torch, its norms folded: for pictures whose graph cannot be traced, and for stages
            that are computed of maps.
    """

    def __init__(self, backbone: Backbone) -> None:
        """
        Args:
            backbone: frozen, with its weights, on the CPU.
        """
        super().__init__()
        self.frozen, self.stages, self.positions = True, backbone.stages, backbone.positions
        self.own = backbone if is_folded(backbone) else fold_frozen_norms(backbone)
        self._given = (backbone,)  # out of the sight of torch
        self._digest = weights_digest(backbone)
        self._is_same = any(isinstance(module, SameConv2d) for module in backbone.modules())
        self._sessions: dict[tuple[int, int], Any] = {}
        self._lock = threading.Lock()

    @property
    def given(self) -> Backbone:
        """The backbone itself."""
        return self._given[0]

    def stem(self, images: Tensor) -> Tensor:
        return self.own.stem(images)

    def continued(self, name: str, maps: Tensor) -> Tensor:
        return self.own.continued(name, maps)

    def forward(self, images: Tensor, last: str | None = None) -> dict[str, Tensor]:
        size = images.shape[-2], images.shape[-1]
        if self._is_same and any(side % WHOLE for side in size):
            return self.own(images, last)
        names = list(self.stages)
        wanted = names[: names.index(last) + 1] if last else names
        found = self._session(size).run(wanted, {INPUT: images.detach().float().contiguous().numpy()})
        return dict(zip(wanted, map(torch.from_numpy, found), strict=True))

    def _session(self, size: tuple[int, int]) -> Any:
        """Computes pictures of that size [H, W]."""
        with self._lock:
            if size not in self._sessions:
                self._sessions[size] = self._kept(self._path(size)) or self._traced(size)
            return self._sessions[size]

    def _kept(self, path: Path) -> Any:
        """A session of the graph that is kept there; None: there is none, or it is damaged."""
        try:
            return session_of(path) if path.is_file() else None
        except InputError:
            return None

    def _traced(self, size: tuple[int, int]) -> Any:
        """A session of a new graph, which is kept where that is possible."""
        graph, path = backbone_graph(self.own, size), self._path(size)
        with contextlib.suppress(InputError, OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes_atomically(path, graph)
        return session_of(graph)

    def _path(self, size: tuple[int, int]) -> Path:
        """Named by all that the graph depends on."""
        about = [type(self.own).__name__, self._digest, self.stages, size, OPSET, torch.__version__, str(self.own)]
        name = hashlib.sha256(repr(about).encode()).hexdigest()[:32]
        return cache_folder() / "onnx" / f"{name}.onnx"


def backbone_graph(backbone: Backbone, size: tuple[int, int]) -> bytes:
    """A folded backbone as a graph: ``images`` [N, 3, H, W], normalised, to a map [N, C, h, w] of every stage.

    Args:
        backbone: its norms folded.
        size: H and W.

    Raises InputError: see `graph_of`.
    """
    plain = copy.deepcopy(backbone)
    without_margins(plain, size)
    stages = list(backbone.stages)
    axes = {name: {0: "N"} for name in (INPUT, *stages)}
    return graph_of(_Maps(plain), [torch.zeros(1, 3, *size)], names=[INPUT], results=stages, axes=axes)


def with_engine(method: nn.Module, engine: str, device: torch.device, precision: str) -> str:
    """Has the frozen backbones of a method computed by an engine, ``torch`` or ``onnx``, and says by which.

    A method has one engine: the last that was asked for.

    Args:
        method: is neither saved nor trained while onnxruntime computes it.
        engine: auto | torch | onnx.
        device: where the method computes.
        precision: float32 | bf16 | fp16.

    Raises InputError: see `choose_engine`.
    """
    chosen = choose_engine(engine, device.type, precision, quicker=is_quicker_by_onnx(method))
    known: dict[int, OnnxBackbone] = {}
    for parent, name, child in list(_frozen_backbones(method)):
        if chosen == "torch" and isinstance(child, OnnxBackbone):
            setattr(parent, name, child.given)
        elif chosen == "onnx" and not isinstance(child, OnnxBackbone):
            if id(child) not in known:
                known[id(child)] = OnnxBackbone(child)
            setattr(parent, name, known[id(child)])
    return chosen


def _frozen_backbones(module: nn.Module) -> Iterator[tuple[nn.Module, str, Backbone]]:
    """Where frozen backbones stand; what stands inside one is a part of it."""
    for name, child in module.named_children():
        if isinstance(child, Backbone) and child.frozen:
            yield module, name, child
        else:
            yield from _frozen_backbones(child)


def without_margins(model: nn.Module, size: tuple[int, int]) -> None:
    """Has the convolutions of a model that are padded as TensorFlow does it replaced by plain ones.

    Raises InputError: for pictures of this size [H, W] there are none.
    """
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, SameConv2d):
                if any(side % WHOLE for side in size):
                    raise InputError(f"the input is {size[0]} x {size[1]} pixels; use multiples of {WHOLE} for ONNX")
                setattr(module, name, child.for_whole_cells())


def is_quicker_by_onnx(method: nn.Module) -> bool:
    """Whether the backbone is one that onnxruntime was measured to compute in less time; see docs/benchmarks.md."""
    return any(isinstance(module, EfficientNetLite) for module in method.modules())


class _Maps(nn.Module):
    """The maps of all stages as a tuple."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.backbone(images).values())
