"""What a run ran on: versions, device, source revision, command."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import sccan

PACKAGES = ("torch", "torchvision", "numpy", "opencv-python-headless", "albumentations", "safetensors")


def describe_environment(device: torch.device) -> dict[str, Any]:
    """Plain facts about this process and this machine, for a run's record."""
    return {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "revision": source_revision(),
        "sccan": sccan.__version__,
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "system": platform.platform(),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": _device(device),
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "cudnn": torch.backends.cudnn.version() if device.type == "cuda" else None,
    }


def source_revision(file: Path = Path(__file__)) -> str | None:
    """The git commit of the checkout that this code runs from, with ``+changes`` if files differ from it.

    Args:
        file: a source file.

    Returns:
        None where the file is not under version control (an installed package).
    """
    if _git(file, "ls-files", "--error-unmatch", file.name) is None:
        return None
    commit = _git(file, "rev-parse", "HEAD")
    return f"{commit}+changes" if commit and _git(file, "status", "--porcelain", "--untracked-files=no") else commit


def _git(file: Path, *words: str) -> str | None:
    """What a git command prints in the file's folder; None if it fails or there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(file.parent), *words], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    """The processor's name, as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
