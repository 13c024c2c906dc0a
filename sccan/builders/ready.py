"""Models by a ready-made name: a method without training on published weights, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass

from sccan.backbones.hub import HubWeights, parse_hub_name
from sccan.errors import InputError, nearest

NOT_MEASURED = (
    "nothing was measured here with weights of the hub, which could not be fetched; the wiring is tested on random "
    "weights against timm's own forward"
)


@dataclass(frozen=True)
class Eyes:
    """A backbone with published weights.

    Attributes:
        title: what it is called in names.
        model: timm's name, with the tag of its weights.
        license: of the weights, as timm names it.
        megabytes: size of the download.
        side: of the network's input, in pixels; a multiple of the patch.
    """

    title: str
    model: str
    license: str
    megabytes: int
    side: int

    @property
    def weights(self) -> HubWeights:
        """Where they lie on the hub."""
        return parse_hub_name(f"timm/{self.model}")


@dataclass(frozen=True)
class ReadyModel:
    """A method and its backbone.

    Attributes:
        method: METHOD.NAME.
        eyes: the backbone.
        measured: what was measured here; empty: nothing, see `NOT_MEASURED`.
    """

    method: str
    eyes: Eyes
    measured: str = ""

    @property
    def name(self) -> str:
        """What a user calls it."""
        return f"{self.method}-{self.eyes.title}"

    @property
    def options(self) -> list[str]:
        """The settings that it is, as KEY VALUE words."""
        return [
            *("METHOD.NAME", self.method, "BACKBONE.NAME", "timm", "BACKBONE.WEIGHTS", f"hub:{self.eyes.weights}"),
            *("BACKBONE.TIMM.MODEL", self.eyes.model, "BACKBONE.TIMM.STAGES", "[norm]"),
            *("TEST.SIZE", str(self.eyes.side)),
        ]


DINOV2, DINOV3 = "vit_{}_patch14_dinov2.lvd142m", "vit_{}_patch16_dinov3.lvd1689m"
EYES = (
    Eyes("dinov2-small", DINOV2.format("small"), "apache-2.0", 88, 518),
    Eyes("dinov2-base", DINOV2.format("base"), "apache-2.0", 346, 518),
    Eyes("dinov3-small", DINOV3.format("small"), "dinov3-license", 86, 512),
    Eyes("dinov3-base", DINOV3.format("base"), "dinov3-license", 343, 512),
    Eyes("dinov3-large", DINOV3.format("large"), "dinov3-license", 1212, 1024),
)
"""DINOv2 at the side it was trained at; DINOv3 at half the side that INSID3 and FROST were published with, the large
one at that side itself."""
READY = {ready.name: ready for ready in (ReadyModel(method, eyes) for method in ("insid3", "frost") for eyes in EYES)}
"""Name -> model."""


def ready_model(name: str) -> ReadyModel:
    """The model of that name.

    Raises InputError: there is none; the line names the nearest.
    """
    if name not in READY:
        raise InputError(f"there is no ready model {name!r}{nearest(name, READY)}; sccan models lists them")
    return READY[name]
