"""A read-only check of a config or of a data folder: could training start, and would its numbers mean something?"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from sccan.commands.entry import parser
from sccan.errors import InputError
from sccan.files.tally import Tally
from sccan.pictures.decoding import decode
from sccan.report.findings import Finding, findings_data, findings_text, has_errors, repeated
from sccan.segmentation.data.doctor import Question, examine
from sccan.segmentation.data.folder import FOLDER, open_dataset
from sccan.segmentation.data.prepare.voc import TRAIN_LIST
from sccan.segmentation.data.sets.datasets import DATASETS
from sccan.segmentation.data.sets.folds import MIN_PIXELS

EXAMPLES = """\
  python tools/doctor.py config/pascal/pascal_split0_resnet50.yaml
  python tools/doctor.py ../data/VOCdevkit2012/VOC2012
  python tools/doctor.py my_photos --data folder --shots 5 --json"""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: training could start; 1: it could not."""
    command = parser(__doc__ or "", EXAMPLES)
    command.add_argument("what", metavar="CONFIG|DIR", type=Path, help="config file, or data folder")
    command.add_argument("--data", choices=tuple(DATASETS), help="data set in DIR (default: told by its files)")
    command.add_argument("--shots", type=int, default=1, metavar="K", help="for DIR: shots to check for (default: 1)")
    command.add_argument(
        "--min-pixels", type=int, default=MIN_PIXELS, metavar="N", help=f"for DIR: as DATA.MIN_PIXELS ({MIN_PIXELS})"
    )
    command.add_argument("--quick", action="store_true", help="read the headers of images instead of decoding them")
    command.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="processes")
    command.add_argument("--json", action="store_true", help="findings as JSON, for machines")
    command.add_argument(
        "--opts", nargs="*", default=[], metavar="KEY VALUE", help="settings that replace the config's"
    )
    args = command.parse_args(argv)
    question = Question(
        n_shot=args.shots, min_pixels=args.min_pixels, decode=not args.quick, workers=max(args.workers, 1)
    )
    if args.what.is_dir():
        if args.opts:
            raise InputError("--opts replaces settings of a config, but a folder was given; give the config instead")
        name = args.data or data_set_in(args.what)
        findings = [Finding("ok", "data set", f"{name} in {args.what}"), *_examine(name, args.what, {}, question)]
    else:
        findings = check_config(args.what, args.opts, question)
    if args.json:
        print(json.dumps(findings_data(findings), indent=2, ensure_ascii=False))
    else:
        print(findings_text(findings), end="")
    return int(has_errors(findings))


def data_set_in(root: Path) -> str:
    """Which data set a folder holds, told by the files that only it has."""
    if (root / "lists" / TRAIN_LIST).is_file() or (root / "ImageSets" / "Segmentation").is_dir():
        return "pascal"
    if (root / "train2014").is_dir() or (root / "val2014").is_dir():
        return "coco"
    return FOLDER


def check_config(path: Path, opts: list[str], question: Question) -> list[Finding]:
    """Everything that a training by a config needs.

    Raises InputError: the config itself is unfit.
    """
    # Imported here: a worker process imports this module too, and needs none of torch.
    from dataclasses import replace

    from sccan.builders.classification.data import is_classification
    from sccan.builders.segmentation.data import protocol_of
    from sccan.commands.doctor_machine import (
        check_device,
        check_disk,
        check_settings,
        check_versions,
        check_weights,
    )
    from sccan.settings.loading import load_config

    cfg = load_config(path, opts)
    findings = [Finding("ok", "config", f"{path} is sound: {cfg.METHOD.NAME} on {cfg.DATA.NAME}")]
    if is_classification(cfg):
        findings += _examine_classification(cfg)
    elif not cfg.DATA.ROOT:
        advice = "set it to the folder that holds the pictures, with --opts DATA.ROOT PATH"
        findings.append(Finding("error", "data root", "DATA.ROOT is empty", advice))
    else:
        node = cfg.DATA
        question = replace(
            question,
            fold=node.FOLD,
            n_shot=cfg.EPISODE.SHOTS,
            min_pixels=node.MIN_PIXELS,
            novel_pixels=node.NOVEL_PIXELS or protocol_of(cfg).novel_pixels,
            skip_small=node.SKIP_SMALL_CLASSES,
        )
        settings = {
            "class_file": node.CLASSES,
            "n_folds": node.N_FOLDS,
            "fold_rule": node.FOLD_RULE,
            "train_list": node.TRAIN_LIST,
            "val_list": node.VAL_LIST,
        }
        findings += _examine(node.NAME, Path(node.ROOT), settings, question)
    return [
        *findings,
        *check_settings(cfg),
        *check_weights(cfg),
        *check_disk(cfg),
        *check_device(cfg),
        *check_versions(),
    ]


def _examine(name: str, root: Path, settings: dict[str, Any], question: Question) -> list[Finding]:
    """The findings on a segmentation data set; labels made from json files of a folder are made aside and removed."""
    with tempfile.TemporaryDirectory(prefix="sccan-doctor-") as aside:
        try:
            dataset = open_dataset(name, root, cache=aside, workers=question.workers, **settings)
        except InputError as error:
            advice = "see docs/your_own_data.md" if name == FOLDER else "prepare the data set (tools/prepare.py)"
            return [Finding("error", "data set", str(error), advice)]
        return examine(dataset, root, question)


def _examine_classification(cfg: Any) -> list[Finding]:
    """Whether the splits can be opened, and what they hold."""
    from sccan.builders.classification.data import data_source
    from sccan.classification.data.datasets import open_splits
    from sccan.classification.data.splits.pictures import FilePictures
    from sccan.classification.data.splits.repeated import repeated_pictures

    try:
        splits = open_splits(data_source(cfg))
    except InputError as error:
        return [Finding("error", "data set", str(error), "see tools/prepare_classification.py --help")]
    findings = [Finding("ok", "data set", f"splits {', '.join(splits)}")]
    told = Tally(note for pictures in splits.values() for note in pictures.passed)
    broken: list[str] = []
    own = [pictures for pictures in splits.values() if isinstance(pictures, FilePictures) and pictures.turned]
    for pictures in own:
        for number, path in enumerate(pictures.paths):
            try:
                decoded = decode(pictures.encoded(number), f"picture {path}", whole=True)
                told.extend((note, pictures.names[number]) for note in decoded.notes)
            except InputError as error:
                broken.append(str(error))
    if not broken:
        try:
            told.extend(repeated_pictures(splits))
        except InputError as error:
            broken.append(str(error))
    findings += [Finding("note", "pictures", line) for line in told.lines()]
    if broken:
        message, advice = "{n} pictures cannot be decoded", "copy these files again, or remove them"
        findings.append(repeated("error", "pictures", message, advice, broken))
    return findings
