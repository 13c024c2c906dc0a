"""One checkpoint file, ours or published, with the settings that fit it: what it is, what was inferred and assumed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from yacs.config import CfgNode

from sccan.backbones.tensor_files import is_safetensors
from sccan.backbones.weight_files import read_checkpoint
from sccan.backbones.weights import load_strict, translated
from sccan.builders.backbones import backbone_name
from sccan.builders.checkpoints import BEST, best_of, check_header
from sccan.builders.classification.data import build_classifier
from sccan.builders.classification.models import CLASSIFIERS
from sccan.builders.classification.models import METHODS as CLASSIFICATION_METHODS
from sccan.builders.classification.models import NAME_TABLES as CLASSIFICATION_TABLES
from sccan.builders.released.backbones import Settings
from sccan.builders.released.systems import ASSUMED, TITLES, inferred_settings, system_of
from sccan.builders.segmentation.base_learner import LAST_BIAS
from sccan.builders.segmentation.models import BASE_LEARNERS, NAME_TABLES, build_base_learner, build_method
from sccan.builders.segmentation.models import METHODS as SEGMENTATION_METHODS
from sccan.classification.parts.base_tasks import LEARNED_WEIGHTS
from sccan.engine.checkpoint import read_header
from sccan.errors import InputError
from sccan.segmentation.data.sets.datasets import DATASETS
from sccan.settings.loading import config_of, flatten, load_config
from sccan.settings.tree import defaults

TABLES = {**NAME_TABLES, **CLASSIFICATION_TABLES}
"""METHOD.NAME -> published parameter names."""
KNOWN = (*SEGMENTATION_METHODS, *BASE_LEARNERS, *CLASSIFICATION_METHODS)
"""METHOD.NAME of everything that has weights."""
COUNTERS = "*num_batches_tracked"
CONFIG = "config.yaml"
"""The merged settings in a run folder."""
REPLACED = ("BACKBONE.WEIGHTS", "METHOD.BAM.BASE", "METHOD.AMTNET.TEACHER")
"""Settings that name weights of parts, all of which a checkpoint of the whole brings."""
PRIVATE = (
    *REPLACED, "BACKBONE.DOWNLOAD", "METHOD.TASNET.VECTORS", "METHOD.TASNET.NAMES", "METHOD.TASNET.FEATURES",
    "METHOD.FROZEN.FEATURES",
)  # fmt: skip
"""Settings that name files of one machine."""
BUILT_BY = (
    "BACKBONE.", "METHOD.", "EPISODE.", "PICTURE.", "DATA.NAME", "DATA.FOLD", "DATA.N_FOLDS", "TEST.PROTOCOL",
    "TEST.RESIZE", "TEST.SIZE",
)  # fmt: skip
"""Settings that a model is built or fed by."""
SHARED = ("METHOD.TASKS.", "METHOD.PSPNET.")
"""Those of parts that several methods have."""
UNTRAINED = "the encoder in a published file was never trained: use it with stored features"
SCORE_IN_NAME = re.compile(r"train(?P<shots>\d*)_epoch_(?P<epoch>\d+(?:\.\d+)?)_(?P<score>0\.\d+)$")
EPOCH_IN_NAME = re.compile(r"(?:^|_)ep(?:och_?)?(?P<epoch>\d+(?:\.\d+)?)$")


@dataclass(frozen=True)
class Released:
    """A checkpoint that has been read.

    Attributes:
        path: its file.
        system: METHOD.NAME.
        cfg: settings that build its model; frozen.
        state: weights under our names.
        header: what the file says about itself (ours), or what its name and content tell (published).
        inferred: settings that were read off names and shapes; empty where the file brought its own.
        note: one line for a reader: what it is, and what had to be assumed.
    """

    path: Path
    system: str
    cfg: CfgNode
    state: dict[str, Tensor]
    header: dict[str, Any]
    inferred: Settings
    note: str

    @property
    def is_classifier(self) -> bool:
        """Whether it tells pictures apart; otherwise it segments."""
        return self.system in CLASSIFICATION_METHODS

    def build(self) -> nn.Module:
        """The model with these weights, in evaluation mode, on the CPU.

        Raises InputError: a name is missing or left over, a shape differs, or the settings make no model.
        """
        try:
            model = self._built()
        except InputError:
            raise
        except (ValueError, RuntimeError) as error:  # the constructors' own refusals, of settings from a file
            raise InputError(
                f"the settings of {self.path} make no model ({error}); correct them with --opts"
            ) from error
        excused = (COUNTERS, LEARNED_WEIGHTS) if self.is_classifier else (COUNTERS,)
        load_strict(model, self.state, source=str(self.path), excused=excused)
        return model.eval()

    def _built(self) -> nn.Module:
        if self.is_classifier:
            classifier = CLASSIFIERS[self.system]
            return build_classifier(self.cfg, self._rows(classifier) if classifier else 0)
        if self.system in BASE_LEARNERS:
            last = LAST_BIAS if self.system == "pspnet" else "classifier.bias"
            return build_base_learner(self.cfg, self._rows(last) - 1)
        n_base = self._rows("base_head.classify.4.bias") - 1 if self.system == "bam" else 0
        return build_method(self.cfg, _base_classes(self.cfg, n_base), pretrained=False)

    def _rows(self, name: str) -> int:
        """How many classes a parameter is for."""
        if name not in self.state or not self.state[name].dim() or len(self.state[name]) < 2:
            raise InputError(f"{self.path} is no whole checkpoint of {TITLES[self.system]}: it holds no {name}")
        return len(self.state[name])


def read_released(path: Path, *, config: str = "", opts: Sequence[str] = ()) -> Released:
    """Read a checkpoint, and find the settings that fit it.

    Settings come from the file given as `config`; else from the file's own header; else from ``config.yaml`` beside
    our own weights; else from parameter names and shapes, and what these do not tell is taken as published.

    Args:
        path: a file of weights, or the folder of a run.
        config: run file (YAML).
        opts: KEY VALUE pairs that have the last word.

    Raises InputError: the file is something else, belongs to no system here or to another than the settings name, or
        does not tell enough about itself.
    """
    path = best_of(path) if path.is_dir() else path
    raw, beside = read_checkpoint(path)
    with path.open("rb") as file:
        ours = is_safetensors(file.read(16))
    header = read_header(path) if ours else facts_of_name(path, beside)
    said = dict(zip(opts[::2], opts[1::2], strict=False)).get("METHOD.NAME", header.get("method"))
    system = str(said) if said in KNOWN else system_of(raw, str(path))
    state = translated(raw, TABLES.get(system), source=f"{path}, taken for {TITLES[system]},")
    inferred: Settings = {}
    if config or "settings" in header or (ours and (path.parent / CONFIG).is_file()):
        cfg = _said(path, header, config, opts, system)
        note = f"{TITLES[system]}, {backbone_name(cfg)}"
    elif "config_digest" in header:
        raise InputError(
            f"{path} does not say its settings: it is the {BEST} of a run folder, whose {CONFIG} is not beside it; "
            "give the folder, or the run file with --config"
        )
    else:
        inferred = _inferred(system, state, path, header)
        cfg = config_of(_nested(inferred), str(path), tuple(opts))
        note = _note(system, cfg, opts)
    check_header(path, {**header, "method": system}, {"method": cfg.METHOD.NAME, "backbone": backbone_name(cfg)})
    return Released(path, system, _without(cfg, REPLACED), state, header, inferred, note)


def model_settings(cfg: CfgNode) -> dict[str, Any]:
    """The settings that a model is built and fed by, as nested plain data for the header of its weights.

    Nothing of one machine is in them: no path, device or training setting. Those of its own method and backbone are
    complete, so that a later change of defaults does not change it; of others, only what is not the default.
    """
    own = f"METHOD.{cfg.METHOD.NAME.upper()}.", f"BACKBONE.{cfg.BACKBONE.NAME.upper()}.", *SHARED
    groups = BUILT_BY if cfg.METHOD.NAME in CLASSIFICATION_METHODS else tuple(g for g in BUILT_BY if g != "PICTURE.")
    usual = flatten(defaults())
    kept = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in flatten(cfg).items()
        if key.startswith(groups)
        and key not in PRIVATE
        and (key.startswith(own) or key.count(".") < 2 or value != usual.get(key))
    }
    return _nested(kept)


def facts_of_name(path: Path, beside: dict[str, int | float]) -> dict[str, Any]:
    """What the name and the folders of a published file tell, and the numbers beside its weights.

    The published scripts name a file ``train_epoch_43_0.6753.pth`` (``train5_`` for five shots) after epoch and score,
    and put it under ``DATA/.../splitK/``.

    Args:
        beside: see `read_checkpoint`.
    """
    stem = re.sub(r"(\.pth|\.pt|\.tar|\.safetensors)+$", "", path.name)
    facts: dict[str, Any] = {}
    if match := SCORE_IN_NAME.search(stem):
        facts = {"shots": int(match["shots"] or 1), "epoch": float(match["epoch"]), "score": float(match["score"])}
    elif match := EPOCH_IN_NAME.search(stem):
        facts = {"epoch": float(match["epoch"])}
    facts |= {"score" if name == "acc" else name: value for name, value in beside.items() if name in ("epoch", "acc")}
    folders = path.absolute().parts[:-1]
    if split := [part for part in folders if re.fullmatch(r"split[0-3]", part)]:
        facts["fold"] = int(split[-1][-1])
    if named := [part for part in folders if part in ("pascal", "coco")]:
        facts["data"] = named[-1]
    return facts


def _said(path: Path, header: dict[str, Any], config: str, opts: Sequence[str], system: str) -> CfgNode:
    """The settings of a run file, of the header, or of the run folder.

    Another version of this program may have written the last two: what its model is not built by, such as a setting of
    another method or of training, need not fit today's.
    """
    own, known = (f"METHOD.{system.upper()}.", *SHARED), defaults()

    def matters(name: str) -> bool:
        if name.startswith("METHOD.") and name.count(".") > 1:
            return name.startswith(own)
        return name.startswith(BUILT_BY) or name.partition(".")[0] not in known

    if config:
        return load_config(config, tuple(opts))
    if "settings" in header:
        if not isinstance(header["settings"], dict):
            raise InputError(f"the header of {path} holds no settings but {header['settings']!r}; fetch the file again")
        return config_of(header["settings"], f"the header of {path}", tuple(opts), matters=matters)
    beside = path.parent / CONFIG
    return load_config(beside, tuple(opts), matters=matters)


def _inferred(system: str, state: dict[str, Tensor], path: Path, facts: dict[str, Any]) -> Settings:
    """What names, shapes, and the file's name tell."""
    try:
        found = inferred_settings(system, state)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    named = {"shots": "EPISODE.SHOTS", "fold": "DATA.FOLD", "data": "DATA.NAME"}
    told = {key: facts[name] for name, key in named.items() if name in facts and key not in found}
    if told.get("DATA.NAME") == "coco":
        told["DATA.FOLD_RULE"] = "interleaved"
    return {**found, **told}


