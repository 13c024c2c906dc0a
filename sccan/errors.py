"""Errors that a user can cause: one clear line, exit code 2."""

import contextlib
import difflib
from collections.abc import Iterable, Iterator


class InputError(ValueError):
    """Something that came from outside is unfit: a setting, a file, a data set, a checkpoint.

    The message is one line that says what was found, what was expected and what to do. Commands print it without a
    traceback and exit with code 2; a traceback is for our own bugs only.
    """


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint such as ``; did you mean 'BATCH_SIZE'?`` for a mistyped name, or nothing where no known name is near."""
    close = difflib.get_close_matches(name[:200], list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


@contextlib.contextmanager
def needs(what: str, extra: str) -> Iterator[None]:
    """Inside the block packages are imported that not every installation has.

    Args:
        what: that needs them, as the line begins.
        extra: that brings them.

    Raises InputError: one is not installed; the line says how it is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(
            f"{what} needs the package {error.name}, which is not installed; add it with pip install 'sccan[{extra}]'"
        ) from error
