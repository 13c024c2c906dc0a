"""What is known about every data set: names of its classes, how they are folded, where its lists lie."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from sccan.errors import InputError, nearest
from sccan.segmentation.data.sets.folds import FOLD_RULES, Fold
from sccan.segmentation.data.sets.lists import Pairs, pairs_of_folder, read_class_names, read_list

VOC_CLASSES = tuple(
    "aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person pottedplant "
    "sheep sofa train tvmonitor".split()
)
COCO_CLASSES = (
    *("person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat", "traffic light"),
    *("fire hydrant", "stop sign", "parking meter", "bench", "bird", "cat", "dog", "horse", "sheep", "cow"),
    *("elephant", "bear", "zebra", "giraffe", "backpack", "umbrella", "handbag", "tie", "suitcase", "frisbee"),
    *("skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard", "surfboard"),
    *("tennis racket", "bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich"),
    *("orange", "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed"),
    *("dining table", "toilet", "tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "microwave", "oven"),
    *("toaster", "sink", "refrigerator", "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush"),
)
COCO_CATEGORY_IDS = (
    *(*range(1, 12), *range(13, 26), 27, 28, *range(31, 45), *range(46, 66), 67, 70),
    *(*range(72, 83), *range(84, 91)),
)
"""Category ids in the order of the class numbers: class c is the category COCO_CATEGORY_IDS[c - 1]."""


@dataclass(frozen=True)
class Dataset:
    """A segmentation data set.

    Attributes:
        name: as in DATA.NAME and in results.
        class_names: names of the classes 1..n; empty in `DATASETS` where a file below the root names them.
        n_folds: parts that the classes are cut into.
        fold_rule: how, a key of `FOLD_RULES`.
        train_list: list file relative to the root; empty: every labelled picture of the folder.
        val_list: likewise, for testing.
        made_by: command that makes the data set.
        strict: check every picture to its last byte before it is used, and take a decoder's warning for an error.
        notes: what was left out, passed over or guessed when it was opened, a line each.
    """

    name: str
    class_names: tuple[str, ...] = ()
    n_folds: int = 4
    fold_rule: str = "consecutive"
    train_list: str = ""
    val_list: str = ""
    made_by: str = ""
    strict: bool = False
    notes: tuple[str, ...] = ()

    @property
    def n_classes(self) -> int:
        return len(self.class_names)

    @property
    def folds(self) -> tuple[Fold, ...]:
        return FOLD_RULES[self.fold_rule](self.n_classes, self.n_folds)

    def fold(self, number: int) -> Fold:
        """Raises InputError: there is no such fold."""
        if not 0 <= number < self.n_folds:
            raise InputError(f"DATA.FOLD is {number}, but {self.name} has folds 0 to {self.n_folds - 1}")
        return self.folds[number]

    def pairs(self, root: Path, *, train: bool) -> Pairs:
        """Image and label of every listed picture.

        Raises InputError: the root, the list or a folder is missing, or the list is unfit.
        """
        _require_root(root, self)
        name = self.train_list if train else self.val_list
        return read_list(_find(name, root), root) if name else pairs_of_folder(root)


DATASETS = {
    "pascal": Dataset(
        "pascal", VOC_CLASSES, train_list="lists/voc_sbd_merge_noduplicate.txt", val_list="lists/val.txt"
    ),
    "coco": Dataset(
        "coco", COCO_CLASSES, fold_rule="interleaved", train_list="lists/train.txt", val_list="lists/val.txt"
    ),
    "coco_mini": Dataset(
        "coco_mini", COCO_CLASSES, fold_rule="interleaved", train_list="lists/all.txt", val_list="lists/all.txt"
    ),
    "shapes": Dataset("shapes", train_list="train.txt", val_list="val.txt", made_by="python tools/generate_shapes.py"),
    "folder": Dataset("folder"),
}
"""``folder`` is any folder of one's own in the layout of PASCAL VOC."""
CLASS_FILES = ("classes.txt", "lists/classes.txt")


def describe(
    name: str,
    root: str | Path,
    *,
    class_file: str = "",
    n_folds: int = 0,
    fold_rule: str = "",
    train_list: str = "",
    val_list: str = "",
) -> Dataset:
    """The data set called `name`, with what the user says otherwise.

    Args:
        name: a key of `DATASETS`.
        root: data root.
        class_file: text file with one class name per line, relative to `root` or not; where it is empty and the names
            are not known, they are read from ``classes.txt`` or ``lists/classes.txt`` below the root.
        n_folds, fold_rule, train_list, val_list: replace the data set's own unless 0 or empty.

    Raises InputError: the name or rule is unknown, or the class names cannot be read.
    """
    if name not in DATASETS:
        raise InputError(f"unknown data set {name!r}; known are {', '.join(DATASETS)}{nearest(name, DATASETS)}")
    if fold_rule not in ("", *FOLD_RULES):
        hint = nearest(fold_rule, FOLD_RULES)
        raise InputError(f"unknown fold rule {fold_rule!r}; expected {' or '.join(FOLD_RULES)}{hint}")
    known = DATASETS[name]
    return replace(
        known,
        class_names=_class_names(Path(root), class_file, known),
        n_folds=n_folds or known.n_folds,
        fold_rule=fold_rule or known.fold_rule,
        train_list=train_list or known.train_list,
        val_list=val_list or known.val_list,
    )


def _class_names(root: Path, class_file: str, known: Dataset) -> tuple[str, ...]:
    if class_file:
        return read_class_names(_find(class_file, root))
    if known.class_names:
        return known.class_names
    _require_root(root, known)
    for name in CLASS_FILES:
        if (root / name).is_file():
            return read_class_names(root / name)
    advice = f"name them in {root / CLASS_FILES[0]}, one per line, or set DATA.CLASSES"
    raise InputError(f"the classes of {root} are not known; {advice}")


def _require_root(root: Path, dataset: Dataset) -> None:
    if not root.is_dir():
        advice = f"make it with {dataset.made_by}" if dataset.made_by else "set DATA.ROOT to the folder that holds it"
        raise InputError(f"data root {root} of {dataset.name} does not exist; {advice}")


def _find(name: str, root: Path) -> Path:
    """A file below the data root, or, where there is none, the path as it stands."""
    inside = root / name
    return inside if inside.is_file() or not Path(name).is_file() else Path(name)
