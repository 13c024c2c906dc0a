"""Files of weights on the model hub: fetched only when asked for, continued, checked, kept in a folder."""

from __future__ import annotations

import http.client
import os
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sccan.errors import InputError, needs
from sccan.files.cache import cache_folder
from sccan.files.download import Archive, fetch

FILE = "model.safetensors"
"""What weights are called on the hub."""
PLACE = "set SCCAN_CACHE to another folder"
NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w.-]+))?")
SHA256 = re.compile(r"[0-9a-f]{64}")
COMMIT = re.compile(r"[0-9a-f]{40}")


class Unreachable(InputError):
    """The hub does not answer; what was fetched earlier may do."""


@dataclass(frozen=True)
class HubWeights:
    """A file of weights on the hub.

    Attributes:
        name: owner and name.
        revision: branch, tag or commit.
    """

    name: str
    revision: str = "main"

    @property
    def url(self) -> str:
        """Where it lies; ``HF_ENDPOINT`` names another hub of the same kind."""
        return f"{endpoint()}/{self.name}/resolve/{self.revision}/{FILE}"

    @property
    def path(self) -> Path:
        """Where it is kept, once it is fetched."""
        return cache_folder() / "weights" / self.name / self.revision / FILE

    def __str__(self) -> str:
        return self.name if self.revision == "main" else f"{self.name}@{self.revision}"


def endpoint() -> str:
    """The hub's address.

    Raises InputError: its client is not installed.
    """
    with needs("the model hub", "hub"):
        from huggingface_hub import constants  # imported where a name is resolved: models that are here need none of it
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def token() -> str:
    """Of the person who is logged in to the hub; empty: nobody is."""
    with needs("the model hub", "hub"):
        from huggingface_hub import get_token
    return get_token() or ""


def parse_hub_name(text: str) -> HubWeights:
    """``OWNER/NAME`` or ``OWNER/NAME@REVISION``.

    Raises InputError: it is neither.
    """
    match = NAME.fullmatch(text)
    if match is None or ".." in text:
        raise InputError(f"{text!r} is no name on the hub; expected OWNER/NAME, or OWNER/NAME@REVISION")
    return HubWeights(match["name"], match["revision"] or "main")


def kept(weights: HubWeights) -> Path:
    """The file, without any connection.

    Raises InputError: it has not been fetched; the line says how it is, and where it may be put by other means.
    """
    if not weights.path.is_file():
        raise InputError(
            f"the weights {weights} are not on this machine; fetch them with sccan models --fetch {weights} (or set "
            f"BACKBONE.DOWNLOAD True), or bring {weights.url} to {weights.path} by other means"
        )
    return weights.path


def fetch_weights(weights: HubWeights, *, pause: float = 2.0, timeout: float = 30.0) -> Path:
    """The file: the one that is kept, or a download that continues where an earlier one broke off.

    It counts as whole once it has the SHA-256 that the hub announces.

    Args:
        pause, timeout: see `sccan.files.download.fetch`.

    Raises InputError: the hub does not answer or has no such file, the checksum does not fit, or the cache folder
        cannot be written.
    """
    if weights.path.is_file():
        return weights.path
    archive = Archive(FILE, (weights.url,), announced(weights, timeout=timeout).sha256, token())
    return fetch(archive, weights.path.parent, pause=pause, timeout=timeout, elsewhere=PLACE)


class _Stay(urllib.request.HTTPRedirectHandler):
    """The hub tells the checksum in its own answer, before it sends one on to where the bytes are."""

    def redirect_request(self, *args: Any, **more: Any) -> None:
        return None


@dataclass(frozen=True)
class Announced:
    """What the hub tells of a file before it is fetched; empty where it tells nothing.

    Attributes:
        sha256: its checksum.
        commit: what the branch or tag stands for at the moment.
    """

    sha256: str
    commit: str


def announced(weights: HubWeights, *, timeout: float = 30.0) -> Announced:
    """Asks the hub.

    Raises:
        Unreachable: it does not answer.
        InputError: it refuses, or has no such file.
    """
    request = urllib.request.Request(weights.url, method="HEAD")
    if known := token():
        request.add_unredirected_header("Authorization", f"Bearer {known}")
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=timeout) as response:
            headers = response.headers
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise InputError(
                f"the hub lets nobody fetch {weights.url} without a login ({error.code}); log in with hf auth login, "
                f"or fetch it by your own means and put it at {weights.path}"
            ) from error
        if error.code == 404:
            raise InputError(f"the hub has no {weights.url}; check the name and the revision") from error
        headers = error.headers
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        reason = getattr(error, "reason", error)
        raise Unreachable(
            f"the hub does not answer ({weights.url}: {reason or type(error).__name__}); run the same command again "
            f"with a connection, or bring the file to {weights.path} by other means"
        ) from error
    told = (headers.get("X-Linked-Etag") or "").removeprefix("W/").strip('"')
    commit = headers.get("X-Repo-Commit") or ""
    return Announced(told if SHA256.fullmatch(told) else "", commit if COMMIT.fullmatch(commit) else "")
