"""Settings with which the run files of classification go over a data set of noise in seconds."""

from collections.abc import Mapping
from pathlib import Path

from sccan.classification.data.formats.prepared import write_prepared
from sccan.classification.data.splits.pictures import SPLITS
from tests.classification.made_up import made_up_pictures

SIZES = (7, 9, 8, 7, 10, 12)


def write_noise(folder: Path) -> Path:
    """Prepared splits of six, five and four classes (``train0``, ``val0`` ...) of 7 to 12 pictures of 20x20."""
    splits = {split: made_up_pictures(SIZES[: 6 - n], (20, 20), split, split) for n, split in enumerate(SPLITS)}
    write_prepared(folder, splits, {"name": "noise", "class_list": ""})
    return folder


def noise_options(root: Path, out: Path, *more: str) -> list[str]:
    """KEY VALUE words after --opts; `more` have the last word."""
    settings = {
        "DATA.ROOT": root,
        "DATA.NAME": "noise",
        "DATA.CLASS_LIST": "",
        "DATA.WORKERS": 0,
        "OUTPUT": out,
        "DEVICE": "cpu",
        "BACKBONE.RESNET12.STEM": 4,
        "BACKBONE.RESNET12.WIDTHS": "(4, 4, 6, 8)",
        "BACKBONE.RESNET12_POOLED.WIDTHS": "(4, 4, 6, 8)",
        "PICTURE.SIZE": "(20, 24)",
        "EPISODE.WAYS": 3,
        "EPISODE.QUERIES": 4,
        "EPISODE.TRAIN_QUERIES": 2,
        "TRAIN.EPOCHS": 2,
        "TRAIN.EPISODES_PER_EPOCH": 4,
        "TRAIN.BATCH_SIZE": 2,
        "VALIDATE.EPISODES": 3,
        "TEST.EPISODES": 5,
        "TEST.BATCH_SIZE": 2,
    }
    return [*as_words(settings), *more]


def as_words(settings: Mapping[str, object]) -> list[str]:
    """Settings as KEY VALUE words."""
    return [str(word) for pair in settings.items() for word in pair]
