"""A folder of annotated pictures, as people and tools lay it out: which files are pictures, which say what they show.

images/ (JPEGImages/, img/) or the folder itself     pictures, also in sub-folders of images/
labels/, masks/, SegmentationClass/ ...              masks
train/, valid/, test/                                parts, each with pictures (Roboflow, YOLO)
NAME/img/, NAME/ann/                                 data sets of a project (Supervisely)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sccan.files.kinds import IMAGE_FOLDERS, LABEL_FOLDERS, LABELME_FOLDERS, MASK_ENDINGS, OBJECT_FOLDERS
from sccan.files.matching import PictureNames
from sccan.files.plain import as_utf8
from sccan.files.tally import Tally
from sccan.files.walking import Walked, ending, walk

BRUSH = re.compile(r"task-(\d+)-annotation-(\d+)-by-.*?-tag-(.+?)-(\d+)\.png", re.IGNORECASE)
"""What Label Studio calls brush masks: task, annotation, class, number."""
PARTS = ("train", "training", "valid", "val", "validation", "test")
KNOWN = (*IMAGE_FOLDERS, *LABEL_FOLDERS, *LABELME_FOLDERS, *OBJECT_FOLDERS, "ImageSets", "lists", "obj_train_data")


@dataclass(frozen=True, eq=False)
class Place:
    """A folder in which annotations are looked for.

    Attributes:
        root: the folder.
        base: the folder that its pictures are in.
        pictures: its pictures, by the names that annotations give them.
        files: its other files, and pictures that are masks.
        class_names: those of ``classes.txt``; empty: there is none.
        class_name: what the only class is called where nobody says it.
        passed: what was passed over.
        others: sub-folders that nobody knows.
    """

    root: Path
    base: Path
    pictures: PictureNames
    files: tuple[Path, ...]
    class_names: tuple[str, ...]
    class_name: str
    passed: Tally
    others: tuple[Path, ...] = ()

    def ending(self, *endings: str) -> list[Path]:
        """The files whose names end so, in any case."""
        return [file for file in self.files if file.name.lower().endswith(endings)]

    def named(self, *names: str) -> Path | None:
        """The file at the top of the folder that is called so."""
        return next((file for file in self.files if file.parent == self.root and file.name in names), None)

    def below(self, file: Path) -> str:
        """A file's path below the folder, for messages."""
        return as_utf8(file.relative_to(self.root).as_posix())

    def name_of(self, image: Path) -> str:
        """A picture's name in messages and reports: its path below the folder of pictures."""
        return self.pictures.key_of[image] + as_utf8(image.suffix)

    def part_of(self, file: Path) -> str:
        """The part of a data set that a file lies in, such as ``train``; empty: none."""
        below = file.relative_to(self.root).parts[:-1]
        return next((name.lower() for name in below if name.lower() in PARTS), "")

    def unused(self, used: frozenset[Path]) -> Tally:
        """What was passed over, with all files that nobody has read."""
        told = Tally(self.passed)
        for file in self.files:
            if file not in used:
                told.add(f"passed over, as their ending is {ending(file)}", self.below(file))
        for folder in self.others:
            n_pictures = len(walk(folder).pictures)
            if n_pictures:
                told.add(
                    "passed over, as their folder is none that is known", f"{folder.name}/ with {n_pictures} pictures"
                )
        return told


def look_at(
    root: Path, class_names: Sequence[str] = (), class_name: str = "object", *, masks_beside: bool = True
) -> Place:
    """Looks through a folder; sub-folders that nobody knows (classes, for instance) are left alone.

    Args:
        masks_beside: a PNG beside a picture, and called after it, is its mask.

    Raises InputError: it cannot be read, or two pictures differ in nothing but their suffix.
    """
    top = walk(root, deep=False)
    passed = Tally(top.passed)
    found = {folder: walk(folder) for folder in top.folders if folder.name in KNOWN}
    parts = [] if any(one.pictures for one in found.values()) or top.pictures else _parts(top)
    found |= {folder: walk(folder) for folder in parts}
    for folder, walked in found.items():
        passed.extend((what, f"{folder.name}/{name}") for what, name in walked.passed)
    base, pictures = _pictures(top, found, parts)
    pictures = [file for file in pictures if not BRUSH.fullmatch(file.name)]
    pictures = _without_masks(pictures) if masks_beside else pictures
    everything = [file for walked in (top, *found.values()) for file in walked.files]
    shown = set(pictures)
    return Place(
        root=root,
        base=base,
        pictures=PictureNames(root, pictures, [base] if base != root else []),
        files=tuple(file for file in everything if file not in shown),
        class_names=tuple(class_names),
        class_name=class_name,
        passed=passed,
        others=tuple(folder for folder in top.folders if folder not in found),
    )


def _pictures(top: Walked, found: dict[Path, Walked], parts: Sequence[Path]) -> tuple[Path, list[Path]]:
    """The folder of the pictures, and the pictures in it."""
    for name in IMAGE_FOLDERS:
        walked = found.get(top.folder / name)
        if walked is not None and walked.pictures:
            return walked.folder, walked.pictures
    if parts:
        files = [file for folder in parts for file in found[folder].pictures]
        return top.folder, [file for file in files if not _is_in_labels(file, top.folder)]
    return top.folder, top.pictures


def _parts(top: Walked) -> list[Path]:
    """Sub-folders that are parts of a data set or data sets of a project, where all that hold pictures are."""
    others = [folder for folder in top.folders if folder.name not in KNOWN]
    parts = [folder for folder in others if folder.name.lower() in PARTS or _is_project(folder)]
    return parts if len(parts) == len(others) or all(map(_is_project, parts)) else []


def _is_project(folder: Path) -> bool:
    return (folder / "img").is_dir() and (folder / "ann").is_dir()


def _is_in_labels(file: Path, root: Path) -> bool:
    return any(part in LABEL_FOLDERS for part in file.relative_to(root).parts[:-1])


def _without_masks(files: Sequence[Path]) -> list[Path]:
    """Pictures, without the PNGs that lie beside a picture and are called after it."""
    stems: dict[tuple[Path, str], int] = {}
    for file in files:
        stems[file.parent, file.stem] = stems.get((file.parent, file.stem), 0) + 1
    return [file for file in files if not _is_mask(file, stems)]


def _is_mask(file: Path, stems: dict[tuple[Path, str], int]) -> bool:
    if file.suffix.lower() != ".png":
        return False
    for mark in MASK_ENDINGS:
        if file.stem.endswith(mark) and len(file.stem) > len(mark):
            beside = stems.get((file.parent, file.stem[: len(file.stem) - len(mark)]), 0)
            if beside > (mark == ""):
                return True
    return False
