"""Valid material of every format, the command that reads it, and what became of it when one file of it was wrong."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.mutations import Mutation

ROOT = Path(__file__).parents[2]
PARTLY = 1
"""Exit code of commands that did what they could, and said what they could not."""
SOME = (0, PARTLY, 2)
MOST_BYTES = 2 << 30
MOST_SECONDS = 20.0
LONGEST_LINE = 2100


@dataclass(frozen=True)
class Case:
    """A file, and a command that reads it.

    Attributes:
        name: of the format.
        material: folder that is copied for every try.
        target: the file of it that is made wrong.
        argv: the command; ``{}`` is the copy.
        mutations: what may happen to the file.
        codes: exit codes that are answers.
        inside: whether the copy is the command's current folder.
    """

    name: str
    material: Path
    target: str
    argv: Sequence[str]
    mutations: Sequence[Mutation]
    codes: tuple[int, ...] = (0, 2)
    inside: bool = False


@dataclass(frozen=True)
class Try:
    """How a command took a file that was made wrong.

    Attributes:
        name: of the format.
        seed: of the mutation.
        mutation: what was done to the file.
        code: how the command ended.
        said: its errors and warnings.
        fault: what is wrong with that; None: nothing.
    """

    name: str
    seed: int
    mutation: str
    code: int
    said: str
    fault: Fault | None


@dataclass(frozen=True)
class Fault:
    """A try that ended as none should."""

    name: str
    seed: int
    mutation: str
    why: str
    said: str

    def __str__(self) -> str:
        return f"{self.name}, seed {self.seed}, {self.mutation}: {self.why}\n{self.said}"


class Zygote:
    """The process that runs commands in forks of itself."""

    def __init__(self) -> None:
        words = [sys.executable, "-m", "tests.fuzz.zygote"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(words, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def run(self, argv: Sequence[str], out: Path, err: Path, cwd: Path = ROOT) -> dict[str, float]:
        wish = {"argv": list(argv), "cwd": str(cwd), "out": str(out), "err": str(err)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(wish) + "\n")
        self._process.stdin.flush()
        return dict(json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def zygote() -> Iterator[Zygote]:
    started = Zygote()
    try:
        yield started
    finally:
        started.close()


def attempt(case: Case, seed: int, runner: Zygote, folder: Path) -> Try:
    """Makes one file of a case wrong, and says what its command made of it."""
    draw = random.Random(f"{case.name} {seed}")
    copy = folder / "try"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(case.material, copy, symlinks=True)
    mutation = draw.choice(list(case.mutations))
    mutation(copy / case.target, draw)
    out, err = folder / "out.txt", folder / "err.txt"
    argv = [word.replace("{}", str(copy)) for word in case.argv]
    ended = runner.run(argv, out, err, copy if case.inside else ROOT)
    said, told = err.read_bytes().decode("utf-8", "replace"), out.read_bytes().decode("utf-8", "replace")
    why = verdict(case, ended, said, told)
    fault = Fault(case.name, seed, mutation.__name__, why, said[-3000:]) if why else None
    return Try(case.name, seed, mutation.__name__, int(ended["code"]), said, fault)


def verdict(case: Case, ended: dict[str, float], said: str, told: str) -> str:
    """What is wrong with an answer; empty where nothing is."""
    lines = [line for line in said.split("\n") if line.startswith("error:")]
    if "Traceback" in said or "Traceback" in told:
        return "a traceback"
    if ended["code"] not in case.codes:
        return f"exit code {ended['code']:.0f} after {ended['seconds']:.1f} s"
    if ended["code"] == 2 and len(lines) != 1:
        return f"exit code 2 with {len(lines)} lines"
    if ended["code"] != 2 and lines:
        return "an error, and yet it went on"
    if any(len(line) > LONGEST_LINE for line in lines):
        return "a line that is too long"
    if any(ord(letter) < 32 and letter not in "\n\t\r" for letter in said + told):
        return "a control character"
    if ended["bytes"] > MOST_BYTES:
        return f"{ended['bytes'] / 1e9:.1f} GB"
    if ended["seconds"] > MOST_SECONDS:
        return f"{ended['seconds']:.0f} s"
    return ""


def campaign(
    cases: Sequence[Case],
    runner: Zygote,
    folder: Path,
    *,
    first: int = 0,
    tries: int = 10,
    seconds: float = 1e9,
    told: Callable[[Try], None] = lambda one: None,
) -> tuple[list[Fault], int]:
    """Every case with seeds from `first` on, one seed after the other, until the time is over; `told` gets each try.

    Returns:
        The faults, and how many tries were made.
    """
    faults: list[Fault] = []
    made, end = 0, time.monotonic() + seconds
    for seed in range(first, first + tries):
        for case in cases:
            if time.monotonic() > end:
                return faults, made
            one = attempt(case, seed, runner, folder)
            made += 1
            if one.fault is not None:
                faults.append(one.fault)
            told(one)
    return faults, made
