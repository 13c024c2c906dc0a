"""Reference cases: numbers that published implementations compute, and how ours are compared with them.

A case is a JSON file (settings, names and shapes of weights, recipes of inputs, tolerances) with an npz file of
outputs. Weights are drawn under their published names (`fill.py`) and pass through the same name tables as a
downloaded checkpoint.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sccan.errors import InputError
from sccan.files.arrays import read_arrays
from sccan.files.formats import ReferenceCase
from sccan.files.reading import read_bytes
from sccan.files.structured import as_kind, read_json, shown
from sccan.reference import fill
from sccan.reference.stated import Stated, matched

Runner = Callable[["Case"], dict[str, Any]]

SCHEMA = 1
RECIPE = frozenset(
    "kind shape seed values value classes dtype ignore ignore_from scale tint minus plus_class then how rule".split()
)
"""What the recipe of an input of a common kind may state, besides sentences."""
OVERWRITTEN = r"first (\d+) entries are overwritten with 0\.\.(\d+)"
WEIGHT_RULES = ("aliases", "scale", "overrides")


@dataclass(frozen=True)
class Case:
    """One reference case.

    Attributes:
        path: the JSON file.
        data: its content.
        device: where a runner should compute, for instance ``cpu``.
    """

    path: Path
    data: dict[str, Any]
    device: str = "cpu"

    @property
    def system(self) -> str:
        return self.data["system"]

    @property
    def part(self) -> str:
        return self.data["part"]

    @property
    def config(self) -> Stated:
        """The settings, which note what is read of them."""
        if not isinstance(self.data["config"], Stated):
            self.data["config"] = Stated(self.data["config"], self.path.name)
        return self.data["config"]

    @property
    def facts(self) -> dict[str, Any]:
        return self.data.get("facts", {})

    @property
    def inputs(self) -> dict[str, dict[str, Any]]:
        return self.data.get("inputs", {})

    def weights(self, prefix: str = "") -> dict[str, Tensor]:
        """Weights under their published names, rules applied; with `prefix`, those under it, the prefix cut off.

        Raises InputError: there is a rule of another kind.
        """
        manifest, seed = self.data.get("weights", {}), self.data.get("weight_seed", 0)
        arrays = fill.state_dict(manifest, seed)
        rules = self.data.get("weight_rules") or {}
        if unknown := sorted(set(rules) - set(WEIGHT_RULES)):
            raise InputError(f"{self.path} has the weight rule {unknown[0]!r}; known are {', '.join(WEIGHT_RULES)}")
        for name, source in rules.get("aliases", {}).items():
            arrays[name] = arrays[source]
        for pattern, factor in rules.get("scale", {}).items():
            for name in arrays:
                if re.search(pattern, name):
                    arrays[name] = (arrays[name] * factor).astype(arrays[name].dtype)
        for name, value in rules.get("overrides", {}).items():
            arrays[name] = np.full_like(arrays[name], value)
        return {
            name.removeprefix(prefix): torch.as_tensor(value)
            for name, value in arrays.items()
            if name.startswith(prefix)
        }

    def input(self, name: str) -> np.ndarray:
        """The value of an input of one of the common kinds; a kind with a rule of its own belongs to its runner."""
        return build_input(name, self.recipe(name), lambda other: self.input(other))

    def recipe(self, name: str) -> dict[str, Any]:
        """How an input is built; ``image_3`` may be one of a family ``image_i`` or ``image_e``.

        Raises InputError: there is no such input.
        """
        stem = re.sub(r"_\d+$", "", name)
        for known in (name, *(f"{stem}_{letter}" for letter in "ie" if stem != name)):
            if known in self.inputs:
                return self.inputs[known]
        raise InputError(f"{self.path} has no input {name!r}")

    def tensor(self, name: str) -> Tensor:
        """`input` as a tensor on the case's device."""
        return torch.as_tensor(self.input(name)).to(self.device)

    def expected(self) -> Iterator[tuple[str, Any, dict[str, Any], str | None]]:
        """Name, wanted value, tolerance and slice of every output and value."""
        npz = self.path.with_suffix(".npz")
        arrays: dict[str, np.ndarray] = {}
        if self.data.get("outputs"):
            if not npz.is_file():
                raise InputError(f"{self.path} names outputs but {npz.name} is missing beside it; copy both files")
            arrays = read_arrays(npz)
            missing = next((name for name in self.data["outputs"] if name not in arrays), None)
            if missing is not None:
                raise InputError(f"{npz} lacks the output {missing} of {self.path.name}; copy both files again")
        for name, output in self.data.get("outputs", {}).items():
            yield name, arrays[name], output["tolerance"], output.get("slice")
        for name, value in self.data.get("values", {}).items():
            yield name, value["value"], value["tolerance"], None


