"""Settings of a run: files, their bases and overrides merged into the tree that `sccan.settings.tree` declares.

A run file states only what differs from the defaults and names the file it builds on as ``_BASE_`` (relative to
itself). Published SCCAN and BAM files are read through `sccan.settings.published`. The merged tree is frozen;
only `sccan.builders` and the commands read it.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from yacs.config import CfgNode

from sccan.errors import InputError, nearest
from sccan.files.inside import real
from sccan.files.plain_yaml import Forbidden, parse_yaml, read_yaml
from sccan.files.structured import shown
from sccan.settings.published import is_published, translate
from sccan.settings.ranges import Node
from sccan.settings.tree import defaults, optimiser_group

BASE_KEY = "_BASE_"
LONGEST_KEY = 80
"""Characters of a name that a message shows."""
LONGEST_CHAIN = 16
"""Files that build on one another."""
FREE_NODES = ("OPTIM",)
"""Nodes whose children are named by the user (the parameter groups of a method); each child has fixed keys."""
Matters = Callable[[str], bool]
"""Whether a setting, or a group (its dotted name then ends with a dot), has to fit."""


def everything(name: str) -> bool:
    """Every setting has to fit."""
    return True


def load_config(path: str | Path, opts: list[str] | tuple[str, ...] = (), *, matters: Matters = everything) -> CfgNode:
    """The frozen settings of a run.

    Args:
        path: a YAML file of ours (with ``_BASE_``) or a published one; a file that is not there is looked for among
            the configurations installed with the package.
        opts: KEY VALUE pairs that have the last word, for instance ``["TRAIN.BATCH_SIZE", "4"]``.
        matters: other settings of the file, where they are unknown or unfit, keep their defaults.

    Raises InputError: the file, a key or a value is unfit; the line names the nearest known key.
    """
    file = find_config(path)
    return _merged(_layers(file), opts, file.stem, matters)


def config_of(
    settings: dict[str, Any], source: str, opts: list[str] | tuple[str, ...] = (), *, matters: Matters = everything
) -> CfgNode:
    """The frozen settings of nested plain data, such as the header of a checkpoint holds.

    Args:
        settings: what differs from the defaults.
        source: what an error message calls it.
        opts, matters: see `load_config`.

    Raises InputError: a key or a value is unfit.
    """
    return _merged([(settings, source)], opts, "", matters)


def _merged(
    layers: list[tuple[dict[str, Any], str]], opts: list[str] | tuple[str, ...], name: str, matters: Matters
) -> CfgNode:
    """Layers, the lowest first, and overrides above the defaults."""
    if len(opts) % 2:
        raise InputError(f"--opts takes KEY VALUE pairs, but got {len(opts)} words; the last is {opts[-1]!r}")
    cfg = defaults()
    said = [(_nested(key, _parse(key, value)), "--opts") for key, value in zip(opts[::2], opts[1::2], strict=True)]
    for layer, source in layers + said:
        if is_published(layer):
            layer = translate(layer, source, _method_named(layers + said))
        _merge(cfg, layer, source, everything if source == "--opts" else matters)
    if not cfg.NAME:
        cfg.NAME = name
    cfg.freeze()
    return cfg


def _method_named(layers: list[tuple[dict[str, Any], str]]) -> str:
    """METHOD.NAME where a layer of ours says it, which published files do not."""
    nodes = [layer.get("METHOD") for layer, _ in layers]
    said = [node["NAME"] for node in nodes if isinstance(node, dict) and "NAME" in node]
    return str(said[-1]) if said else "sccan"


def find_config(path: str | Path) -> Path:
    """The file itself, or its namesake among the configurations that come with the package.

    Raises InputError: there is neither.
    """
    file = Path(path)
    if file.is_file():
        return file
    inside = Path(*file.parts[file.parts.index("config") + 1 :]) if "config" in file.parts else file
    package = Path(__file__).resolve().parents[1]
    for shipped in (package / "presets", package.parent / "config"):  # installed; a checkout
        if not file.is_absolute() and (shipped / inside).is_file():
            return shipped / inside
    raise InputError(f"there is no config file {file}; give the path of a YAML file, for instance from config/")


def as_dict(cfg: CfgNode) -> dict[str, Any]:
    """Plain nested dictionaries."""
    return {key: as_dict(value) if isinstance(value, CfgNode) else value for key, value in cfg.items()}


def flatten(cfg: CfgNode, prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value of every setting."""
    flat: dict[str, Any] = {}
    for key, value in cfg.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, CfgNode) else {f"{prefix}{key}": value}
    return flat


