"""ARCHITECTURE.md's rule that imports only point downwards, read off the source."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "sccan"
FLOORS = (
    ("commands", "reference", "benchmark"),
    ("predict",),
    ("builders",),
    ("engine",),
    ("segmentation", "classification"),
    ("method",),
    ("backbones", "attention", "episodes", "report", "config"),
    ("settings", "settings_classification", "published_config", "pointwise"),
    ("files", "ranges"),
    ("errors",),
)
"""From the roof down; rooms of one floor may import each other only where `SIDEWAYS` says so."""
SIDEWAYS = {("commands", "reference"), ("commands", "benchmark"), ("benchmark", "reference")}
SIDEWAYS |= {("episodes", "report"), ("settings", "settings_classification")}
SIDEWAYS |= {("published_config", "errors")}
HEIGHT = {room: height for height, rooms in enumerate(reversed(FLOORS)) for room in rooms}


def room_of(module: str) -> str:
    """``sccan.engine.train`` -> ``engine``."""
    return module.split(".")[1] if module.count(".") else ""


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    named |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return {room_of(name) for name in named if name.startswith("sccan.")}


FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_room_has_a_floor() -> None:
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES}
    assert rooms - {"__init__", "__main__"} == set(HEIGHT)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downwards(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own.startswith("__"):
        return
    for other in imported(path) - {own}:
        below = HEIGHT[other] < HEIGHT[own]
        assert below or (own, other) in SIDEWAYS, f"{path} ({own}) imports from {other}"
