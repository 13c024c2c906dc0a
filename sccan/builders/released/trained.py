"""A trained few-shot method from a run folder or a single file, ours or published; no config is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from yacs.config import CfgNode

from sccan.builders.checkpoints import digest
from sccan.builders.released.checkpoint import CONFIG, read_released
from sccan.builders.released.hub_models import fetch_model, is_hub_address
from sccan.builders.released.systems import TITLES
from sccan.builders.released.untrained import model_names, named_settings, untrained
from sccan.builders.segmentation.models import BASE_LEARNERS
from sccan.errors import InputError, nearest
from sccan.method import Method

EXPECTED = "expected a run folder, a .safetensors file of ours, a published .pth file, or hf://OWNER/NAME"


@dataclass(frozen=True)
class Trained:
    """A few-shot method that is ready to be used.

    Attributes:
        cfg: its settings.
        method: with its weights, in evaluation mode, on the CPU.
        path: file of the weights; where nothing was trained, what those of the backbone are called.
        name: what results call the weights: the path, or an address on the hub with its commit.
        digest: of that file, or of those weights.
        is_classifier: whether it tells pictures apart; else it segments.
        note: what it is, and what had to be assumed, in one line.
    """

    cfg: CfgNode
    method: Method
    path: Path
    name: str
    digest: str
    is_classifier: bool
    note: str


def load_trained(source: str | Path = "segment", opts: Sequence[str] = ()) -> Trained:
    """Loads what `source` names.

    Args:
        source: a run folder; a ``.safetensors`` file of ours; a published checkpoint; ``hf://OWNER/NAME[@REVISION]``;
            or the name of a model that nobody trained, such as ``segment`` and ``classify``, which are installed with
            the package.
        opts: KEY VALUE pairs that replace settings.

    Raises InputError: it is something else (the line says what), is cut short, or does not fit its settings.
    """
    if is_hub_address(source):
        fetched = fetch_model(str(source))
        return _loaded(fetched.path, fetched.address, opts)
    path = Path(source)
    if not path.exists() and (settings := named_settings(str(source))):
        built = untrained(settings, opts)
        return Trained(
            built.cfg, built.method, built.source, str(built.source), built.digest, built.is_classifier, built.note
        )
    if path.is_dir():
        _require_run(path)
    elif not path.is_file():
        hint = nearest(str(source), model_names())
        raise InputError(f"there is no model {path}; {EXPECTED}, or a name that sccan models lists{hint}")
    elif path.suffix in (".yaml", ".yml"):
        raise InputError(f"{path} is a config, not a model; name the run folder that training with it made")
    return _loaded(path, "", opts)


def _loaded(path: Path, address: str, opts: Sequence[str]) -> Trained:
    """The model in a file or run folder.

    Args:
        address: where it is from; empty: from here.
    """
    released = read_released(path, opts=opts)
    if released.system in BASE_LEARNERS:
        raise InputError(
            f"{path} is no few-shot method ({TITLES[released.system]}): it knows only the classes it was trained on; "
            "give one, such as that which was trained on top of it"
        )
    method = released.build()
    assert isinstance(method, Method)
    name, note = address or str(released.path), released.note + f", {address}" * bool(address)
    return Trained(released.cfg, method, released.path, name, digest(released.path), released.is_classifier, note)


def _require_run(folder: Path) -> None:
    """Raises InputError: the folder is no run's."""
    if (folder / CONFIG).is_file():
        return
    found = sorted(one.name for one in folder.iterdir() if not one.name.startswith("."))
    shown = ", ".join(found[:3]) + (" ..." if len(found) > 3 else "") if found else "nothing"
    inside = next((name for name in found if (folder / name / CONFIG).is_file()), None)
    hint = f"; did you mean {folder / inside}?" if inside else f"; {EXPECTED}"
    raise InputError(f"{folder} is no run folder: it holds {shown}, and no {CONFIG}{hint}")
