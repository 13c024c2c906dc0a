"""From official archives, published lists or a folder of one's own to a verified data set."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from sccan.commands.entry import Kind, parser, run_kind, say
from sccan.errors import InputError
from sccan.files.made import made_beside
from sccan.files.writing import write_text_atomically
from sccan.report.tables import Table, count_column, percent_column, text_column
from sccan.segmentation.data.annotations.instances import read_instances
from sccan.segmentation.data.prepare import coco, voc
from sccan.segmentation.data.prepare.counts import (
    Count,
    closest_variant,
    count_table,
    published_list_length,
    verdict,
)
from sccan.segmentation.data.prepare.derive import Derivation, derive
from sccan.segmentation.data.prepare.identify import CHAIN, Comparison, compare_labels, effect_names
from sccan.segmentation.data.prepare.lists import compare_with_fold, kind_of, pair_lines, read_repeated_list
from sccan.segmentation.data.sets.datasets import DATASETS
from sccan.segmentation.data.sets.folds import base_lists, novel_lists
from sccan.segmentation.data.sets.scan import build_index

EXAMPLES = """\
  python tools/prepare.py pascal --root ../data/VOCdevkit2012/VOC2012 --download
  python tools/prepare.py pascal --root ../data/VOCdevkit2012/VOC2012 --voc VOCtrainval_11-May-2012.tar \\
      --sbd benchmark.tgz --sbd-list lists/pascal/sbd_data.txt
  python tools/prepare.py coco --root ../data/MSCOCO2014 --download --labels compatible
  python tools/prepare.py list --root ../data/MSCOCO2014 val.txt --out lists/val.txt
  python tools/prepare.py fold-list --root ../data/MSCOCO2014 --data coco --fold 1 fss_list/val/data_list_1.txt
  python tools/prepare.py identify --annotations instances_val2014.json --labels annotations/val2014"""

MISSING_SHOWN = 20


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: everything is there; 1: prepared, but something that was asked for is missing or differs."""
    return run_kind(parser(__doc__ or "", EXAMPLES), KINDS, argv)


# PASCAL


def _pascal_options(command: argparse.ArgumentParser) -> None:
    _common_options(command)
    command.add_argument("--voc", type=Path, metavar="PATH", help="VOC 2012: the trainval archive or its folder")
    command.add_argument(
        "--sbd", type=Path, metavar="PATH", help="SBD: benchmark.tgz, its folder, or a converted SegmentationClassAug"
    )
    command.add_argument("--sbd-list", type=Path, metavar="FILE", help="published selection of SBD pictures")


def _pascal(args: argparse.Namespace) -> int:
    sources = voc.Sources(args.voc, args.sbd, args.sbd_list, args.download)
    made = voc.prepare_pascal(args.root, sources, workers=args.workers)
    print("label images: " + ", ".join(f"{count} from {origin}" for origin, count in made.labels.items() if count))
    _print_lists("pascal", {f"lists/{name}": count for name, count in made.lists.items()})
    if args.sbd_list is None:
        print("no published selection of SBD pictures was given (--sbd-list): all of SBD outside VOC's val list is in")
    lists = {"train": f"lists/{voc.TRAIN_LIST}", "val": f"lists/{voc.VAL_LIST}"}
    _print_counts(derive(args.root, DATASETS["pascal"], lists, _derivation(args)), args.every_class)
    _print_missing(args.root, made.missing)
    say(f"next: python tools/doctor.py {args.root}")
    return int(bool(made.missing))


def _print_missing(root: Path, missing: tuple[str, ...]) -> None:
    if not missing:
        return
    file = write_text_atomically(root / "lists" / "sbd_missing.txt", "\n".join(missing) + "\n")
    shown = " ".join(missing[:MISSING_SHOWN])
    more = f" and {len(missing) - MISSING_SHOWN} more" if len(missing) > MISSING_SHOWN else ""
    say(f"{len(missing)} pictures of the SBD list have no image or label and were left out: {shown}{more} ({file})")


