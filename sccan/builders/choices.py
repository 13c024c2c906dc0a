"""Refusals of settings that several builders need."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

from sccan.errors import InputError, nearest


@contextlib.contextmanager
def made_of_settings() -> Iterator[None]:
    """What the constructors of a model refuse is said of the settings that they were given.

    Raises InputError: they refused.
    """
    try:
        yield
    except InputError:
        raise
    except (ValueError, RuntimeError) as error:
        line = " ".join(str(error).split())
        raise InputError(f"the settings make no model: {line[:300]}; correct METHOD and BACKBONE") from error


def require_choice(key: str, value: str, known: Collection[str]) -> None:
    """Raises InputError: the value of a setting is none of those known."""
    if value not in known:
        raise InputError(f"{key} is {value!r}, expected one of {', '.join(known)}{nearest(value, known)}")


def require_divisor(key: str, value: int, channels: int) -> None:
    """Raises InputError: the value of a setting does not divide the channels of the backbone."""
    if value < 1 or channels % value:
        raise InputError(f"{key} is {value}, but must divide the {channels} channels of the backbone")
