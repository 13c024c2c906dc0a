"""Licences of weights: named always; one that asks for it is shown and agreed to before the first use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sccan.errors import InputError, nearest
from sccan.files.cache import cache_folder
from sccan.files.writing import write_text_atomically

VARIABLE = "SCCAN_ACCEPT_LICENSES"
"""Environment variable that names agreed licences, with commas between them."""


@dataclass(frozen=True)
class License:
    """A licence that has to be agreed to.

    Attributes:
        title: its name.
        url: where its text is.
        summary: what kind of licence it is.
    """

    title: str
    url: str
    summary: str


ASKED = {
    "dinov3-license": License(
        "DINOv3 License",
        "https://ai.meta.com/resources/models-and-libraries/dinov3-license/",
        "Meta's own, no open-source licence: it limits what the weights and what is made with them may be used for, "
        "and goes with them when they are passed on",
    )
}
"""timm's name of a licence -> what is agreed to; all others are named, and nothing more."""


def is_accepted(name: str) -> bool:
    """Whether a licence needs no agreement, or has it."""
    if name not in ASKED:
        return True
    return name in os.environ.get(VARIABLE, "").replace(" ", "").split(",") or _record(name).is_file()


def accept(name: str) -> Path:
    """Keeps the agreement to a licence, in the cache folder; the file.

    Raises InputError: there is no such licence, or the folder cannot be written.
    """
    if name not in ASKED:
        raise InputError(f"there is no licence {name!r} to agree to, but {', '.join(ASKED)}{nearest(name, ASKED)}")
    return write_text_atomically(_record(name), f"{ASKED[name].title}, {ASKED[name].url}: agreed to\n")


def require_accepted(name: str, model: str) -> None:
    """Raises InputError: the licence of a model's weights is not agreed to yet; the line shows where it is."""
    if is_accepted(name):
        return
    asked = ASKED[name]
    raise InputError(
        f"the weights of {model} are under the {asked.title} ({asked.summary}): read {asked.url}, and if you agree, "
        f"say so once with sccan models --accept {name}, or with {VARIABLE}={name}"
    )


def _record(name: str) -> Path:
    return cache_folder() / "licenses" / name
