"""The words of classes, for methods that need them, and the trained backbone such a method begins with."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import nn
from yacs.config import CfgNode

from sccan.build.pretrained import load_backbone
from sccan.classification.class_words import cifar_words, class_vectors, mini_words, read_vectors, tiered_words
from sccan.classification.methods.tasnet import TasNet
from sccan.errors import InputError, nearest

WORDS_OF: Mapping[str, Callable[[str], list[str]]] = {"mini": mini_words, "tiered": tiered_words, "cifar": cifar_words}
"""METHOD.TASNET.NAME_RULE -> the words of a class name."""


def needs_words(method: nn.Module) -> bool:
    """Whether the method must be told the words of classes before it meets them."""
    return isinstance(method, TasNet)


def tell_classes(cfg: CfgNode, method: nn.Module, names: Sequence[str]) -> None:
    """Give a method that needs them the word vectors of the classes to come, in their order; no other is touched.

    Raises InputError: the settings or files name no words for a class.
    """
    if not isinstance(method, TasNet):
        return
    node = cfg.METHOD.TASNET
    if not node.VECTORS:
        raise InputError("METHOD.TASNET.VECTORS is empty; set it to a text file of word vectors, such as GloVe's")
    if node.NAME_RULE not in WORDS_OF:
        hint = nearest(node.NAME_RULE, WORDS_OF)
        raise InputError(f"METHOD.TASNET.NAME_RULE is {node.NAME_RULE!r}, expected {', '.join(WORDS_OF)}{hint}")
    words, spoken = WORDS_OF[node.NAME_RULE], _spoken(names, node.NAMES)
    vocabulary = read_vectors(Path(node.VECTORS), {word for name in spoken for word in words(name)})
    vectors = class_vectors(spoken, vocabulary, words, zero_unknown=node.ZERO_UNKNOWN)
    method.know(torch.from_numpy(vectors))


@contextlib.contextmanager
def told(cfg: CfgNode, method: nn.Module, names: Sequence[str]) -> Iterator[None]:
    """`tell_classes` for the block; afterwards the method knows what it knew before."""
    before = method.class_words if isinstance(method, TasNet) else None
    tell_classes(cfg, method, names)
    try:
        yield
    finally:
        if before is not None and isinstance(method, TasNet):
            method.class_words = before


def begin_with_backbone(cfg: CfgNode, method: nn.Module) -> None:
    """Load BACKBONE.WEIGHTS into a method whose backbone is frozen while it is trained.

    Raises InputError: it is empty, or does not fit.
    """
    if not isinstance(method, TasNet):
        return
    if not cfg.BACKBONE.WEIGHTS:
        raise InputError(
            "BACKBONE.WEIGHTS is empty, but tasnet trains on a frozen backbone; set it to a run of another method, or "
            "to a file of weights"
        )
    load_backbone(method.backbone, cfg.BACKBONE.NAME, cfg.BACKBONE.WEIGHTS)


def _spoken(names: Sequence[str], table: str) -> list[str]:
    """Names in words: the last column of a file whose first column is the class, or the names themselves."""
    if not table:
        return list(names)
    try:
        rows = [line.split() for line in Path(table).read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"METHOD.TASNET.NAMES {table} cannot be read: {error}") from error
    known = {row[0]: row[-1] for row in rows}
    missing = [name for name in names if name not in known]
    if missing:
        raise InputError(f"{table} names no word for {', '.join(missing)}; add a line 'class ... name' for each")
    return [known[name] for name in names]
