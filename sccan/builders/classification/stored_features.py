"""Features of a frozen backbone from settings: extracted once, found again, refused where they belong to another."""

from __future__ import annotations

from pathlib import Path

from yacs.config import CfgNode

from sccan.backbones.weights import weights_digest
from sccan.builders.backbones import backbone_name
from sccan.builders.classification.frozen import TRAINING_FREE
from sccan.classification.data.episodes import ClassificationSource
from sccan.classification.data.splits.pictures import Pictures
from sccan.classification.data.stored_features import (
    FeatureSource,
    Fingerprint,
    StoredFeatures,
    describe_features,
    features_path,
    has_features,
    index_path,
    pictures_digest,
    read_features,
)
from sccan.classification.data.transforms.fixed import FixedTransform
from sccan.classification.methods.frozen_vectors import FrozenVectors
from sccan.classification.methods.tasnet import TasNet
from sccan.engine.distributed import Runtime
from sccan.engine.evaluate import encode_all
from sccan.engine.progress import Progress
from sccan.episodes.episode import EpisodeSpec
from sccan.errors import InputError
from sccan.files.arrays import array_written
from sccan.method import Method

CHUNK = 4096
"""Pictures whose features are in memory at a time."""


Storing = TasNet | FrozenVectors
"""Methods whose features of a picture are one vector of a frozen backbone."""


def uses_stored_features(cfg: CfgNode) -> bool:
    """Whether the settings name a folder of features."""
    return bool(_setting(cfg)[1])


def features_folder(cfg: CfgNode) -> Path:
    """METHOD.TASNET.FEATURES or METHOD.FROZEN.FEATURES.

    Raises InputError: it is empty, or the method takes none.
    """
    name, folder = _setting(cfg)
    if not folder:
        raise InputError(
            f"METHOD.NAME is {cfg.METHOD.NAME!r} and {name} {folder!r}, but stored features are those of tasnet "
            f"(METHOD.TASNET.FEATURES) or of {', '.join(TRAINING_FREE)} (METHOD.FROZEN.FEATURES); set both"
        )
    return Path(folder)


def _setting(cfg: CfgNode) -> tuple[str, str]:
    """The setting that names the folder of features of the method, and its value; empty for methods without one."""
    if cfg.METHOD.NAME in TRAINING_FREE:
        return "METHOD.FROZEN.FEATURES", cfg.METHOD.FROZEN.FEATURES
    return "METHOD.TASNET.FEATURES", cfg.METHOD.TASNET.FEATURES if cfg.METHOD.NAME == "tasnet" else ""


def stored_stage(method: Storing) -> str:
    """The stage whose averaged maps are stored.

    Raises InputError: there are several.
    """
    if isinstance(method, TasNet):
        return method.stage
    if len(method.stages) != 1:
        raise InputError(
            f"METHOD.FROZEN.STAGES names {len(method.stages)} stages, but features are stored of one; leave "
            "METHOD.FROZEN.FEATURES empty, or name one"
        )
    return method.stages[0]


def fingerprint(cfg: CfgNode, method: Storing, pictures: Pictures, picture: dict[str, object]) -> Fingerprint:
    """What features of these pictures under this backbone are known by; `picture` is the preprocessing."""
    return Fingerprint(
        f"{backbone_name(cfg)} {weights_digest(method.backbone)}",
        f"{cfg.DATA.NAME} {pictures_digest(pictures)}",
        picture,
    )


def open_features(
    cfg: CfgNode, method: Method, pictures: Pictures, split: str, picture: dict[str, object]
) -> StoredFeatures | None:
    """The stored features of a split for a method that works on them; None where pictures are to be encoded.

    Raises InputError: they are missing, or belong to another backbone, data set or preprocessing.
    """
    if not uses_stored_features(cfg) or not isinstance(method, Storing):
        return None
    stored_stage(method)
    folder, advice = features_folder(cfg), "extract them with tools/extract_features.py and these settings"
    return read_features(folder, split, fingerprint(cfg, method, pictures, picture), len(pictures), advice)


def extract_features(
    cfg: CfgNode,
    runtime: Runtime,
    method: Storing,
    pictures: Pictures,
    split: str,
    transform: FixedTransform,
    picture: dict[str, object],
) -> str:
    """Extract the features of a split, unless they are there, and say which.

    Raises InputError: what is there belongs to another backbone or data set; a picture cannot be decoded.
    """
    folder, wanted = features_folder(cfg), fingerprint(cfg, method, pictures, picture)
    if has_features(folder, split):
        advice = "name another folder in METHOD.TASNET.FEATURES, or remove this one"
        read_features(folder, split, wanted, len(pictures), advice)
        return f"{split}: the features of {len(pictures)} pictures are there"
    source = ClassificationSource(pictures, [], transform)
    stage = stored_stage(method)
    channels = method.backbone.stage(stage).channels
    with (
        array_written(features_path(folder, split), "float32", (len(pictures), channels)) as table,
        Progress(len(pictures), f"features of {split}", unit="picture", shown=runtime.is_main) as bar,
    ):
        for first in range(0, len(pictures), CHUNK):
            numbers = range(first, min(first + CHUNK, len(pictures)))
            found = encode_all(
                method,
                source.load,
                numbers,
                device=runtime.device,
                encode_batch=cfg.TEST.ENCODE_BATCH,
                workers=cfg.DATA.WORKERS,
            )
            for number in numbers:
                table.add(found[number].maps[stage].flatten().cpu().numpy())
            bar.advance(len(numbers))
        index_path(folder, split).unlink(missing_ok=True)
    describe_features(folder, split, wanted, stage, (transform.size[0], transform.size[1]))
    return f"{split}: the features of {len(pictures)} pictures are in {folder}"


def episode_source(
    pictures: Pictures, specs: list[EpisodeSpec], transform: FixedTransform, stored: StoredFeatures | None
) -> ClassificationSource:
    """Episodes of pictures, or of their stored features."""
    kind = ClassificationSource if stored is None else FeatureSource
    return kind(pictures, specs, transform)
