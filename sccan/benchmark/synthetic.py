"""Generated data for benchmarks: pictures of the wanted size, and settings that use them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from yacs.config import CfgNode

from sccan.builders.classification.data import is_classification
from sccan.builders.segmentation.data import input_side
from sccan.classification.data.formats.prepared import is_prepared, write_prepared
from sccan.classification.data.splits.pictures import ArrayPictures
from sccan.segmentation.data.shapes.dataset import generate

CLASSES = 20
WORD_FILE = "words.txt"


def synthetic_settings(cfg: CfgNode, folder: Path, *, pictures: int, side: int) -> list[str]:
    """Makes a data set in a folder, and returns the overrides (KEY VALUE ...) that point to it.

    Segmentation gets the embedded shapes, `pictures` in either list; classification gets noise, `pictures` per class.

    Args:
        cfg: the settings of the run; sizes of the network's input stay what they are.
        folder: an empty one, or one made by this function with the same numbers.
        side: height and width of the stored pictures, in pixels (segmentation).
    """
    if is_classification(cfg):
        return _noise(cfg, folder / f"noise_{pictures}", pictures)
    root = generate(folder / f"shapes_{pictures}_{side}", n_train=pictures, n_test=pictures, size=side, progress=False)
    found = {
        "DATA.NAME": "shapes",
        "DATA.ROOT": str(root),
        "DATA.CACHE": str(folder / "index"),
        "DATA.FOLD": str(cfg.DATA.FOLD % 4),
        "DATA.N_FOLDS": "4",
        "DATA.FOLD_RULE": "",
        "DATA.TRAIN_LIST": "",
        "DATA.VAL_LIST": "",
        "DATA.CLASSES": "",
        "DATA.MIN_PIXELS": "200",
        "DATA.NOVEL_PIXELS": "background",
        "DATA.SKIP_SMALL_CLASSES": "True",
        "TEST.PROTOCOL": "stratified",
        "TEST.SAMPLER": "",
        "TEST.SIZE": str(input_side(cfg)),
        "TRAIN.EPISODES_PER_EPOCH": "100000",
        "VALIDATE.SELECT_ON": "test_fold",  # the few pictures need not serve base-class episodes as well
    }
    return [word for pair in found.items() for word in pair]


def _noise(cfg: CfgNode, folder: Path, per_class: int) -> list[str]:
    names = [f"class{number}" for number in range(3 * CLASSES)]
    if not is_prepared(folder):
        random = np.random.default_rng(0)
        height, width = cfg.PICTURE.SIZE
        labels = np.repeat(np.arange(CLASSES), per_class)
        splits = {
            split: ArrayPictures(
                random.integers(0, 256, (len(labels), height, width, 3), dtype=np.uint8),
                labels,
                names[place * CLASSES : (place + 1) * CLASSES],
                title=split,
            )
            for place, split in enumerate(("train", "val", "test"))
        }
        write_prepared(folder, splits, {"name": "noise"})
        numbers = random.standard_normal((len(names), cfg.METHOD.TASNET.WORD_SIZE))
        lines = [
            f"{name} {' '.join(f'{value:.4f}' for value in row)}\n" for name, row in zip(names, numbers, strict=True)
        ]
        (folder / WORD_FILE).write_text("".join(lines))
    found = {
        "DATA.ROOT": str(folder),
        "DATA.CLASS_LIST": "",
        "BACKBONE.WEIGHTS": "",
        "METHOD.TASNET.VECTORS": str(folder / WORD_FILE),
        "METHOD.TASNET.NAMES": "",
        "METHOD.TASNET.NAME_RULE": "cifar",
        "TRAIN.EPISODES_PER_EPOCH": "100000",
    }
    return [word for pair in found.items() for word in pair]