def _note(system: str, cfg: CfgNode, opts: Sequence[str]) -> str:
    """What it is, and which settings no shape tells."""
    values, said = flatten(cfg), set(opts[::2])
    assumed = [f"{key} {values[key]}" for key in ASSUMED.get(system, ()) if key not in said]
    ending = f"; as published, since shapes do not tell: {', '.join(assumed)}" if assumed else ""
    ending += f"; {UNTRAINED}" if system == "tasnet" else ""
    return f"{TITLES[system]}, {backbone_name(cfg)}{ending}"


def _base_classes(cfg: CfgNode, n_base: int) -> tuple[int, ...]:
    """The numbers of a fold's base classes; simply counted where the data set is another."""
    dataset = DATASETS.get(cfg.DATA.NAME)
    if dataset is not None and dataset.class_names:
        base = dataset.fold(cfg.DATA.FOLD).base
        if len(base) == n_base:
            return base
    return tuple(range(1, n_base + 1))


def _nested(flat: Settings) -> dict[str, Any]:
    """Dotted keys as nested dictionaries."""
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        *groups, last = key.split(".")
        node = tree
        for group in groups:
            node = node.setdefault(group, {})
        node[last] = value
    return tree


def _without(cfg: CfgNode, keys: Sequence[str]) -> CfgNode:
    """The same settings, frozen, with some of them empty."""
    copy = cfg.clone()
    copy.defrost()
    copy.merge_from_list([word for key in keys for word in (key, "")])
    copy.freeze()
    return copy
