"""torchvision's own ResNets as backbones."""

from __future__ import annotations

from collections.abc import Callable
from urllib.error import URLError

import torch
from torch import Tensor, nn

from sccan.backbones.stage import Backbone, Stage
from sccan.errors import InputError, nearest

DEPTHS = ("resnet18", "resnet34", "resnet50", "resnet101")


class TorchvisionResNet(Backbone):
    """A torchvision ResNet without its classifier; parameter names and shapes are torchvision's, less ``fc``.

    Its last two stages are dilated instead of strided where torchvision supports it (bottleneck blocks), which gives
    output stride 8; the other depths keep output stride 32.
    """

    def __init__(
        self,
        name: str = "resnet50",
        *,
        norm_layer: Callable[[int], nn.Module] = nn.BatchNorm2d,
    ) -> None:
        """
        Args:
            name: ``resnet18``, ``resnet34``, ``resnet50`` or ``resnet101``.
            norm_layer: makes the norm of a number of channels.

        Raises InputError: unknown name.
        """
        super().__init__()
        if name not in DEPTHS:
            hint = nearest(name, DEPTHS)
            raise InputError(f"{name!r} is no torchvision ResNet known here ({', '.join(DEPTHS)}){hint}")
        from torchvision.models import get_model  # torchvision takes seconds to import

        bottleneck = name in ("resnet50", "resnet101")
        dilated = [False, bottleneck, bottleneck]
        net = get_model(name, weights=None, norm_layer=norm_layer, replace_stride_with_dilation=dilated)
        self.conv1, self.bn1, self.relu, self.maxpool = net.conv1, net.bn1, net.relu, net.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = net.layer1, net.layer2, net.layer3, net.layer4
        expansion = 4 if bottleneck else 1
        self.stages = {"layer1": Stage(64 * expansion, 4)}
        stride = 4
        for number, keeps_size in enumerate(dilated, start=2):
            stride *= 1 if keeps_size else 2
            self.stages[f"layer{number}"] = Stage(32 * 2**number * expansion, stride)

    def stem(self, images: Tensor) -> Tensor:
        return self.maxpool(self.relu(self.bn1(self.conv1(images))))


def published_weights(name: str, weights: str) -> dict[str, Tensor]:
    """The state dict of one of torchvision's published sets of weights, downloaded once and kept by torch's hub.

    Args:
        name: the model, for instance ``resnet50``.
        weights: name in torchvision's enum, for instance ``IMAGENET1K_V2``.

    Raises InputError: no such weights, or the download failed.
    """
    from torchvision.models import get_model_weights

    known = {entry.name: entry for entry in get_model_weights(name)}
    if weights not in known:
        raise InputError(f"torchvision has no weights {weights!r} for {name}, but {', '.join(known)}")
    url = known[weights].url
    try:
        return torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True, weights_only=True)
    except (URLError, OSError, RuntimeError) as error:
        raise InputError(
            f"the weights {weights} of {name} could not be downloaded ({error}); "
            f"fetch {url} by other means and give the file instead"
        ) from error
