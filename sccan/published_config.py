"""Published SCCAN configuration files, read through a table of their keys.

The published files group lower-case keys in sections that carry no meaning (SCCAN, section "configurations" of the
released code). Keys without effect there are accepted and named in one line.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from sccan.errors import InputError, nearest

logger = logging.getLogger(__name__)

WITHOUT_EFFECT = frozenset(
    "classes padding_label warmup save_freq evaluate fix_random_seed_val batch_size_val resized_val ori_resize fix_bn "
    "seed_deterministic aux_weight1 aux_weight2 low_fea kshot_trans_dim merge merge_tau start_epoch "
    "save_path snapshot_path result_path arch visual vis_port".split()
)
"""Keys that change nothing here: either unused in the published code, or fixed by the protocol."""

RENAMED: dict[str, str] = {
    "data_root": "DATA.ROOT",
    "train_list": "DATA.TRAIN_LIST",
    "val_list": "DATA.VAL_LIST",
    "split": "DATA.FOLD",
    "workers": "DATA.WORKERS",
    "shot": "EPISODE.SHOTS",
    "ann_type": "EPISODE.ANNOTATION",
    "batch_size": "TRAIN.BATCH_SIZE",
    "epochs": "TRAIN.EPOCHS",
    "stop_interval": "TRAIN.PATIENCE",
    "print_freq": "TRAIN.LOG_EVERY",
    "manual_seed": "SEED",
    "val_size": "TEST.SIZE",
    "momentum": "OPTIM.head.MOMENTUM",
    "weight_decay": "OPTIM.head.WEIGHT_DECAY",
    "power": "OPTIM.head.POWER",
}

FIXED: dict[str, Any] = {"zoom_factor": 8, "vgg": False, "ignore_label": 255, "resume": None, "index_split": -1}
"""Keys with the one value that the published SCCAN configurations use; another value is refused."""

COMPUTED = (
    "data_set use_split_coco train_h train_w scale_min scale_max rotate_min rotate_max layers base_lr "
    "SubEpoch_val weight"
).split()

HEAD_FACTOR = 10
"""With ``index_split: -1`` every group of the published SGD runs at ten times ``base_lr``."""


def is_published(content: dict[str, Any]) -> bool:
    """Whether a file is of the published kind: sections (or none) of lower-case keys."""
    keys = {key for section in content.values() if isinstance(section, dict) for key in section} | {
        key for key, value in content.items() if not isinstance(value, dict)
    }
    return bool(keys & {"data_root", "train_h", "base_lr", "layers", "use_split_coco"})


def translate(content: dict[str, Any], source: str) -> dict[str, Any]:
    """A published file's settings as a nested dictionary of ours.

    Raises InputError: a key is unknown or has a value that no published SCCAN configuration uses.
    """
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= value if isinstance(value, dict) else {key: value}
    known = {*WITHOUT_EFFECT, *RENAMED, *FIXED, *COMPUTED}
    for key in flat:
        if key not in known:
            raise InputError(f"{source}: unknown key {key} of a published configuration{nearest(key, known)}")
    for key, value in FIXED.items():
        if flat.get(key, value) not in (value, "", "None"):
            raise InputError(f"{source}: {key} is {flat[key]!r}, but only {value!r} (as published) is supported")
    ignored = sorted(WITHOUT_EFFECT & set(flat))
    if ignored:
        logger.info("%s: keys without effect here: %s", source, " ".join(ignored))
    result: dict[str, Any] = {}
    for key, target in RENAMED.items():
        if flat.get(key) is not None:
            _put(result, target, flat[key])
    for target, compute in _COMPUTATIONS.items():
        value = compute(flat)
        if value is not None:
            _put(result, target, value)
    return result


def _put(tree: dict[str, Any], dotted: str, value: Any) -> None:
    *path, leaf = dotted.split(".")
    for part in path:
        tree = tree.setdefault(part, {})
    tree[leaf] = value


def _data_set(flat: dict[str, Any]) -> str:
    named = f"{flat.get('data_set', '')} {flat.get('train_list', '')} {flat.get('data_root', '')}".lower()
    return "coco" if "coco" in named else "pascal"


def _fold_rule(flat: dict[str, Any]) -> str:
    return "interleaved" if flat.get("use_split_coco") and _data_set(flat) == "coco" else "consecutive"


def _pair(first: str, second: str) -> Callable[[dict[str, Any]], list[Any] | None]:
    return lambda flat: [flat[first], flat[second]] if first in flat and second in flat else None


def _rotation(flat: dict[str, Any]) -> float | None:
    low, high = flat.get("rotate_min"), flat.get("rotate_max")
    if low is None or high is None:
        return None
    if low != -high:
        raise InputError(f"rotate_min {low} and rotate_max {high} are not symmetric, as every published file has them")
    return float(high)


def _validation_interval(flat: dict[str, Any]) -> float | None:
    """Published: also in the middle of every epoch where a training has at most 100 epochs."""
    if "SubEpoch_val" not in flat:
        return None
    return 0.5 if flat["SubEpoch_val"] and flat.get("epochs", 0) <= 100 else 1.0


_COMPUTATIONS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "DATA.NAME": _data_set,
    "DATA.FOLD_RULE": _fold_rule,
    "BACKBONE.NAME": lambda flat: f"resnet{flat['layers']}_deep" if "layers" in flat else None,
    "BACKBONE.WEIGHTS": lambda flat: f"initmodel/resnet{flat['layers']}_v2.pth" if "layers" in flat else None,
    "METHOD.NAME": lambda flat: "sccan",
    "TRAIN.SIZE": _pair("train_h", "train_w"),
    "TRAIN.SCALE": _pair("scale_min", "scale_max"),
    "TRAIN.ROTATE": _rotation,
    "TEST.PROTOCOL": lambda flat: "sccan",
    "TEST.WEIGHTS": lambda flat: flat.get("weight") or None,
    "VALIDATE.EVERY": _validation_interval,
    "OPTIM.head.ALGORITHM": lambda flat: "sgd",
    "OPTIM.head.LR": lambda flat: flat["base_lr"] * HEAD_FACTOR if "base_lr" in flat else None,
    "OPTIM.head.SCHEDULE": lambda flat: "poly",
    "OPTIM.transformer.ALGORITHM": lambda flat: "adamw",
    "OPTIM.transformer.LR": lambda flat: 6e-5,
    "OPTIM.transformer.WEIGHT_DECAY": lambda flat: 0.01,
    "OPTIM.transformer.SCHEDULE": lambda flat: "constant",
}
"""Settings that need more than a new name."""
