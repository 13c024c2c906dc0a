"""A process that has imported everything once and runs every command in a fork of itself, within bounds.

It reads one JSON object per line (argv, cwd, out, err) and answers with how the fork ended.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
from pathlib import Path

import torch

import sccan
from sccan.commands import main as commands
from sccan.commands.entry import run_main

SECONDS = 20
"""Of the processor, which a busy machine gives slowly ..."""
PATIENCE = 180
"""... and of the clock, for what waits for something that never comes."""
ROOM = 3 << 30
"""Bytes of address space that a command may add; more than it may use, so that the measure decides."""


def imported() -> None:
    """What the commands import, so that a fork need not."""
    torch.set_num_threads(1)
    for module in pkgutil.walk_packages(sccan.__path__, "sccan."):
        importlib.import_module(module.name)
    for name in ("h5py", "scipy.io", "torch.utils.tensorboard", "safetensors.torch"):
        importlib.import_module(name)


def mapped_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def run(wish: dict[str, object]) -> dict[str, object]:
    """Runs a command in a fork, and says how it ended."""
    room = mapped_bytes() + ROOM
    child = os.fork()
    if child == 0:
        os.setsid()
        os.chdir(str(wish["cwd"]))
        for path, number in ((wish["out"], 1), (wish["err"], 2)):
            os.dup2(os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        resource.setrlimit(resource.RLIMIT_AS, (room, room))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        signal.alarm(PATIENCE)
        argv = list(wish["argv"])  # type: ignore[call-overload]
        sys.argv = ["sccan", *argv]
        code = 1
        try:
            run_main(commands.main, argv)
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else 1
        except BaseException:
            sys.excepthook(*sys.exc_info())
            code = 70
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    _, status, used = os.wait4(child, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # workers that outlive it
    code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
    return {"code": code, "seconds": used.ru_utime + used.ru_stime, "bytes": used.ru_maxrss << 10}


if __name__ == "__main__":
    imported()
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
