"""Published configuration files of SCCAN, BAM and BAM's base learner, read through tables of their keys.

The published files group lower-case keys in sections that carry no meaning. All three kinds share their keys and do
not say which kind they are: METHOD.NAME does, on the command line or in a file of ours that builds on the published
one, and without it a file is SCCAN's. Keys without effect are accepted and named in one line.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from sccan.errors import InputError, nearest
from sccan.files.structured import shown

logger = logging.getLogger(__name__)

WITHOUT_EFFECT = frozenset(
    "classes padding_label warmup save_freq evaluate fix_random_seed_val batch_size_val resized_val ori_resize fix_bn "
    "seed_deterministic merge merge_tau start_epoch save_path snapshot_path result_path arch visual vis_port".split()
)
"""Keys that change nothing here: unused in the published code, fixed by the protocol, or options of a command."""

BAM_KEYS: dict[str, str] = {
    "aux_weight1": "METHOD.BAM.META_WEIGHT",
    "aux_weight2": "METHOD.BAM.BASE_WEIGHT",
    "low_fea": "METHOD.BAM.SCENE_STAGE",
    "kshot_trans_dim": "METHOD.BAM.SHOT_CHANNELS",
}
"""Keys that only BAM has a use for, and the setting of each."""

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
}

FIXED: dict[str, Any] = {"zoom_factor": 8, "ignore_label": 255, "resume": None}
"""Keys with the one value that the published configurations use; another value is refused."""
FIXED_OF: dict[str, dict[str, Any]] = {
    "sccan": {"vgg": False, "index_split": -1},
    "bam": {"index_split": -1},
    "pspnet": {},
}
"""METHOD.NAME -> further such keys."""

COMPUTED = (
    "data_set use_split_coco train_h train_w scale_min scale_max rotate_min rotate_max layers base_lr "
    "SubEpoch_val weight vgg index_split momentum weight_decay power"
).split()

NUMBERS = (
    "train_h train_w scale_min scale_max rotate_min rotate_max layers base_lr index_split momentum weight_decay power "
    "epochs split"
).split()
"""Keys that hold a number."""

HEAD_FACTOR = 10
"""Groups of the published SGD after number ``index_split`` run at ten times ``base_lr``; with -1 all of them."""


def is_published(content: dict[str, Any]) -> bool:
    """Whether a file is of the published kind: sections (or none) of lower-case keys."""
    keys = {key for section in content.values() if isinstance(section, dict) for key in section} | {
        key for key, value in content.items() if not isinstance(value, dict)
    }
    return bool(keys & {"data_root", "train_h", "base_lr", "layers", "use_split_coco"})


def translate(content: dict[str, Any], source: str, method: str = "sccan") -> dict[str, Any]:
    """A published file's settings as a nested dictionary of ours.

    Args:
        method: whose file it is: sccan, bam or pspnet.

    Raises InputError: a key is unknown or has a value that no published configuration uses.
    """
    flat: dict[str, Any] = {}
    for key, value in content.items():
        flat |= value if isinstance(value, dict) else {key: value}
    if method not in FIXED_OF:
        raise InputError(f"{source} is a published configuration, which METHOD.NAME {method!r} has none of")
    fixed = FIXED | FIXED_OF[method]
    renamed = RENAMED | BAM_KEYS if method == "bam" else RENAMED
    known = {*WITHOUT_EFFECT, *BAM_KEYS, *RENAMED, *fixed, *COMPUTED}
    for key, value in flat.items():
        if key not in known:
            raise InputError(
                f"{source}: unknown key {str(key)[:80]} of a published configuration{nearest(str(key), known)}"
            )
        if key in NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float)):
            try:
                flat[key] = float(value)  # YAML reads 5e-3 as text
            except (TypeError, ValueError) as error:
                raise InputError(f"{source}: {key} is {shown(value)}, expected a number") from error
    for key, value in fixed.items():
        if flat.get(key, value) not in (value, "", "None"):
            raise InputError(f"{source}: {key} is {shown(flat[key])}, but only {value!r} (as published) is supported")
    ignored = sorted((WITHOUT_EFFECT | BAM_KEYS.keys() - renamed.keys()) & set(flat))
    if ignored:
        logger.info("%s, read as %s's: keys without effect here: %s", source, method, " ".join(ignored))
    result: dict[str, Any] = {}
    for key, target in renamed.items():
        if flat.get(key) is not None:
            _put(result, target, flat[key])
    for target, compute in (_COMPUTATIONS | _COMPUTATIONS_OF[method]).items():
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


def _published_name(flat: dict[str, Any]) -> str:
    """How published files call a backbone: ``vgg`` or ``resnet50``."""
    return "vgg" if flat.get("vgg") else f"resnet{flat.get('layers', 50)}"


def _bam_backbone(flat: dict[str, Any]) -> str:
    return "vgg16" if flat.get("vgg") else f"{_published_name(flat)}_bam"


def _image_weights(flat: dict[str, Any]) -> str:
    return "initmodel/vgg16_bn.pth" if flat.get("vgg") else f"initmodel/{_published_name(flat)}_v2.pth"


def _base_checkpoint(flat: dict[str, Any]) -> str:
    """Where the published BAM looks for its base learner."""
    return f"initmodel/PSPNet/{_data_set(flat)}/split{flat.get('split', 0)}/{_published_name(flat)}/best.pth"


def _sgd(group: str, number: int) -> dict[str, Callable[[dict[str, Any]], Any]]:
    """The published SGD of one parameter group, which stands at position `number` of its list."""

    def rate(flat: dict[str, Any]) -> float | None:
        if "base_lr" not in flat:
            return None
        return flat["base_lr"] * (HEAD_FACTOR if number > flat.get("index_split", -1) else 1)

    return {
        f"OPTIM.{group}.ALGORITHM": lambda flat: "sgd",
        f"OPTIM.{group}.LR": rate,
        f"OPTIM.{group}.MOMENTUM": lambda flat: flat.get("momentum"),
        f"OPTIM.{group}.WEIGHT_DECAY": lambda flat: flat.get("weight_decay"),
        f"OPTIM.{group}.POWER": lambda flat: flat.get("power"),
        f"OPTIM.{group}.SCHEDULE": lambda flat: "poly",
    }


_COMPUTATIONS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "DATA.NAME": _data_set,
    "DATA.FOLD_RULE": _fold_rule,
    "TRAIN.SIZE": _pair("train_h", "train_w"),
    "TRAIN.SCALE": _pair("scale_min", "scale_max"),
    "TRAIN.ROTATE": _rotation,
    "TEST.WEIGHTS": lambda flat: flat.get("weight") or None,
    "VALIDATE.EVERY": _validation_interval,
}
"""Settings that need more than a new name, whatever the method."""

_COMPUTATIONS_OF: dict[str, dict[str, Callable[[dict[str, Any]], Any]]] = {
    "sccan": {
        "BACKBONE.NAME": lambda flat: f"resnet{flat['layers']}_deep" if "layers" in flat else None,
        "BACKBONE.WEIGHTS": lambda flat: _image_weights(flat) if "layers" in flat else None,
        "METHOD.NAME": lambda flat: "sccan",
        "TEST.PROTOCOL": lambda flat: "sccan",
        **_sgd("head", 0),
        "OPTIM.transformer.ALGORITHM": lambda flat: "adamw",
        "OPTIM.transformer.LR": lambda flat: 6e-5,
        "OPTIM.transformer.WEIGHT_DECAY": lambda flat: 0.01,
        "OPTIM.transformer.SCHEDULE": lambda flat: "constant",
    },
    "bam": {
        "BACKBONE.NAME": _bam_backbone,
        "METHOD.NAME": lambda flat: "bam",
        "METHOD.BAM.BASE": _base_checkpoint,
        "TEST.PROTOCOL": lambda flat: "bam",
        **_sgd("head", 0),
    },
    "pspnet": {
        "BACKBONE.NAME": _bam_backbone,
        "BACKBONE.WEIGHTS": _image_weights,
        "METHOD.NAME": lambda flat: "pspnet",
        "DATA.ALL_PICTURES": lambda flat: True,
        "DATA.NOVEL_PIXELS": lambda flat: "background",
        "TEST.PROTOCOL": lambda flat: "bam",
        **_sgd("encoder", 0),
        **_sgd("head", 1),
    },
}
"""METHOD.NAME -> further such settings."""
