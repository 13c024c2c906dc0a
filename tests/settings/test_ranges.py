"""Ranges of settings: every number has one, every shipped config is inside, and what is outside is one line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sccan.errors import InputError
from sccan.settings.loading import as_dict, config_of, flatten, load_config
from sccan.settings.ranges import Node, Ranged
from sccan.settings.tree import defaults, optimiser_group


def ranges(node: Node, prefix: str = "") -> dict[str, Ranged]:
    found = {f"{prefix}{key}": value for key, value in node.__dict__.get("ranges", {}).items()}
    for key, value in node.items():
        if isinstance(value, Node):
            found |= ranges(value, f"{prefix}{key}.")
    return found


TREE = defaults()
TREE.OPTIM.head = optimiser_group()
RANGES = ranges(TREE)
FLAT = flatten(TREE)


def nested(name: str, value: Any) -> dict[str, Any]:
    for part in reversed(name.split(".")):
        value = {part: value}
    return value


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def test_every_number_has_a_range() -> None:
    wanting = [name for name, value in FLAT.items() if is_number(value) and name not in RANGES]
    lists = [name for name, value in FLAT.items() if isinstance(value, tuple) and name not in RANGES]
    assert not wanting
    assert all(isinstance(item, str) for name in lists for item in FLAT[name])  # stages, by name


@pytest.mark.parametrize("name", RANGES)
def test_defaults_are_inside(name: str) -> None:
    RANGES[name].check(name, FLAT[name])


@pytest.mark.parametrize("name", RANGES)
def test_what_is_no_number_or_far_outside_is_one_line(name: str) -> None:
    for bad in (math.nan, math.inf, -math.inf, 10**400, -(10**400), None, [[1]], {"a": 1}, "x", True):
        with pytest.raises(InputError) as error:
            config_of(nested(name, bad), "a file")
        assert str(error.value).startswith("a file: ")
        assert name in str(error.value)
        assert len(str(error.value)) < 300


@pytest.mark.parametrize("name", RANGES)
def test_the_ends_of_a_range_hold(name: str) -> None:
    ranged = RANGES[name]
    count = max(1, ranged.lengths[0])

    def value(number: float) -> Any:
        return [number] * count if isinstance(ranged.default, tuple) else number

    high = int(ranged.high) if ranged.whole else ranged.high
    config_of(nested(name, value(high)), "a file")
    with pytest.raises(InputError, match="expected"):
        config_of(nested(name, value(high + 1)), "a file")
    low = int(ranged.low) if ranged.whole else ranged.low
    outside = low if ranged.above else low - 1
    with pytest.raises(InputError, match="expected"):
        config_of(nested(name, value(outside)), "a file")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
groups = sorted({name.rpartition(".")[0] for name in FLAT} - {""})


@given(st.dictionaries(st.sampled_from(sorted([*FLAT, *groups])), values, max_size=3))
def test_any_settings_are_inside_or_one_line(chosen: dict[str, Any]) -> None:
    tree: dict[str, Any] = {}
    for name, value in chosen.items():
        *path, leaf = name.split(".")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                return
        node[leaf] = value
    try:
        cfg = config_of(tree, "a file")
    except InputError as error:
        assert "\n" not in str(error).replace("\\n", "")  # noqa: PT017
        return
    flat = flatten(cfg)
    for name, ranged in RANGES.items():
        if name in flat:
            ranged.check(name, flat[name])


@pytest.mark.parametrize("text", ["!!int x", "!!python/name:os.system", "&a [*a]", "[" * 100, "1" * 5000, "0x_"])
def test_a_word_of_the_command_line_is_plain_too(text: str, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("SEED: 1\n")
    with pytest.raises(InputError, match="^--opts SEED"):
        load_config(file, ["SEED", text])


def test_seeds_are_counted_once(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"TEST.SEEDS is \[1, 1\], but the same seed counts once"):
        config_of({"TEST": {"SEEDS": [1, 1]}}, "a file")


def test_a_long_chain_of_files_is_one_line(tmp_path: Path) -> None:
    for number in range(1500):
        (tmp_path / f"b{number}.yaml").write_text(f"_BASE_: b{number + 1}.yaml\n")
    with pytest.raises(InputError, match="a chain of more than"):
        load_config(tmp_path / "b0.yaml")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("epochs: abc, SubEpoch_val: true", "epochs is 'abc', expected a number"),
        ("5: y", "unknown key 5"),
        ("base_lr: null", "base_lr is None, expected a number"),
        ("base_lr: [1]", "base_lr is [1], expected a number"),
        ("rotate_min: a, rotate_max: b", "rotate_min is 'a', expected a number"),
        ("batch_size: 1e99", "TRAIN.BATCH_SIZE"),
    ],
)
def test_published_files_are_checked_too(section: str, expected: str, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(f"TRAIN: {{data_root: x, {section}}}\n")
    with pytest.raises(InputError) as error:
        load_config(file)
    assert expected in str(error.value)


@pytest.mark.parametrize("value", ["5", "[1]", "x"])
def test_a_published_file_with_a_method_that_is_none(value: str, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("TRAIN: {data_root: x}\n")
    with pytest.raises(InputError, match="METHOD is a group of settings"):
        load_config(file, ["METHOD", value])


def test_the_settings_of_a_file_survive(tmp_path: Path) -> None:
    cfg = config_of({"OPTIM": {"head": {"LR": 1e-3}}, "TEST": {"SEEDS": [3, 1]}}, "a file")
    assert as_dict(cfg)["OPTIM"]["head"]["LR"] == 1e-3
    assert cfg.TEST.SEEDS == (3, 1)
