"""A plain semantic segmenter of the base classes: what trains a backbone before few-shot training.

Letters: B pictures, H W picture size.
"""

from __future__ import annotations

from torch import Tensor, nn

from sccan.backbones.stage import Backbone
from sccan.segmentation.parts.losses import pixel_cross_entropy
from sccan.segmentation.parts.pixel_batch import PixelBatch
from sccan.segmentation.parts.resize import resize


class PixelClassifier(nn.Module):
    """A backbone with a classifier on one of its stages; both are trained."""

    def __init__(
        self,
        backbone: Backbone,
        n_classes: int,
        *,
        stage: str = "layer4",
        background_weight: float = 1.0,
        classifier: nn.Module | None = None,
    ) -> None:
        """
        Args:
            backbone: with norms that can be trained.
            n_classes: base classes and the background.
            stage: the stage that is classified.
            background_weight: weight of the background in the loss, against 1 for every class.
            classifier: from the stage's channels to `n_classes`; a 1x1 convolution by default.

        Raises InputError: the backbone has no such stage.
        """
        super().__init__()
        self.backbone = backbone
        self.stage = stage
        self.background_weight = background_weight
        self.classifier = classifier or nn.Conv2d(backbone.stage(stage).channels, n_classes, 1)

    def forward(self, batch: PixelBatch) -> Tensor:
        """Logits [B, n_classes, H, W] at the size of the pictures."""
        logits = self.classifier(self.backbone(batch.images)[self.stage])
        return resize(logits, (batch.images.shape[-2], batch.images.shape[-1]))

    def loss(self, outputs: Tensor, batch: PixelBatch) -> dict[str, Tensor]:
        loss = pixel_cross_entropy(outputs, batch.labels, background_weight=self.background_weight)
        return {"cross_entropy": loss, "total": loss}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"all": [parameter for parameter in self.parameters() if parameter.requires_grad]}
