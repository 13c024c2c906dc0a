"""What a config needs besides data: backbone weights that fit, disk, a device, and versions of what it stands on."""

from __future__ import annotations

import importlib
import platform
import shutil
from importlib import metadata
from pathlib import Path

import torch
from torchvision.models import get_model_weights
from yacs.config import CfgNode

from sccan.backbones.torchvision_resnet import DEPTHS
from sccan.builders.classification.data import build_classifier, is_classification
from sccan.builders.engine import optimizer_settings, train_settings
from sccan.builders.pretrained import load_backbone
from sccan.builders.segmentation.base_learner import base_checkpoint
from sccan.builders.segmentation.models import (
    BASE_LEARNERS,
    build_backbone,
    build_base_learner,
    build_method,
)
from sccan.commands.train import require_fit
from sccan.errors import InputError
from sccan.method import Method
from sccan.report.findings import Finding
from sccan.segmentation.methods.pixel_classifier import PixelClassifier

PACKAGES = (
    *("torch", "torchvision", "numpy", "opencv-python-headless", "albumentations", "pycocotools"),
    *("yacs", "safetensors", "pillow", "timm"),
)
EXTRAS = ("tensorboard", "scipy", "scikit-learn", "onnx", "onnxruntime")
"""Shown where they are installed; nobody has to have them."""
TIGHT_BYTES = 2 << 30
LEAST_BYTES = 256 << 20
ANY_CLASSES = 3
"""Base classes of a model that is made to see whether its settings fit together."""


def check_weights(cfg: CfgNode) -> list[Finding]:
    """Whether BACKBONE.WEIGHTS is there and fits the backbone; nothing is downloaded."""
    name, weights = cfg.BACKBONE.NAME, cfg.BACKBONE.WEIGHTS
    if is_classification(cfg):
        return []
    if cfg.METHOD.NAME == "bam":
        return [_check_base_learner(cfg)]
    if not weights:
        if cfg.METHOD.NAME in BASE_LEARNERS:
            return [Finding("note", "backbone weights", f"none: {name} starts from random weights")]
        advice = "name a file in initmodel/, the run folder of a base learner, or weights of torchvision"
        message = f"BACKBONE.WEIGHTS is empty, but {cfg.METHOD.NAME} keeps its backbone frozen"
        return [Finding("error", "backbone weights", message, advice)]
    if name in DEPTHS and not Path(weights).exists() and weights.isidentifier():
        known = {entry.name: entry.url for entry in get_model_weights(name)}
        file = Path(torch.hub.get_dir()) / "checkpoints" / Path(known.get(weights, "")).name
        if weights in known and not file.is_file():
            message = f"{weights} of {name} are not here yet; torchvision fetches them from {known[weights]}"
            return [Finding("note", "backbone weights", message, "make sure that address can be reached, or fetch it")]
    try:
        load_backbone(build_backbone(cfg, trainable=cfg.METHOD.NAME in BASE_LEARNERS), name, weights)
    except InputError as error:
        return [Finding("error", "backbone weights", str(error), "see initmodel/README.md")]
    return [Finding("ok", "backbone weights", f"{weights} fit {name}")]


def _check_base_learner(cfg: CfgNode) -> Finding:
    """Whether METHOD.BAM.BASE is there; whether it fits is seen when the fold is known."""
    try:
        return Finding("ok", "base learner", f"{base_checkpoint(cfg)} is there")
    except InputError as error:
        return Finding("error", "base learner", str(error), "train the base learner first")


def check_settings(cfg: CfgNode) -> list[Finding]:
    """Whether the settings fit together and into the memory, as a training finds out when it makes its model."""
    device = torch.device("cuda" if cfg.DEVICE != "cpu" and torch.cuda.is_available() else "cpu")
    try:
        train_settings(cfg)
        require_fit(cfg, device)
        with torch.device("meta"):  # shapes alone
            model = _bare_model(cfg)
        if model.parameter_groups():
            optimizer_settings(cfg, model)
    except InputError as error:
        return [Finding("error", "settings", str(error), "correct the setting it names")]
    return [Finding("ok", "settings", "they fit together and into the memory")]


def _bare_model(cfg: CfgNode) -> Method | PixelClassifier:
    """The model that a config names, on random weights."""
    bare = cfg.clone()
    bare.defrost()
    bare.BACKBONE.WEIGHTS = ""
    if is_classification(cfg):
        return build_classifier(bare, ANY_CLASSES)
    if cfg.METHOD.NAME in BASE_LEARNERS:
        return build_base_learner(bare, ANY_CLASSES)
    return build_method(bare, range(1, ANY_CLASSES + 1), pretrained=False)


def check_disk(cfg: CfgNode) -> list[Finding]:
    """Free disk where run folders go."""
    folder = Path(cfg.OUTPUT).absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    message = f"{free / 1e9:.1f} GB are free for {cfg.OUTPUT}"
    if free < LEAST_BYTES:
        return [Finding("error", "disk", message, "free some disk space or set OUTPUT to another folder")]
    if free < TIGHT_BYTES:
        return [Finding("warning", "disk", message, "a run keeps its state twice; free some space before a long one")]
    return [Finding("ok", "disk", message)]


def check_device(cfg: CfgNode) -> list[Finding]:
    """Whether the device that DEVICE names is there."""
    found = torch.cuda.is_available()
    if cfg.DEVICE.startswith("cuda") and not found:
        advice = "set DEVICE auto to compute on the CPU, or repair the driver"
        return [Finding("error", "device", f"DEVICE is {cfg.DEVICE}, but torch finds no CUDA device", advice)]
    if found and cfg.DEVICE != "cpu":
        names = ", ".join(torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count()))
        return [Finding("ok", "device", names)]
    if cfg.TRAIN.PRECISION != "float32":
        message = f"TRAIN.PRECISION is {cfg.TRAIN.PRECISION}, but there is no CUDA device"
        return [Finding("error", "device", message, "set TRAIN.PRECISION float32")]
    return [Finding("ok", "device", f"CPU with {torch.get_num_threads()} threads")]


def check_versions() -> list[Finding]:
    """Versions of Python and packages, and two pitfalls of OpenCV."""
    versions = {name: metadata.version(name) for name in (*PACKAGES, *EXTRAS) if _installed(name)}
    absent = [name for name in PACKAGES if name not in versions]
    shown = ", ".join(f"{name} {version}" for name, version in versions.items())
    findings = [Finding("ok", "versions", f"Python {platform.python_version()}, {shown}")]
    if absent:
        findings.append(
            Finding("warning", "versions", f"not installed: {', '.join(absent)}", "pip install the package again")
        )
    builds = [name for name in ("opencv-python", "opencv-python-headless", "opencv-contrib-python") if _installed(name)]
    if len(builds) > 1:
        advice = "two builds overwrite each other; uninstall all of them, then install opencv-python-headless"
        findings.append(Finding("warning", "versions", f"several builds of OpenCV: {', '.join(builds)}", advice))
    major = int(importlib.import_module("cv2").__version__.split(".")[0])
    if major >= 5:
        message = f"OpenCV {major} rotates training pictures more finely than the OpenCV 4 of published models"
        findings.append(Finding("note", "versions", message, "nothing to do; differences are below 3 grey levels"))
    return findings


def _installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True
