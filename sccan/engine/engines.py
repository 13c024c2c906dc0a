"""What computes a frozen backbone: torch, or onnxruntime, which is faster on CPUs."""

from __future__ import annotations

import importlib.util

from sccan.errors import InputError

ENGINES = ("auto", "torch", "onnx")
"""``auto``: onnx where it is installed, fits and is quicker, else torch."""
PACKAGES = ("onnx", "onnxruntime")
EXTRA = "onnx"


def choose_engine(name: str, device: str, precision: str, *, quicker: bool) -> str:
    """``torch`` or ``onnx``.

    Args:
        name: one of `ENGINES`.
        device: cpu | cuda.
        precision: float32 | bf16 | fp16.
        quicker: whether onnx was measured to be.

    Raises InputError: there is no such engine, or onnx is asked for where it is not installed or does not compute.
    """
    if name not in ENGINES:
        raise InputError(f"there is no engine {name!r}; use one of {', '.join(ENGINES)}")
    fits = device == "cpu" and precision == "float32"
    missing = [package for package in PACKAGES if importlib.util.find_spec(package) is None]
    if name == "onnx" and not fits:
        raise InputError(f"the engine onnx computes in float32 on a CPU, not in {precision} on {device}; use torch")
    if name == "onnx" and missing:
        raise InputError(f"the engine onnx needs {' and '.join(missing)}; run pip install 'sccan[{EXTRA}]'")
    return "onnx" if name == "onnx" or (name == "auto" and quicker and fits and not missing) else "torch"