# COCO


def _coco_options(command: argparse.ArgumentParser) -> None:
    _common_options(command)
    command.add_argument(
        "--labels",
        choices=(*coco.LABEL_FOLDERS, "both"),
        default="compatible",
        help="rule of the label images; see docs/coco_labels.md (default: compatible)",
    )
    command.add_argument("--annotations", type=Path, metavar="PATH", help="annotation archive or folder")
    command.add_argument("--train-images", type=Path, metavar="PATH", help="train2014: archive or folder")
    command.add_argument("--val-images", type=Path, metavar="PATH", help="val2014: archive or folder")
    command.add_argument("--only", choices=coco.PARTS, help="one of the two parts alone")


def _coco(args: argparse.Namespace) -> int:
    variants = tuple(coco.LABEL_FOLDERS) if args.labels == "both" else (args.labels,)
    parts = (args.only,) if args.only else coco.PARTS
    given = {"train": args.train_images, "val": args.val_images}
    sources = coco.Sources({part: path for part, path in given.items() if path}, args.annotations, args.download)
    written = coco.prepare_coco(args.root, sources, variants=variants, parts=parts, workers=args.workers)
    _print_lists("coco", written)
    by_variant: dict[str, Sequence[Count]] = {}
    for variant in variants:
        lists = {part: f"{coco.LIST_FOLDERS[variant]}/{part}.txt" for part in parts}
        counts = derive(args.root, DATASETS["coco"], lists, _derivation(args))
        print(f"\nlabels {variant!r}, folds interleaved")
        _print_counts(counts, args.every_class)
        by_variant[variant] = counts
    print(closest_variant(by_variant))
    if "full" in variants:
        print("to use labels 'full': --opts DATA.TRAIN_LIST lists/full/train.txt DATA.VAL_LIST lists/full/val.txt")
    say(f"next: python tools/doctor.py {args.root}")
    return 0


# Lists


def _list_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--root", type=Path, required=True, metavar="DIR", help="data root")
    command.add_argument("file", type=Path, metavar="FILE", help='published list of "image label" lines')
    command.add_argument("--out", metavar="NAME", help="list to write, below the root (default: lists/NAME OF FILE)")


def _list(args: argparse.Namespace) -> int:
    if kind_of(args.file) != "pairs":
        raise InputError(f'{args.file} is no list of "image label" lines; compare class lists with fold-list')
    pairs = list(dict.fromkeys(read_repeated_list(args.file, args.root)))
    absent = [path for pair in pairs for path in pair if not (args.root / path).is_file()]
    if absent:
        raise InputError(
            f"{args.file} names {len(absent)} files that are not in {args.root}, the first is {absent[0]}; "
            "nothing was written: prepare the data set first, or check --root"
        )
    name = args.out or f"lists/{args.file.name}"
    made = made_beside(args.root / name, "--out")
    write_text_atomically(made.claim(Path(name).name), pair_lines(pairs))
    say(f"{args.root / name}: {len(pairs)} pictures")
    return 0


def _fold_list_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--root", type=Path, required=True, metavar="DIR", help="data root")
    command.add_argument("files", type=Path, nargs="+", metavar="FILE", help="data_list_k or sub_class_file_list_k")
    command.add_argument("--data", choices=("pascal", "coco"), required=True, help="data set")
    command.add_argument("--fold", type=int, required=True, metavar="K", help="fold of the files")
    command.add_argument("--part", choices=("train", "val"), default="val", help="which lists they are (default: val)")
    command.add_argument("--source-list", metavar="FILE", help="our list of that part (default: the data set's own)")
    command.add_argument("--cache", type=Path, metavar="DIR", help="folder of indices (default: ~/.cache/sccan)")


