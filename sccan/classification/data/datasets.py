"""Opening a data set by its folder: which of the known forms it has, and that its splits are what they should be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sccan.classification.data.formats.arrays import PICKLE_NAMES, read_cifar_archive, read_grids, read_pickles
from sccan.classification.data.formats.prepared import INDEX, is_prepared, read_index, read_prepared
from sccan.classification.data.formats.toolkits import read_libfewshot, read_torchmeta
from sccan.classification.data.formats.trees import (
    has_class_folders,
    read_class_folders,
    read_csv_lists,
    read_cub,
    read_json_lists,
    read_text_lists,
)
from sccan.classification.data.splits.class_lists import check_class_list, check_overlap
from sccan.classification.data.splits.pictures import SPLITS, Pictures
from sccan.errors import InputError

CIFAR_LISTS = ("cifar-fs", "fc100")


@dataclass(frozen=True)
class Source:
    """Where and what a data set is.

    Attributes:
        root: its folder.
        list_name: name of the class list that the splits must follow; empty for one's own classes.
        imagenet: folder of ImageNet's training pictures, for lists that name pictures of it.
        stored_channels: ``bgr`` where arrays hold blue, green, red.
    """

    root: Path
    list_name: str = ""
    imagenet: Path | None = None
    stored_channels: str = "rgb"


Reader = Callable[[Source], dict[str, Pictures]]


@dataclass(frozen=True)
class Form:
    """A form on disk: how it is recognised and read.

    Attributes:
        name: for people.
        fits: whether a folder has this form.
        read: the splits in it.
        direct: whether it can be used as it is; others have to be prepared first.
    """

    name: str
    fits: Callable[[Source], bool]
    read: Reader
    direct: bool = True


def _any_file(source: Source, *patterns: str) -> bool:
    return any(path.is_file() for pattern in patterns for path in source.root.glob(pattern))


FORMS: tuple[Form, ...] = (
    Form("prepared", lambda s: is_prepared(s.root), lambda s: read_prepared(s.root)),
    Form(
        "CUB-200-2011's official tree",
        lambda s: s.list_name.startswith("cub-") and any((s.root / "images").glob("[0-9][0-9][0-9].*/")),
        lambda s: read_cub(s.root, s.list_name),
    ),
    Form(
        "pickles or npz",
        lambda s: _any_file(s, *(name for names in PICKLE_NAMES.values() for name in names)),
        lambda s: read_pickles(s.root, list_name=s.list_name, stored_channels=s.stored_channels),
        direct=False,
    ),
    Form(
        "CIFAR-100's Python archive",
        lambda s: s.list_name in CIFAR_LISTS and all((s.root / name).is_file() for name in ("train", "test")),
        lambda s: read_cifar_archive(s.root, s.list_name),
        direct=False,
    ),
    Form(
        "grids", lambda s: _any_file(s, *(f"{split}/*.webp" for split in SPLITS)), lambda s: read_grids(s.root), False
    ),
    Form(
        "csv lists",
        lambda s: _any_file(s, *(f"{split}.csv" for split in SPLITS)),
        lambda s: read_csv_lists(s.root, s.imagenet),
    ),
    Form(
        "LibFewShot's memory files",
        lambda s: _any_file(s, *(f"{split}.pth" for split in SPLITS)),
        lambda s: read_libfewshot(s.root),
        direct=False,
    ),
    Form(
        "torchmeta's hdf5 files",
        lambda s: _any_file(s, *(f"{split}_data.hdf5" for split in SPLITS)),
        lambda s: read_torchmeta(s.root),
        direct=False,
    ),
    Form("text lists", lambda s: _any_file(s, "splits/bertinetto/*.txt"), lambda s: read_text_lists(s.root)),
    Form(
        "JSON lists",
        lambda s: _any_file(s, *(f"{name}.json" for name in (*SPLITS, "base", "novel"))),
        lambda s: read_json_lists(s.root),
    ),
    Form(
        "class folders",
        lambda s: has_class_folders(s.root) or has_class_folders(s.root / "images"),
        lambda s: read_class_folders(s.root),
    ),
)
"""In the order in which they are tried."""


def find_form(source: Source) -> Form:
    """The form of a data set's folder.

    Raises InputError: there is no such folder, or it has none of the known forms.
    """
    if not source.root.is_dir():
        raise InputError(f"there is no folder {source.root}; set DATA.ROOT to the folder of the data set")
    form = next((form for form in FORMS if form.fits(source)), None)
    if form is None:
        raise InputError(
            f"{source.root} has none of the known forms of a data set ({', '.join(form.name for form in FORMS)}); "
            "expected for instance train/, val/ and test/ with one folder per class"
        )
    return form


def open_splits(source: Source, *, direct: bool = True) -> dict[str, Pictures]:
    """All splits of a data set, checked: no class in two of them, and the classes of the list where one is named.

    Args:
        direct: refuse forms that have to be prepared first.

    Raises InputError: see the readers; a form to be prepared; overlapping splits; other classes than listed.
    """
    form = find_form(source)
    if direct and not form.direct:
        raise InputError(
            f"{source.root} holds {form.name}, which have to be converted once; run python "
            f"tools/prepare_classification.py --source {source.root} --to FOLDER and set DATA.ROOT to that folder"
        )
    splits = form.read(source)
    for pictures in splits.values():
        pictures.turned = not source.list_name
    check_overlap(splits)
    if source.list_name:
        check_class_list(splits, _list_of(source))
    return splits


def require_split(splits: Mapping[str, Pictures], split: str, source: Source) -> Pictures:
    """Raises InputError: the data set lacks the split."""
    if split not in splits:
        raise InputError(f"{source.root} has the splits {', '.join(splits)}, but {split} is needed; add it")
    return splits[split]


def _list_of(source: Source) -> str:
    """The list to check against; a prepared folder that was made for another one is refused."""
    if is_prepared(source.root):
        made_for = read_index(source.root).get("class_list", "")
        if made_for and made_for != source.list_name:
            raise InputError(
                f"{source.root / INDEX} was prepared with the class list {made_for}, but {source.list_name} is wanted; "
                "numbers on different splits cannot be compared: prepare the data again or change DATA.CLASS_LIST"
            )
    return source.list_name
