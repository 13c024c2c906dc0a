"""Weights for networks of timm: packaged, from the hub, or a file under timm's names, the original ones or ours."""

from __future__ import annotations

import logging
import sys

from torch import Tensor

from sccan.backbones.hub import HubWeights, fetch_weights, kept, parse_hub_name
from sccan.backbones.licenses import require_accepted
from sccan.backbones.packaged import load_packaged, package_of
from sccan.backbones.timm_network import TimmBackbone, first_line, own_data
from sccan.backbones.weight_files import read_state
from sccan.backbones.weights import load_strict
from sccan.errors import InputError

logger = logging.getLogger(__name__)

PACKAGED, HUB = "packaged", "hub"
OURS = "net."
"""Under which parameters stand in files of ours."""


def is_no_file(weights: str) -> bool:
    """Whether a setting names weights that are packaged or on the hub: ``packaged``, ``hub``, ``hub:OWNER/NAME``."""
    return weights in (PACKAGED, HUB) or weights.startswith(f"{HUB}:")


def load_named(backbone: TimmBackbone, weights: str, *, download: bool = False) -> None:
    """Load packaged weights, or those of the hub.

    Args:
        weights: see `is_no_file`; ``hub`` alone: those that timm names for the network.
        download: fetch them if they are not here.

    Raises InputError: there are none of that name, they are not here, do not fit, or their licence is not agreed to.
    """
    if weights == PACKAGED:
        load_packaged(backbone, package_of(backbone.model))
        return
    named = hub_weights(backbone, weights)
    license_name = license_of(backbone)
    require_accepted(license_name, backbone.model)  # before anything is fetched
    logger.info("weights %s, licence %s", named, license_name or "unknown")
    path = fetch_weights(named) if download else kept(named)
    load_timm_state(backbone, read_state(path), source=str(path))


def hub_weights(backbone: TimmBackbone, weights: str = HUB) -> HubWeights:
    """Which weights of the hub ``hub`` or ``hub:OWNER/NAME`` means for a network.

    Raises InputError: timm names none for it, or the name is none.
    """
    if weights != HUB:
        return parse_hub_name(weights.removeprefix(f"{HUB}:"))
    name = own_data(backbone.net).get("hf_hub_id")
    if not name:
        raise InputError(
            f"timm names no weights on the hub for {backbone.model}; name them (hub:OWNER/NAME), or a file"
        )
    return parse_hub_name(str(name))


def load_timm_state(backbone: TimmBackbone, state: dict[str, Tensor], *, source: str) -> None:
    """Load a state dict, every name and shape accounted for; what the backbone has left out may be in it.

    Args:
        state: under timm's names, those that timm translates, or ours.

    Raises InputError: it does not fit, or the licence of what was published of the network is not agreed to.
    """
    if all(name.startswith(OURS) for name in state):
        state = {name.removeprefix(OURS): value for name, value in state.items()}
    else:
        require_accepted(license_of(backbone), backbone.model)
        state = _by_timm(backbone, state, source)
    load_strict(backbone.net, state, source=source, excused=("*num_batches_tracked", *backbone.cut))


def license_of(backbone: TimmBackbone) -> str:
    """timm's name of the licence of the network's own weights; empty: it names none."""
    return str(own_data(backbone.net).get("license") or "")


def _by_timm(backbone: TimmBackbone, state: dict[str, Tensor], source: str) -> dict[str, Tensor]:
    """The state as timm itself would load it: original names of a network's authors become timm's."""
    translate = getattr(sys.modules[type(backbone.net).__module__], "checkpoint_filter_fn", None)
    if translate is None:
        return state
    try:
        translated: dict[str, Tensor] = translate(state, backbone.net)
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError, AssertionError) as error:
        raise InputError(
            f"{source} does not fit the model: timm cannot take it for weights of {backbone.model} "
            f"({first_line(error)}); choose the file or the model to match"
        ) from error
    return translated