def _fold_list(args: argparse.Namespace) -> int:
    dataset, train = DATASETS[args.data], args.part == "train"
    fold = dataset.fold(args.fold)
    if args.source_list:
        pairs = read_repeated_list(Path(args.source_list), args.root)
    else:
        pairs = dataset.pairs(args.root, train=train)
    index = build_index(args.root, pairs, dataset.class_names, cache=args.cache)
    lists = base_lists(index, fold) if train else novel_lists(index, fold)
    differs = False
    for file in args.files:
        sentences = compare_with_fold(file, index, lists)
        differs |= bool(sentences)
        say(*(f"{file}: {sentence}" for sentence in sentences or ["the same pictures, same order"]))
    return int(differs)


# Label images of unknown origin


def _identify_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--annotations", type=Path, required=True, metavar="FILE", help="instances json of COCO")
    command.add_argument("--labels", type=Path, required=True, metavar="DIR", help="folder of label images NAME.png")
    command.add_argument("--workers", type=_positive, default=os.cpu_count() or 1, metavar="N", help="processes")


def _identify(args: argparse.Namespace) -> int:
    result = compare_labels(read_instances(args.annotations), args.labels, workers=args.workers)
    print(f"{result.pictures} label images, {result.pixels} pixels\n")
    print(_rules(result).text())
    name = CHAIN[result.closest][0]
    if not result.differing[result.closest]:
        print(f"these labels are exactly what the rule {name!r} paints")
    else:
        print(f"no rule paints these labels exactly; the closest is {name!r}")
    if result.closest:
        print(f"\nwhat separates 'compatible' from them, towards {name!r}:\n")
        print(_effects(result).text())
    return int(bool(result.differing[result.closest]))


def _rules(result: Comparison) -> Table:
    rows = [
        [name, result.identical[step], result.differing[step], result.differing[step] / result.pixels]
        for step, (name, _, _) in enumerate(CHAIN)
    ]
    columns = [text_column("rule"), count_column("identical images"), count_column("differing pixels")]
    return Table([*columns, percent_column("%")], rows)


def _effects(result: Comparison) -> Table:
    rows = [
        [what, count, count / result.pixels]
        for what, count in zip(effect_names(result.closest), result.effects, strict=True)
    ]
    return Table([text_column("cause"), count_column("pixels"), percent_column("%")], rows)


# Shared


def _common_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--root", type=Path, required=True, metavar="DIR", help="data root to make or complete")
    command.add_argument(
        "--download", action="store_true", help="fetch archives that are not there from their official address"
    )
    command.add_argument(
        "--workers", type=_positive, default=os.cpu_count() or 1, metavar="N", help="processes (default: all cores)"
    )
    command.add_argument("--cache", type=Path, metavar="DIR", help="folder of indices (default: ~/.cache/sccan)")
    command.add_argument(
        "--list-prefix", default="", metavar="DIR", help="data root to write into fold lists, for published code"
    )
    command.add_argument("--every-class", action="store_true", help="show the counts of all classes")


def _derivation(args: argparse.Namespace) -> Derivation:
    return Derivation(args.cache, args.workers, args.list_prefix)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number


def _print_lists(data_set: str, lengths: dict[str, int]) -> None:
    rows = [[name, count, published_list_length(data_set, Path(name).name)] for name, count in lengths.items()]
    print(Table([text_column("list"), count_column("ours"), count_column("published")], rows).text())


def _print_counts(counts: list[Count], every_class: bool) -> None:
    print(count_table(counts, every_class=every_class).text())
    print(verdict(counts))


KINDS = {
    "pascal": Kind(
        "VOC 2012 and SBD to JPEGImages, SegmentationClassAug, source lists, index and fold lists",
        _pascal_options,
        _pascal,
    ),
    "coco": Kind("COCO 2014 to label images, source lists, index and fold lists", _coco_options, _coco),
    "list": Kind(
        "take over a published source list: paths below the data root, every file checked", _list_options, _list
    ),
    "fold-list": Kind("compare published fold lists with the ones our rule makes", _fold_list_options, _fold_list),
    "identify": Kind("find out by which rule COCO label images were made", _identify_options, _identify),
}
