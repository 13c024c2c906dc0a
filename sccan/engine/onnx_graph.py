"""Modules as ONNX graphs, and onnxruntime's sessions that compute them."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sccan.errors import InputError, needs

OPSET = 17
"""Version of the operators; read by onnxruntime from 1.14 on."""
Axes = Mapping[str, Mapping[int, str]]
"""Name of an input or output -> which of its dimensions may be of any size -> what that size is called."""


def graph_of(
    module: nn.Module, inputs: Sequence[Tensor], *, names: Sequence[str], results: Sequence[str], axes: Axes
) -> bytes:
    """What a module computes of tensors, traced.

    Args:
        module: in evaluation mode; gives a tensor or a tuple of them, and takes no other way for other values.
        inputs: an example.
        names, results: of inputs and outputs.
        axes: sizes that may differ from those of the example.

    Raises InputError: onnx is not installed, or an operation has no counterpart in ONNX.
    """
    with needs("ONNX graphs", "onnx"):
        import onnx  # noqa: F401 - torch's exporter needs it
    written = io.BytesIO()
    unheard = contextlib.redirect_stdout(io.StringIO())  # where it fails, torch prints all operations
    with torch.no_grad(), warnings.catch_warnings(), unheard:
        warnings.simplefilter("ignore")  # sizes become constants where they are not named in axes
        try:
            torch.onnx.export(
                module,
                tuple(inputs),
                written,  # type: ignore[arg-type]  # an open file serves as well
                dynamo=False,
                opset_version=OPSET,
                input_names=list(names),
                output_names=list(results),
                dynamic_axes={name: dict(of) for name, of in axes.items()},
            )
        except (torch.onnx.errors.OnnxExporterError, RuntimeError) as error:
            raise InputError(f"this cannot be written as ONNX: {str(error).splitlines()[0][:200]}") from error
    return written.getvalue()


def session_of(graph: bytes | Path, *, threads: int = 1, what: str = "ONNX graphs", extra: str = "onnx") -> Any:
    """A session on the CPU.

    Args:
        graph: its content, or its file.
        threads: that one run takes; 1: the one that calls it; 0: all.
        what, extra: see `needs`.

    Raises InputError: onnxruntime is not installed, or it is no graph.
    """
    with needs(what, extra):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors alone
    source = graph if isinstance(graph, bytes) else str(graph)
    try:
        return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no other base
        name = "this" if isinstance(graph, bytes) else graph
        raise InputError(f"{name} cannot be loaded as ONNX: {' '.join(str(error).split())[:200]}") from error
