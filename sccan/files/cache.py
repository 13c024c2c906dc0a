"""The folder for what can be made or fetched again."""

import os
from pathlib import Path


def cache_folder(named: str | Path | None = None) -> Path:
    """The folder named, ``$SCCAN_CACHE`` or ``~/.cache/sccan``; it need not exist."""
    return Path(named or os.environ.get("SCCAN_CACHE") or Path.home() / ".cache" / "sccan")
