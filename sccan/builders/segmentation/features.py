"""Features of test pictures computed once for several passes over them: seeds, baselines, validations."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from yacs.config import CfgNode

from sccan.backbones.stage import Backbone
from sccan.builders.engine import GIGABYTE
from sccan.builders.feature_files import feature_files, feature_store
from sccan.engine.distributed import Runtime
from sccan.engine.evaluate import encode_all, support_numbers
from sccan.engine.modes import evaluation_mode
from sccan.engine.sharing import share_of, shared_features
from sccan.episodes.episode import Features
from sccan.method import Method
from sccan.segmentation.data.sampling.pictures import SegmentationSource


def encoded_once(
    cfg: CfgNode, runtime: Runtime, method: Method, sources: Sequence[SegmentationSource]
) -> dict[int, Features]:
    """Features of every picture of some sources by number, where they may be kept and fit into TEST.CACHE_GB.

    Several processes encode a share each and send it to the others.

    Args:
        method: with a frozen backbone, so that its features stay what they are.
        sources: of one store of pictures, since numbers are those of its index.

    Returns:
        Empty where the backbone learns, in lower precision, or where memory is too small: then `engine.evaluate`
        encodes as its own cache allows.
    """
    stores = {id(source.store) for source in sources}
    if len(stores) != 1:
        raise ValueError(f"picture numbers of {len(stores)} stores cannot be told apart")
    backbone = method.get_submodule("backbone")
    if not isinstance(backbone, Backbone) or not backbone.frozen or cfg.TEST.PRECISION != "float32":
        return {}
    numbers = sorted({number for source in sources for spec in source.specs for number in spec.pictures})
    source = sources[0]
    with evaluation_mode(method), torch.no_grad():
        first = method.encode_support(source.load(numbers[0]).image[None].to(runtime.device))
    size = sum(value.nbytes for value in first.maps.values())
    if size * len(numbers) > cfg.TEST.CACHE_GB * GIGABYTE:
        return {}
    together = len(numbers) >= runtime.world_size
    found = encode_all(
        method,
        source.load,
        share_of(numbers, runtime) if together else numbers,
        device=runtime.device,
        encode_batch=cfg.TEST.ENCODE_BATCH,
        workers=cfg.DATA.WORKERS,
        store=feature_store(cfg, runtime),
        files=feature_files(cfg, method, source),
        supports=support_numbers(method, [spec for one in sources for spec in one.specs]),
        fold=cfg.TEST.FOLD_NORMS,
        progress="encoding pictures" if runtime.is_main else "",
    )
    return shared_features(found, numbers, runtime) if together else found
