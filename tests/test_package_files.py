"""The files around the package agree with it: version, extras, interpreters, and the paths that they name."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import yaml

import sccan

ROOT = Path(__file__).resolve().parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def _yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text())


def test_one_version_everywhere() -> None:
    assert PROJECT["version"] == sccan.__version__ == str(_yaml("CITATION.cff")["version"])


def test_every_extra_that_the_code_names_exists_and_all_has_them() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "sccan").rglob("*.py"))
    named = set(re.findall(r"sccan\[([a-z0-9-]+)\]", sources)) | set(
        re.findall(r"""needs\(f?["'][^"']*["'], ["']([a-z0-9-]+)["']\)""", sources)
    )
    assert {"scientific", "page"} <= named <= set(EXTRAS)
    (everything,) = EXTRAS["all"]
    inside = set(re.fullmatch(r"sccan\[(.*)\]", everything)[1].split(","))  # type: ignore[index]
    assert inside == set(EXTRAS) - {"all", "dev", "docs"}
    assert "sccan[all]" in EXTRAS["dev"]


def test_who_only_uses_models_installs_nothing_for_training() -> None:
    core = {re.split(r"[<>=]", one)[0] for one in PROJECT["dependencies"]}
    assert core.isdisjoint({"tensorboard", "scipy", "scikit-learn", "onnx", "fastapi", "h5py"})


def test_containers_copy_what_the_build_needs_and_take_the_page_along() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"sccan", "config", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"} == kept
    file = (ROOT / "Dockerfile").read_text()
    stages = set(re.findall(r"^FROM base AS on-(\w+)$", file, re.M))
    (usual,) = re.findall(r"^ARG VARIANT=(\w+)$", file, re.M)
    services = _yaml("compose.yaml")["services"]
    wanted = {service["build"]["args"].get("VARIANT", usual) for service in services.values()}
    assert wanted == stages == {"cpu", "cuda"}
    for service in services.values():
        assert service["network_mode"] == "host", "the page answers on 127.0.0.1 alone"
        assert "ports" not in service
        assert service["command"][0] == "label"


def test_the_workflow_runs_what_decides_here_on_every_python_that_is_promised() -> None:
    jobs = _yaml(".github/workflows/ci.yaml")["jobs"]
    assert {"run": ".ci/run"} in jobs["all"]["steps"]
    versions = jobs["package"]["strategy"]["matrix"]["python-version"]
    assert PROJECT["requires-python"] == f">={versions[0]}"
    for form in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        assert yaml.safe_load(form.read_text())
