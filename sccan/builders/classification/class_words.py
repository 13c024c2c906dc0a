"""Words of classes for methods that need them: which words a class has, and where their vectors come from."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from yacs.config import CfgNode

from sccan.builders.choices import require_choice
from sccan.classification.data.splits.class_lists import ListedClass, class_list, name_classes
from sccan.classification.methods.tasnet import TasNet
from sccan.classification.words import vectors as word_vectors
from sccan.classification.words.classes import (
    cifar_words,
    class_vectors,
    mini_words,
    own_words,
    tiered_words,
    whole_name,
)
from sccan.classification.words.vectors import Vocabulary, read_words, stand_in_words
from sccan.errors import InputError
from sccan.files.reading import read_lines

WORDS_OF: Mapping[str, Callable[[str], list[str]]] = {
    "mini": mini_words,
    "tiered": tiered_words,
    "cifar": cifar_words,
    "whole": whole_name,
    "own": own_words,
}
"""METHOD.TASNET.NAME_RULE -> the words of a class name."""
LISTED_AS: Mapping[str, Callable[[ListedClass], str]] = {
    "mini": lambda listed: listed.aliases[0],  # house_finch for n01532829
    "tiered": lambda listed: listed.aliases[-1],  # house finch, linnet, Carpodacus mexicanus
}
"""Of the classes of a shipped list, the name that a rule takes apart; others take the class's own name."""
STAND_IN = "stand_in"
"""METHOD.TASNET.VECTORS for made-up vectors."""


def needs_words(method: nn.Module) -> bool:
    """Whether the method must be told the words of classes before it meets them."""
    return isinstance(method, TasNet)


def tell_classes(cfg: CfgNode, method: nn.Module, names: Sequence[str], *, own: bool = False) -> None:
    """Give a method that needs them the word vectors of the classes to come, in their order; no other is touched.

    Args:
        names: of the classes.
        own: they are a user's, not those of the data set that the settings name: words are taken apart as people
            write them, whatever NAME_RULE says, unless that is ``whole``.

    Raises InputError: the settings or files name no words for a class.
    """
    if not isinstance(method, TasNet):
        return
    node = cfg.METHOD.TASNET
    if not node.VECTORS:
        raise InputError(
            "METHOD.TASNET.VECTORS is empty; set it to word vectors (a text file such as GloVe's, or what "
            f"tools/prepare_words.py makes of it), or to {STAND_IN} for made-up ones, which results will name"
        )
    require_choice("METHOD.TASNET.NAME_RULE", node.NAME_RULE, WORDS_OF)
    rule = "own" if own and node.NAME_RULE != "whole" else node.NAME_RULE
    words = WORDS_OF[rule]
    spoken = list(names) if own else spoken_names(cfg, names)
    vocabulary = open_vocabulary(node.VECTORS, {word for name in spoken for word in words(name)}, node.WORD_SIZE)
    try:
        vectors = class_vectors(spoken, vocabulary.vectors, words, zero_unknown=node.ZERO_UNKNOWN)
    except InputError as error:
        raise InputError(
            f"{node.VECTORS}: {error}, name them in METHOD.TASNET.NAMES, or choose other vectors"
        ) from error
    method.know(torch.from_numpy(vectors), vocabulary.origin)


def open_vocabulary(vectors: str, wanted: set[str], size: int) -> Vocabulary:
    """What METHOD.TASNET.VECTORS knows of some words; `size` is that of made-up vectors."""
    return stand_in_words(wanted, size) if vectors == STAND_IN else read_words(Path(vectors), wanted)


def wanted_words(cfg: CfgNode, names: Sequence[str]) -> set[str]:
    """Every word of the names of some classes of the settings' data set.

    Raises InputError: unknown rule, or a file of names that lacks one.
    """
    require_choice("METHOD.TASNET.NAME_RULE", cfg.METHOD.TASNET.NAME_RULE, WORDS_OF)
    rule = WORDS_OF[cfg.METHOD.TASNET.NAME_RULE]
    return {word for name in spoken_names(cfg, names) for word in rule(name)}


@contextlib.contextmanager
def told(cfg: CfgNode, method: nn.Module, names: Sequence[str]) -> Iterator[None]:
    """`tell_classes` for the block; afterwards the method knows what it knew before."""
    before = (method.class_words, method.origin) if isinstance(method, TasNet) else None
    tell_classes(cfg, method, names)
    try:
        yield
    finally:
        if before is not None and isinstance(method, TasNet):
            method.class_words, method.origin = before


def word_facts(method: nn.Module) -> dict[str, Any]:
    """What results and checkpoints say about words: nothing of methods without them."""
    return {"words": dict(method.origin)} if isinstance(method, TasNet) else {}


def made_up(method: nn.Module) -> bool:
    """Whether a method works with made-up words."""
    return isinstance(method, TasNet) and method.origin.get("source") == word_vectors.STAND_IN


def check_words(checkpoint: str, header: Mapping[str, Any], method: nn.Module) -> None:
    """Refuse words that are not those a checkpoint was trained with, where its header says.

    Raises InputError: they are others; the line names both.
    """
    if isinstance(method, TasNet) and header.get("words", method.origin) != method.origin:
        raise InputError(
            f"{checkpoint} was trained with the words of {_described(header['words'])}, but METHOD.TASNET.VECTORS "
            f"gives {_described(method.origin)}; choose the same"
        )


def _described(origin: Mapping[str, Any]) -> str:
    return f"{origin.get('source')} ({', '.join(f'{k} {v}' for k, v in origin.items() if k != 'source')})"


def spoken_names(cfg: CfgNode, names: Sequence[str]) -> list[str]:
    """Classes by the names that the rule takes apart: those of METHOD.TASNET.NAMES, the shipped list's, or their own.

    Raises InputError: the file cannot be read, or lacks a class.
    """
    table, as_listed = cfg.METHOD.TASNET.NAMES, LISTED_AS.get(cfg.METHOD.TASNET.NAME_RULE)
    if table:
        return _from_table(names, table)
    if not cfg.DATA.CLASS_LIST or as_listed is None:
        return list(names)
    listed = [one for split in class_list(cfg.DATA.CLASS_LIST).values() for one in split]
    found = name_classes(names, listed)
    return [name if one is None else as_listed(one) for name, one in zip(names, found, strict=True)]


def _from_table(names: Sequence[str], table: str) -> list[str]:
    """The last column of a file whose first column is the class."""
    rows = [line.split() for _, line in read_lines(Path(table), "METHOD.TASNET.NAMES")]
    known = {row[0]: row[-1] for row in rows}
    missing = [name for name in names if name not in known]
    if missing:
        raise InputError(f"{table} names no word for {', '.join(missing)}; add a line 'class ... name' for each")
    return [known[name] for name in names]
