"""PSPNet (Zhao et al., CVPR 2017) as BAM trains it: the base learner, a segmenter of base classes and background."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from sccan.backbones.names import NameTable
from sccan.backbones.stage import Backbone
from sccan.segmentation.methods.pixel_classifier import PixelClassifier
from sccan.segmentation.parts.heads import PyramidHead

STEM_NAMES = tuple(
    (f"layer0.{3 * number + step}.", f"backbone.{kind}{number + 1}.")
    for number in range(3)
    for step, kind in enumerate(("conv", "bn"))
)
"""The published stem counts its modules, ReLUs included; true of the ResNets and of VGG-16."""

PUBLISHED_NAMES = NameTable(
    [
        *STEM_NAMES,
        ("layer{}.", "backbone.layer{}."),
        *((f"ppm.features.{{}}.{old}.", f"classifier.branches.{{}}.{new}.") for old, new in ((1, 0), (2, 1))),
        ("cls.", "classifier.classify."),
    ],
    doubled=["encoder."],
)


class PSPNet(PixelClassifier):
    """A pixel classifier with PSPNet's head, whose head may learn at another rate than its backbone."""

    def __init__(
        self,
        backbone: Backbone,
        n_classes: int,
        *,
        stage: str = "layer4",
        channels: int = 512,
        bins: Sequence[int] = (1, 2, 3, 6),
        dropout: float = 0.1,
        background_weight: float = 1.0,
    ) -> None:
        """
        Args:
            backbone: with norms that can be trained.
            n_classes: base classes and the background.
            stage: the stage that is classified.
            channels, bins, dropout: of the head, see `PyramidHead`.
            background_weight: weight of the background in the loss, against 1 for every class.

        Raises InputError: the backbone has no such stage.
        """
        head = PyramidHead(backbone.stage(stage).channels, n_classes, channels=channels, bins=bins, dropout=dropout)
        super().__init__(backbone, n_classes, stage=stage, background_weight=background_weight, classifier=head)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """``encoder``: the backbone, nothing of it where it is frozen; ``head``."""
        learning = [parameter for parameter in self.backbone.parameters() if parameter.requires_grad]
        return {"encoder": learning, "head": list(self.classifier.parameters())}
