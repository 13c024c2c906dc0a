"""Word vectors of classes: a GloVe text file read as text, and the published ways from a class name to its words.

Letters: M classes, D size of a word vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

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
        raise InputError(
            f"the word vectors know no word of {', '.join(unknown)}; rename these classes, or use a larger file"
        )
    size = len(next(iter(vocabulary.values())))
    return np.stack([np.mean(vectors, axis=0) if vectors else np.zeros(size) for vectors in known])


def read_vectors(path: Path, wanted: Iterable[str]) -> dict[str, np.ndarray]:
    """Vectors of some words from a text file with a word and its numbers per line, read line by line.

    Args:
        path: for instance ``glove.840B.300d.txt``; any number of numbers per line, the same in each.
        wanted: the words to keep.

    Raises InputError: the file is missing or no UTF-8 text, or a line has another number of numbers, or no number in
        one place.
    """
    if not path.is_file():
        raise InputError(f"there is no file of word vectors {path}; give a text file with a word and numbers per line")
    keep, found, size = set(wanted), {}, 0
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                fields = line.rstrip("\n").split(" ")
                size = size or len(fields) - 1
                # Some words of GloVe hold spaces, such as ". . ."; their further parts are no numbers.
                further = fields[1:-size] if size else []
                if not size or len(fields) <= size or (further and all(map(_is_number, further))):
                    raise InputError(
                        f"{path} line {number} has {len(fields) - 1} numbers, but the first line has {size}; fetch "
                        "the file again"
                    )
                if not further and fields[0] in keep:
                    found[fields[0]] = _vector(fields[1:], f"{path} line {number}")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no UTF-8 text, so no file of word vectors") from error
    return found


def _vector(numbers: Sequence[str], place: str) -> np.ndarray:
    try:
        vector = np.array([float(number) for number in numbers])
    except ValueError as error:
        raise InputError(f"{place} holds something that is no number ({error}); fetch the file again") from error
    if not np.isfinite(vector).all():
        raise InputError(f"{place} holds a number that is not finite; fetch the file again")
    return vector


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
