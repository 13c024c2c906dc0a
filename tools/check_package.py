"""Builds sdist and wheel, checks them, and uses the wheel from outside the checkout, with one Python after another.

  python tools/check_package.py                                    # build and look inside
  python tools/check_package.py --python python3.11 python3.12     # also install and run, each in a venv of its own
  python tools/check_package.py --python python3.11 --lowest tests/backbones tests/predict   # oldest allowed versions

Every venv takes some minutes and up to 5 GB under --work, nearly all of it torch, and is removed afterwards. Where `uv`
is installed it takes pip's place, which fetches torch once for all of them and links its files.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
IN_WHEEL = (
    "sccan/page/static/index.html",
    "sccan/classification/data/splits/splits.json",
    "sccan/segmentation/data/prepare/counts.json",
    "sccan/presets/shapes/shapes_split0.yaml",
    "sccan/presets/pascal/pascal_split0_resnet50.yaml",
)
"""Files that are no Python and have to be there."""
IN_SDIST = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "config/shapes/shapes_split0.yaml", *IN_WHEEL[:3])
NOT_IN_WHEEL = ("tests/", "tools/", "docs/", "config/", "runs/", "data/")
TESTED_LOWEST = ("pytest", "hypothesis")


def main() -> int:
    """Exit code 0: everything is as it should be."""
    command = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("--python", nargs="*", default=[], metavar="EXE", help="interpreters to install into")
    command.add_argument(
        "--lowest", nargs="+", default=[], metavar="TESTS", help="lower bounds, and tests to run there"
    )
    command.add_argument("--work", type=Path, default=Path("build/package"), help="folder for everything that is made")
    command.add_argument("--pip", nargs="*", default=[], metavar="WORD", help="more words for pip (or uv pip) install")
    args = command.parse_args()
    work = args.work.resolve()
    wheel = _built(work / "dist")
    for exe in args.python:
        began = time.monotonic()
        venv = work / f"venv-{Path(exe).name}"
        try:
            _try(exe, venv, wheel, args.lowest, args.pip, work)
        finally:
            shutil.rmtree(venv, ignore_errors=True)
        print(f"{exe}: fine, {time.monotonic() - began:.0f} s", flush=True)
    return 0


def _built(dist: Path) -> Path:
    """The wheel, built from the sdist and checked."""
    shutil.rmtree(dist, ignore_errors=True)
    _run(sys.executable, "-m", "build", "--outdir", str(dist), str(ROOT))
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    _run(sys.executable, "-m", "twine", "check", "--strict", str(wheel), str(sdist))
    inside = zipfile.ZipFile(wheel).namelist()
    with tarfile.open(sdist) as archive:
        packed = [name.partition("/")[2] for name in archive.getnames()]
    for names, wanted, file in ((inside, IN_WHEEL, wheel), (packed, IN_SDIST, sdist)):
        _require(not (missing := [name for name in wanted if name not in names]), f"{file.name} lacks {missing}")
    _require(not (more := [name for name in inside if name.startswith(NOT_IN_WHEEL)]), f"{wheel.name} holds {more[:3]}")
    sources = {path.relative_to(ROOT).as_posix() for path in (ROOT / "sccan").rglob("*.py")}
    _require(not (left := sorted(sources - set(inside))), f"{wheel.name} lacks {left[:3]}")
    print(f"{wheel.name}: {len(inside)} files, {wheel.stat().st_size >> 10} KiB; {sdist.name}: fine", flush=True)
    return wheel


def _try(exe: str, venv: Path, wheel: Path, tests: Sequence[str], pip: Sequence[str], work: Path) -> None:
    """Install the wheel and use it; with tests, against the oldest versions that it allows."""
    shutil.rmtree(venv, ignore_errors=True)
    words = [f"{wheel}[all]", *TESTED_LOWEST, *_lowest()] if tests else [str(wheel)]
    python = _installed(exe, venv, [*words, *pip])
    place = work / "elsewhere"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    script = str(venv / "bin" / "sccan")
    _run(script, "--help", cwd=place, env=clean)
    _run(script, "demo", "--first-look", "--output", "runs", cwd=place, env=clean)
    look = place / "runs" / "first_look"
    _require((look / "found" / "report.html").is_file(), "sccan demo --first-look wrote no report")
    pictures = ("--support", str(look / "examples"), "--images", str(look / "photos"))
    _run(script, "segment", *pictures, "--out", "masks", "--format", "yolo", cwd=place, env=clean)
    photos = {path.stem for path in (look / "photos").iterdir()}
    _require({path.stem for path in (place / "masks").glob("*.png")} == photos, "sccan segment left pictures out")
    if tests:
        marks = ("-m", "not slow and not browser and not fuzz")
        _run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *marks, *tests, cwd=ROOT, env=clean)


def _installed(exe: str, venv: Path, words: Sequence[str]) -> str:
    """The Python of a new venv that holds these."""
    python = str(venv / "bin" / "python")
    if uv := shutil.which("uv"):
        _run(uv, "venv", "--quiet", "--python", exe, str(venv))
        _run(uv, "pip", "install", "--python", python, *words)
    else:
        _run(exe, "-m", "venv", str(venv))
        _run(python, "-m", "pip", "install", "--quiet", "--no-cache-dir", *words)
    return python


def _lowest() -> list[str]:
    """Every dependency at its lower bound, of the package and of all its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    bounds = [
        *project["dependencies"],
        *(one for name in extras if name not in ("all", "dev", "docs") for one in extras[name]),
    ]
    return sorted({bound.partition(",")[0].replace(">=", "==") for bound in bounds})


def _run(*words: str, cwd: Path = ROOT, env: dict[str, str] | None = None) -> None:
    print(f"+ {' '.join(words)}", flush=True)
    subprocess.run(words, check=True, cwd=cwd, env=env)


def _require(fine: bool, otherwise: str) -> None:
    if not fine:
        raise SystemExit(f"error: {otherwise}")


if __name__ == "__main__":
    sys.exit(main())
