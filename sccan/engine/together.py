"""A folder for the main process of several: what it is refused, all of them are."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sccan.engine.distributed import Runtime
from sccan.errors import InputError
from sccan.files.alone import alone_in


@contextlib.contextmanager
def alone_for_all(folder: Path, runtime: Runtime) -> Iterator[None]:
    """`alone_in` a folder that the main process writes to; all processes must call.

    Raises InputError: another command has the folder, or it cannot be made; on every process.
    """
    with contextlib.ExitStack() as stack:
        problem = ""
        if runtime.is_main:
            try:
                stack.enter_context(alone_in(folder))
            except InputError as error:
                problem = str(error)
        problem = runtime.share(problem)
        if problem:
            raise InputError(problem)
        yield