def dump(cfg: CfgNode) -> str:
    """The merged settings as YAML that `load_config` reads back."""
    plain = yaml.safe_load(yaml.safe_dump(_lists(as_dict(cfg)), sort_keys=False))
    return yaml.safe_dump(plain, sort_keys=False)


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, tuple | list) else value


def _layers(path: Path, above: tuple[Path, ...] = ()) -> list[tuple[dict[str, Any], str]]:
    """The file's content behind that of its bases, lowest first."""
    if real(path) in above:
        raise InputError(f"{path} names itself as its {BASE_KEY}, directly or through another file")
    if len(above) >= LONGEST_CHAIN:
        raise InputError(f"{above[0]} builds on a chain of more than {LONGEST_CHAIN} files; name fewer as {BASE_KEY}")
    content = read_yaml(path)
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise InputError(f"config file {path} holds no settings (a mapping of keys to values is expected)")
    base = content.pop(BASE_KEY, None)
    if base is None:
        return [(content, str(path))]
    base_path = path.parent / str(base)
    if not base_path.is_file():
        raise InputError(f"{path} builds on {base_path}, which does not exist; correct its {BASE_KEY}")
    return [*_layers(base_path, (*above, real(path))), (content, str(path))]


def _merge(node: Node, values: dict[str, Any], source: str, matters: Matters, prefix: str = "") -> None:
    for key, value in values.items():
        name = f"{prefix}{str(key)[:LONGEST_KEY]}"
        try:
            _put(node, key, value, source, name)
        except InputError:
            if matters(f"{name}." if isinstance(value, dict) else name):
                raise
            continue
        if isinstance(node[key], CfgNode):
            _merge(node[key], value, source, matters, f"{name}.")


def _put(node: Node, key: str, value: Any, source: str, name: str) -> None:
    """A value into its place; a group is only seen to be one."""
    if key not in node:
        if name.rpartition(".")[0] not in FREE_NODES:
            raise InputError(f"{source}: unknown setting {name}{nearest(str(key), node.keys())}")
        if not isinstance(value, dict):
            raise InputError(f"{source}: {name} must hold settings of an optimiser, not {shown(value)}")
        node[key] = optimiser_group()
    if not isinstance(node[key], CfgNode):
        node[key] = _fit(value, node[key], name, source)
        try:
            node.check(key, name)
        except InputError as error:
            raise InputError(f"{source}: {error}") from error
    elif not isinstance(value, dict):
        raise InputError(f"{source}: {name} is a group of settings, but got the value {shown(value)}")


def _fit(value: Any, default: Any, name: str, source: str) -> Any:
    """`value` as the type of `default`."""
    kind = type(default)
    if kind is float and isinstance(value, int | str) and not isinstance(value, bool):
        with contextlib.suppress(ValueError, OverflowError):
            return float(value)  # YAML reads 1e-3 as text
    if kind is tuple and isinstance(value, list | tuple):
        items = tuple(value)
        if default and any(type(item) is not type(default[0]) for item in items):
            items = tuple(_fit(item, default[0], name, source) for item in items)
        return items
    if kind is str and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if type(value) is not kind:
        expected = {"str": "text", "int": "a whole number", "float": "a number", "bool": "True or False"}
        wanted = expected.get(kind.__name__, "a list")
        raise InputError(f"{source}: {name} must be {wanted} such as {default!r}, but got {shown(value)}")
    return copy.copy(value)


def _nested(key: str, value: Any) -> dict[str, Any]:
    for part in reversed(key.split(".", 8)):
        value = {part: value}
    return value


def _parse(key: str, text: str) -> Any:
    """A value from the command line, read as YAML (so 3, 0.5, True, [1, 2] and text all work)."""
    source = f"--opts {key[:LONGEST_KEY]}"
    if text.startswith("(") and text.endswith(")"):
        return parse_yaml(f"[{text[1:-1]}]", source)
    try:
        value = parse_yaml(text, source)
    except Forbidden:
        raise
    except InputError:
        return text
    return "" if value is None else value
