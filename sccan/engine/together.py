"""A folder for the main process of several: what it is refused, all of them are."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from sccan.engine.distributed import Runtime
from sccan.errors import InputError
from sccan.files.alone import alone_in
from sccan.files.made import Made, holds_test, made_before


@contextlib.contextmanager
def alone_for_all(
    folder: Path, runtime: Runtime, names: Iterable[str], *, is_ours: Callable[[Path], bool] = holds_test
) -> Iterator[Made | None]:
    """`alone_in` a folder that the main process writes to; all processes must call.

    Args:
        names: of the files that will be written.
        is_ours: see `made_before`.

    Yields:
        Which files of the folder are ours; None on all processes but the main one.

    Raises InputError: another command has the folder, it cannot be made, or one of the files is somebody else's; on
        every process.
    """
    with contextlib.ExitStack() as stack:
        problem, made = "", None
        if runtime.is_main:
            try:
                stack.enter_context(alone_in(folder))
                made = made_before(folder, names, is_ours)
            except InputError as error:
                problem = str(error)
        problem = runtime.share(problem)
        if problem:
            raise InputError(problem)
        yield made
