"""How large what comes from outside may be: every bound has a name, and the environment can raise it.

A file is measured before it is read or unpacked, so that a small one that stands for a huge one is refused in a line.
``SCCAN_MAX_JSON_MB=4000 sccan prepare ...`` raises a bound for one command.
"""

from __future__ import annotations

import os

from sccan.errors import InputError

LIMITS: dict[str, float] = {
    "JSON_MB": 1000,  # annotations, tables and indexes as JSON; COCO's own are 0.5 GB
    "XML_MB": 500,  # annotations of CVAT
    "TEXT_MB": 256,  # lists, csv tables, manifests
    "YAML_KB": 256,  # settings
    "ENTRY_MB": 64,  # one entry of an annotation file: an image, an annotation, what else stands there
    "LINE_MB": 8,  # one line of JSON lines or of a list
    "DEPTH": 64,  # lists and objects within each other, JSON and YAML
    "ARRAY_GB": 64,  # one array in an npy, npz, hdf5 or mat file, unpacked
    "PICTURE_MP": 178,  # pixels of a picture, in millions
    "PICKLE_GB": 16,  # a pickle, and what its arrays come to
    "WEIGHTS_GB": 16,  # a file of weights, unpacked
    "UNPACKED_GB": 400,  # everything that an archive holds
    "RATIO": 100,  # unpacked bytes for each byte of a compressed file that is not small
    "MEMBERS": 5_000_000,  # files in an archive
}
"""Name -> bound, in the unit at the end of the name."""
UNITS = {"KB": 10**3, "MB": 10**6, "MP": 10**6, "GB": 10**9}


def limit(name: str) -> int:
    """The bound of that name, in bytes or pixels where its name ends with a unit: $SCCAN_MAX_NAME, or ours.

    Raises InputError: the variable is no positive number.
    """
    text = os.environ.get(variable(name), "")
    try:
        value = float(text) if text else LIMITS[name]
    except ValueError:
        value = -1.0
    if not 0 < value < 1e15:
        raise InputError(f"{variable(name)} is {text!r}; expected a number above zero")
    return int(value * UNITS.get(name.rpartition("_")[2], 1))


def variable(name: str) -> str:
    """The variable of the environment that raises a bound."""
    return f"SCCAN_MAX_{name}"


def check_size(what: str, found: float, name: str) -> None:
    """Refuses what is larger than a bound.

    Args:
        what: begins the message, for instance ``annotations file a.json``.
        found: its size, in bytes or pixels where the bound's name ends with a unit.
        name: of the bound.

    Raises InputError: it is larger.
    """
    most = limit(name)
    if found > most:
        unit = UNITS.get(name.rpartition("_")[2], 1)
        word = f" {name.rpartition('_')[2]}" if unit > 1 else ""
        raise InputError(
            f"{what} has {found / unit:.4g}{word}, but {most / unit:.4g}{word} are the most that is read; if that is "
            f"meant, set {variable(name)}"
        )
