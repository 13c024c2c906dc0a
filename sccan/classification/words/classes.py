"""From a class name to its words, in the published ways and for one's own classes, and from words to one vector.

Letters: M classes, D size of a word vector.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sccan.errors import InputError

SECOND_NAMES = ("limpkin", "otterhound", "barracouta", "lycaenid")
"""tieredImageNet's labels that begin so are known by their second name."""


def mini_words(name: str) -> list[str]:
    """Words of a class of miniImageNet such as ``kit_fox``, lower-cased."""
    return name.lower().split("_")


def tiered_words(name: str) -> list[str]:
    """Words of a label of tieredImageNet such as ``kit fox, Vulpes macrotis``: those of its first name, as written."""
    parts = name.split(", ")
    return (parts[1] if name.startswith(SECOND_NAMES) and len(parts) > 1 else parts[0]).split(" ")


def cifar_words(name: str) -> list[str]:
    """Words of a class of CIFAR-100 such as ``aquarium_fish``, as written."""
    return name.split("_")


def whole_name(name: str) -> list[str]:
    """The name itself, for vectors that are given by class, such as the attributes of CUB."""
    return [name]


def own_words(name: str) -> list[str]:
    """Words as people name folders, ``Red fox``, ``red-fox`` or ``red_fox``, lower-cased."""
    return [part for part in re.split(r"[\s_\-.,]+", name.lower()) if part]


def class_vectors(
    names: Sequence[str],
    vocabulary: Mapping[str, np.ndarray],
    words: Callable[[str], list[str]],
    *,
    zero_unknown: bool = False,
) -> np.ndarray:
    """One vector per class: the mean over those of its words that are known.

    Args:
        names: of the classes.
        vocabulary: word to vector [D].
        words: the words of a name.
        zero_unknown: give classes of which no word is known zeros, as published for miniImageNet.

    Returns:
        float64 [M, D].

    Raises InputError: no word of a class is known; the line names all such classes.
    """
    known = [[vocabulary[word] for word in words(name) if word in vocabulary] for name in names]
    unknown = [name for name, vectors in zip(names, known, strict=True) if not vectors]
    if unknown and (not zero_unknown or not vocabulary):
        raise InputError(f"no word is known of {', '.join(unknown)}; rename these classes")
    size = len(next(iter(vocabulary.values())))
    return np.stack([np.mean(vectors, axis=0) if vectors else np.zeros(size) for vectors in known])
