"""Models by a ready-made name: a method without training on published weights, and what is known of each."""

from __future__ import annotations

from dataclasses import dataclass

from sccan.backbones.hub import HubWeights, parse_hub_name
from sccan.backbones.packaged import package_of
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
        model: timm's name; of weights on the hub with their tag.
        license: of the weights, as timm names it.
        megabytes: size of the weights.
        side: of the network's input, in pixels; a multiple of the patch.
        stages: whose maps are compared.
    """

    title: str
    model: str
    license: str
    megabytes: int
    side: int
    stages: tuple[str, ...] = ("norm",)

    @property
    def weights(self) -> HubWeights | None:
        """Where they lie on the hub; None: in an installed package."""
        return parse_hub_name(f"timm/{self.model}") if "." in self.model else None

    @property
    def here(self) -> bool:
        """Whether the weights are on this machine."""
        return package_of(self.model).installed if self.weights is None else self.weights.path.is_file()


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
        eyes, stages = self.eyes, str(list(self.eyes.stages))
        return [
            *("METHOD.NAME", self.method, f"METHOD.{self.method.upper()}.STAGES", stages),
            *("BACKBONE.NAME", "timm", "BACKBONE.TIMM.MODEL", eyes.model, "BACKBONE.TIMM.STAGES", stages),
            *("BACKBONE.WEIGHTS", f"hub:{eyes.weights}" if eyes.weights else "packaged"),
            *("TEST.RESIZE", "square", "TEST.SIZE", str(eyes.side)),
        ]


LITE, DINOV2, DINOV3 = "tf_efficientnet_{}", "vit_{}_patch14_dinov2.lvd142m", "vit_{}_patch16_dinov3.lvd1689m"
PACKAGED = (Eyes("lite1", LITE.format("lite1"), "apache-2.0", 20, 512, ("blocks.4", "blocks.5")),)
"""EfficientNet-Lite at the side and with the blocks that did best, the deeper one at its own stride of
32: dilated to 16 it takes half as much time again and finds as much; see docs/results.md."""
HUB = (
    Eyes("dinov2-small", DINOV2.format("small"), "apache-2.0", 88, 518),
    Eyes("dinov2-base", DINOV2.format("base"), "apache-2.0", 346, 518),
    Eyes("dinov3-small", DINOV3.format("small"), "dinov3-license", 86, 512),
    Eyes("dinov3-base", DINOV3.format("base"), "dinov3-license", 343, 512),
    Eyes("dinov3-large", DINOV3.format("large"), "dinov3-license", 1212, 1024),
)
"""DINOv2 at the side it was trained at; DINOv3 at half the side that INSID3 and FROST were published with, the large
one at that side itself."""
METHODS = ("guided_density", "insid3", "frost")
MEASURED = "docs/results.md"
"""Where numbers of the methods on packaged weights stand."""
READY = {
    ready.name: ready
    for ready in (
        *(ReadyModel(method, eyes, MEASURED) for eyes in PACKAGED for method in METHODS),
        *(ReadyModel(method, eyes) for method in METHODS for eyes in HUB),
    )
}
"""Name -> model."""
DEFAULT = READY["guided_density-lite1"]
"""What is taken where no model is named."""


def ready_model(name: str) -> ReadyModel:
    """The model of that name.

    Raises InputError: there is none; the line names the nearest.
    """
    if name not in READY:
        raise InputError(f"there is no ready model {name!r}{nearest(name, READY)}; sccan models lists them")
    return READY[name]
