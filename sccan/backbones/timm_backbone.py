"""The door to pretrained backbones: any network of timm, built by its name."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from sccan.backbones.efficientnet_lite import DEPTHS, EfficientNetLite
from sccan.backbones.pixels import IMAGENET, Pixels
from sccan.backbones.timm_network import TimmBackbone, first_line
from sccan.backbones.timm_stages import ConvolutionalStages
from sccan.backbones.timm_tokens import TokenMaps, is_token_model
from sccan.errors import InputError, nearest


def timm_backbone(
    model: str, *, stages: Sequence[str | int] = (), output_stride: int = 0, pixels: Pixels = IMAGENET
) -> TimmBackbone:
    """A network of timm as a backbone, with random weights.

    Args:
        model: timm's name, for instance ``convnext_tiny`` or ``vit_small_patch14_dinov2``.
        stages: what to return, by timm's names of modules or by numbers among the stages that timm lists
            (``blocks.4`` and 3 are the same in an EfficientNet); negative numbers count from the end. Of a vision
            transformer ``blocks.I``, and ``norm`` for the normalised last map. None: every stage that timm lists; of a
            vision transformer all blocks and ``norm``. What lies behind the last one is left out of the network.
        output_stride: pixels per cell of the deepest map, by dilation, of convolutional networks that can be dilated
            (8, 16 or 32); 0: as the network was trained.
        pixels: how the pictures that arrive are normalised.

    Raises InputError: unknown name or stage, or a network that cannot do what is asked.
    """
    net = _created(model, output_stride)
    kind = TokenMaps if is_token_model(net) else ConvolutionalStages
    return kind(net, model, stages=stages, pixels=pixels)


@functools.cache
def patch_side(model: str) -> int:
    """Pixels that a picture's sides must be a multiple of: the patch of a vision transformer, else 1.

    Raises InputError: unknown name.
    """
    if model in DEPTHS:
        return 1
    with torch.device("meta"):  # no weights are made
        net: Any = _created(model, 0)
    return int(net.patch_embed.patch_size[0]) if is_token_model(net) else 1


def _created(model: str, output_stride: int) -> nn.Module:
    try:
        return (
            EfficientNetLite(model, output_stride=output_stride) if model in DEPTHS else _of_timm(model, output_stride)
        )
    except (TypeError, ValueError, AssertionError, NotImplementedError) as error:
        if not output_stride:
            raise
        raise InputError(
            f"{model} cannot be built with output stride {output_stride} ({first_line(error)}); leave it out, or take "
            "a network that can be dilated"
        ) from error


def _of_timm(model: str, output_stride: int) -> nn.Module:
    import timm  # takes seconds

    if not timm.is_model(model):
        raise InputError(f"timm {timm.__version__} has no model {model!r}{nearest(model, timm.list_models())}")
    options: dict[str, Any] = {"output_stride": output_stride} if output_stride else {}
    if _takes(model, "dynamic_img_size"):  # positions are interpolated to pictures of any size
        options["dynamic_img_size"] = True
    return timm.create_model(model, pretrained=False, num_classes=0, **options)


def _takes(model: str, option: str) -> bool:
    """Whether the class that timm builds a model of has an option of that name."""
    import timm

    built = inspect.signature(timm.model_entrypoint(model), eval_str=True).return_annotation
    return inspect.isclass(built) and option in inspect.signature(built).parameters
