"""Convert a classification data set of any known form once into a safe, fast layout."""

import argparse
from pathlib import Path

from sccan.classification.data.datasets import Source
from sccan.classification.data.formats.prepared import read_prepared
from sccan.classification.data.prepare import prepare, recognise
from sccan.classification.data.splits.class_lists import CLASS_LISTS
from sccan.classification.data.transforms.fixed import FILTERS, FixedTransform
from sccan.commands.entry import parser, say
from sccan.errors import InputError
from sccan.files.alone import alone_in

EXAMPLES = """\
  python tools/prepare_classification.py --source ../data/cifar_fs --to data/cifar_fs --classes cifar-fs
  python tools/prepare_classification.py --source miniimagenet_pickles --to data/miniimagenet --classes miniimagenet
  python tools/prepare_classification.py --source csv_lists --imagenet ILSVRC2012/train --to data/miniimagenet \\
      --classes miniimagenet --resize 84 84
  python tools/prepare_classification.py --source CUB_200_2011 --to data/cub --classes cub-closerlook --resize 84 84"""

DESCRIPTION = """\
Convert a classification data set once into a safe, fast layout: memory-mapped arrays of bytes (or encoded pictures) and
a JSON index. Reads class folders, csv, JSON and text lists, the pickles and npz files of miniImageNet, tieredImageNet,
CIFAR-FS and FC100 (as data only: code in them is refused), CIFAR-100's archive, CUB's official tree, grids, and what
torchmeta (hdf5, needs pip install 'sccan[hdf5]'), LibFewShot (.pth) and TasNet (npz) keep."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: written, and checked against the class list where one is named."""
    command = parser(DESCRIPTION, EXAMPLES)
    command.add_argument("--source", type=Path, required=True, metavar="DIR", help="folder of the data set")
    command.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder to write")
    command.add_argument("--classes", default="", metavar="LIST", help=f"published split: {', '.join(CLASS_LISTS)}")
    command.add_argument("--name", default="", help="what the data set is called (default: the list or the folder)")
    command.add_argument(
        "--imagenet", type=Path, metavar="DIR", help="ImageNet's training folder, for lists of its files"
    )
    command.add_argument(
        "--stored-channels", choices=("rgb", "bgr"), default="rgb",
        help="order of channels in arrays; some npz files of tieredImageNet hold bgr (default: rgb)",
    )  # fmt: skip
    command.add_argument(
        "--resize", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="bring all pictures to one size now"
    )
    command.add_argument(
        "--square",
        action="store_true",
        help="with --resize: cut the middle square out first (as TasNet's data have it)",
    )
    command.add_argument("--filter", choices=tuple(FILTERS), default="bicubic", help="of --resize (default: bicubic)")
    command.add_argument("--partial", action="store_true", help="accept other numbers of pictures than listed")
    args = command.parse_args(argv)
    source = Source(args.source, args.classes, args.imagenet, args.stored_channels)
    with alone_in(args.to, what="another process prepares"):
        lines = prepare(source, args.to, name=args.name, resize=_resize(args), partial=args.partial)
    say(*lines)
    if not args.classes and (known := recognise(read_prepared(args.to))):
        print(f"these are the classes of {', '.join(known)}; --classes {known[0]} also checks the numbers of pictures")
    say(f"prepared: {args.to}  (train with --opts DATA.ROOT {args.to})")
    return 0


def _resize(args: argparse.Namespace) -> FixedTransform | None:
    if args.square and not args.resize:
        raise InputError("--square cuts out what --resize then brings to one size; give --resize HEIGHT WIDTH as well")
    return FixedTransform(tuple(args.resize), filter=args.filter, square=args.square) if args.resize else None