def read_case(path: Path, device: str = "cpu") -> Case:
    """Read a case file.

    Raises InputError: not a JSON object of the known schema.
    """
    data: dict[str, Any] = read_json(path, dict[str, Any], "reference case", nan=True)
    if "system" not in data:
        raise InputError(f"{path} is no reference case: it names no system")
    if data.get("schema") != SCHEMA:
        raise InputError(f"{path} has schema {shown(data.get('schema'))}, but schema {SCHEMA} is known")
    as_kind(data, ReferenceCase, f"reference case {path}")
    return Case(path, data, device)


def find_cases(paths: list[Path]) -> list[Path]:
    """Every case file under the given files and folders, sorted; tables of facts (JSON without a system) are left out.

    Raises InputError: a path does not exist.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"{path} does not exist; give case files or folders that hold them")
        found += sorted(path.rglob("*.json")) if path.is_dir() else [path]
    return [p for p in found if b'"system"' in read_bytes(p, "reference case")]


def build_input(name: str, recipe: dict[str, Any], other: Callable[[str], np.ndarray]) -> np.ndarray:
    """The value of an input from its recipe.

    Args:
        name: the key used for drawing.
        recipe: the entry of the case's ``inputs``.
        other: gives the value of another input by its name (for instance the one that places 255).

    Raises InputError: the kind has no common meaning, or the recipe says something that is not known.
    """
    kind, seed = recipe["kind"], recipe.get("seed", 0)
    shape = tuple(recipe.get("shape", ()))
    if unknown := [key for key, value in recipe.items() if key not in RECIPE and not isinstance(value, str)]:
        raise InputError(f"input {name!r} states {unknown[0]} {recipe[unknown[0]]!r}, which is not known here")
    if kind in ("values", "literal", "constant"):
        given = np.asarray(recipe.get("values", recipe.get("value")))
        return np.broadcast_to(given, shape).copy() if "shape" in recipe else given
    if kind == "zeros":
        return np.zeros(shape, np.float32)
    if kind == "blocklabel":
        return _block_label(name, recipe, shape, other)
    if kind == "mask":
        return fill.mask(name, shape, bool(recipe.get("ignore", False)), seed)
    if kind == "label":
        label = fill.label(name, shape, recipe["classes"], seed).astype(recipe.get("dtype", "int64"))
        return _overwritten(label, recipe["then"], name) if "then" in recipe else label
    if kind == "image_scaled":
        return (recipe["scale"] * fill.image(name, shape, seed)).astype(np.float32)
    if kind in ("image", "feature"):
        return _modified(name, recipe, (fill.image if kind == "image" else fill.feature)(name, shape, seed))
    raise InputError(f"input {name!r} is of kind {kind!r}, which has a rule of its own and no common meaning")


def _overwritten(label: np.ndarray, sentence: str, name: str) -> np.ndarray:
    """The first entries counted through, so that every class occurs."""
    count, last = (int(number) for number in matched(OVERWRITTEN, sentence, f"input {name!r}").groups())
    label[:count] = np.resize(np.arange(last + 1), count)
    return label


def _modified(name: str, recipe: dict[str, Any], value: np.ndarray) -> np.ndarray:
    """Tint, offset and class prototypes added to a drawn image or feature."""
    shape, seed = value.shape, recipe.get("seed", 0)
    if "tint" in recipe:
        value = value + np.float32(recipe["tint"]) * fill.feature(f"{name}_tint", (*shape[:-2], 1, 1), seed)
    if "minus" in recipe:
        value = value - np.float32(recipe["minus"])
    if "plus_class" in recipe:
        add = recipe["plus_class"]
        prototypes = fill.feature(add["prototypes"], tuple(add["shape"]), add["seed"])
        value = value + np.float32(add["factor"]) * prototypes[np.asarray(add["labels"])]
    return value.astype(np.float32)


def _block_label(
    name: str, recipe: dict[str, Any], shape: tuple[int, ...], other: Callable[[str], np.ndarray]
) -> np.ndarray:
    *lead, height, width = shape
    grid = fill.label(name, (*lead, -(-height // 8), -(-width // 8)), recipe["classes"], recipe.get("seed", 0))
    label = grid.repeat(8, axis=-2).repeat(8, axis=-1)[..., :height, :width]
    if "ignore_from" in recipe:
        label = np.where(other(recipe["ignore_from"]) == 255, 255, label)
    return label


@dataclass(frozen=True)
class Line:
    """How one output compares: largest deviations, the tolerance, and whether it holds.

    Attributes:
        ratio: largest deviation in units of what is tolerated; None where that is no number (exact results, words).
    """

    name: str
    ok: bool
    absolute: float
    relative: float
    tolerance: str
    note: str = ""
    ratio: float | None = None


@dataclass(frozen=True)
class NotApplicable:
    """What a runner returns for a recording made with another version of a library than the one installed."""

    reason: str


def compare(name: str, got: Any, want: Any, tolerance: dict[str, Any], index: str | None) -> Line:
    """Compare one result with what is recorded.

    Args:
        got: the full result (array, tensor or number).
        want: the recorded value, already sliced.
        tolerance: ``atol``/``rtol``, ``exact`` or ``max_mismatch_share``.
        index: the slice (as numpy index text) that was applied before storing.
    """
    text = ", ".join(f"{key} {value:.3g}" if isinstance(value, float) else key for key, value in tolerance.items())
    if isinstance(want, str):
        return Line(name, str(got) == want, 0.0, 0.0, text, "" if str(got) == want else f"got {got}, want {want}")
    if isinstance(want, list) and any(isinstance(item, list) for item in want):  # a log, with words in it
        return Line(name, got == want, 0.0, 0.0, text, "" if got == want else "differs from the record")
    array = got.detach().cpu().numpy() if isinstance(got, Tensor) else np.asarray(got)
    array = array[parse_slice(index)] if index else array
    target = np.asarray(want)
    if array.shape != target.shape:
        if array.size != target.size or max(array.ndim, target.ndim) > 1:
            return Line(name, False, np.inf, np.inf, text, f"shape {array.shape}, want {target.shape}")
        array = array.reshape(target.shape)
    if array.size == 0:
        return Line(name, False, np.inf, np.inf, text, "nothing to compare")
    difference = np.abs(array.astype(np.float64) - target.astype(np.float64))
    if "max_mismatch_share" in tolerance and name.endswith("histogram"):
        # What is discrete here is the pixels that were counted, not the few counts; a moved pixel changes two counts.
        share = float(difference.sum() / 2 / max(target.sum(), 1))
        note = f"{share:.2%} of {int(target.sum())} pixels differ"
        allowed = tolerance["max_mismatch_share"]
        return Line(
            name, share <= allowed, float(difference.max()), share, text, note, share / allowed if allowed else None
        )
    size = np.abs(target.astype(np.float64))
    relative = float((difference / np.maximum(size, 1e-12)).max()) if difference.max() > 0 else 0.0
    ok, note = _holds(array, target, difference, size, tolerance)
    return Line(name, ok, float(difference.max()), relative, text, note, _ratio(array, target, difference, tolerance))


def _ratio(array: np.ndarray, target: np.ndarray, difference: np.ndarray, tolerance: dict[str, Any]) -> float | None:
    """The largest deviation in units of what is tolerated."""
    if tolerance.get("max_mismatch_share"):
        return float((array != target).mean()) / float(tolerance["max_mismatch_share"])
    allowed = tolerance.get("atol", 0.0) + tolerance.get("rtol", 0.0) * np.abs(target.astype(np.float64))
    if tolerance.get("exact") or not np.all(allowed > 0):
        return None
    ratio = difference / allowed
    return float(ratio.max()) if np.isfinite(ratio).all() else float("inf")


def _holds(
    array: np.ndarray, target: np.ndarray, difference: np.ndarray, size: np.ndarray, tolerance: dict[str, Any]
) -> tuple[bool, str]:
    if not np.isfinite(difference).all():
        return False, "not finite"
    if tolerance.get("exact"):
        return bool((array == target).all()), ""
    if "max_mismatch_share" in tolerance:
        share = float((array != target).mean())
        return share <= tolerance["max_mismatch_share"], f"{share:.2%} differ"
    if not {"atol", "rtol"} & set(tolerance):
        return False, f"unknown tolerance {sorted(tolerance)}"
    return bool((difference <= tolerance.get("atol", 0.0) + tolerance.get("rtol", 0.0) * size).all()), ""


def parse_slice(text: str) -> tuple[Any, ...]:
    """A numpy index such as ``[:, ::16, 0]`` from its text, without evaluating it.

    Raises InputError: the text is no such index.
    """
    parts: list[Any] = []
    for item in text.strip().removeprefix("[").removesuffix("]").split(","):
        item = item.strip()
        if item == "...":
            parts.append(Ellipsis)
        elif re.fullmatch(r"-?\d+", item):
            parts.append(int(item))
        elif re.fullmatch(r"(-?\d*)(:-?\d*){1,2}", item):
            parts.append(slice(*(int(n) if n else None for n in item.split(":"))))
        else:
            raise InputError(f"slice {text!r} is not a list of numbers and ranges")
    return tuple(parts)


def run_case(case: Case, runner: Runner) -> list[Line]:
    """Every output and value of a case, compared with what `runner` computes.

    A runner may also return keys ``facts.NAME``: these must equal the recorded fact exactly. A recorded output that
    the runner does not return counts as wrong, and so does a case of which nothing was compared. Settings that the
    runner did not read, or does not compute as stated, are told.

    Raises InputError: the case states something that is not computed here.
    """
    results = runner(case)
    lines: list[Line] = []
    left_out: list[Line] = []
    for name, want, tolerance, index in case.expected():
        got = results.get(name)
        if isinstance(got, NotApplicable):
            left_out.append(Line(name, True, 0.0, 0.0, "", f"left out: {got.reason}"))
        elif name in results:
            lines.append(compare(name, results[name], want, tolerance, index))
        else:
            lines.append(Line(name, False, np.inf, np.inf, "", "not computed"))
    for key, got in results.items():
        if key.startswith("facts."):
            same = got == case.facts.get(key.removeprefix("facts."))
            lines.append(
                Line(key, same, 0.0 if same else np.inf, 0.0, "equal", "" if same else "differs from the record")
            )
    if not lines:
        return [Line("(nothing)", False, np.inf, np.inf, "", "the case compares nothing")]
    left_out += [
        Line(f"config.{name}", True, 0.0, 0.0, "", "stated, and nothing reads it") for name in case.config.unread
    ]
    left_out += [Line(f"config.{name}", True, 0.0, 0.0, "", doubt) for name, doubt in case.config.doubts.items()]
    return lines + left_out
