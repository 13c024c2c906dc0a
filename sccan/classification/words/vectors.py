"""Word vectors from where they lie: a text file such as GloVe's, the safe form it is read into once, or made up.

The safe form is a folder: ``vectors.npy`` (float32 [M, D], mapped into memory and not read) and ``words.json`` (the
words, and where they come from), which is written last and removed before the table is replaced, so that a folder that
holds it is complete.
Letters: M words, D numbers per word.
"""

from __future__ import annotations

import hashlib
import itertools
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from sccan.errors import InputError
from sccan.files.arrays import array_written, read_array
from sccan.files.formats import WordsIndex
from sccan.files.limits import check_size
from sccan.files.made import says
from sccan.files.plain import plain
from sccan.files.reading import bounded_lines, read_lines
from sccan.files.structured import as_kind, read_json, shown
from sccan.files.writing import write_json, written_beside

FORMAT = "sccan-words-1"
INDEX, TABLE = FILES = "words.json", "vectors.npy"
BLOCK = 4096
"""Lines read together."""
STAND_IN = "stand-in word vectors (random, no meaning)"


@dataclass(frozen=True)
class Vocabulary:
    """Some words with their vectors.

    Attributes:
        vectors: word -> [D]; words that nobody knows are missing.
        size: D.
        origin: what they are, as plain data: results show it, and checkpoints remember it.
    """

    vectors: Mapping[str, np.ndarray]
    size: int
    origin: Mapping[str, Any]

    @property
    def title(self) -> str:
        """For results."""
        return str(self.origin["source"])


def read_words(path: Path, wanted: Collection[str]) -> Vocabulary:
    """Vectors of some words from the safe form or a text file.

    Args:
        path: a folder that `write_words` has filled, or a text file with a word and its numbers per line, any number
            of them, the same in each.
        wanted: the words to keep.

    Raises InputError: there is nothing of that name, or it is broken; the line names the place.
    """
    if path.is_dir():
        return _read_folder(path, wanted)
    source = _TextFile(path)
    keep = {word.encode() for word in wanted}
    found: dict[str, np.ndarray] = {}
    for first, block in source.blocks():
        for number, (word, numbers) in enumerate(block, start=first):
            if word in keep:
                found.setdefault(word.decode(), _numbers(numbers, source.place(number)))
    return Vocabulary(found, source.size, source.origin)


def holds_words(folder: Path) -> bool:
    """Whether a folder holds vectors in the safe form."""
    return says(folder / INDEX, lambda found: found.get("format") == FORMAT)


def write_words(path: Path, folder: Path, wanted: Collection[str] | None = None) -> int:
    """Bring a text file into the safe form, block by block: memory does not grow with the file.

    Args:
        path: the text file.
        folder: where to.
        wanted: the words to keep; None: all.

    Returns:
        How many words were written.

    Raises InputError: see `read_words`; the folder cannot be written, or no wanted word is in the file.
    """
    if wanted is not None:
        found = read_words(path, wanted)
        if not found.vectors:
            raise InputError(f"{path} holds none of the {len(wanted)} wanted words; are both of one language?")
        return write_table(folder, found.vectors, found.origin)
    source = _TextFile(path)
    words: list[str] = []
    with array_written(folder / TABLE, "float32", (source.lines(), source.size)) as table:
        for first, block in source.blocks():
            table.add(_table([numbers for _, numbers in block], source, first))
            words += [word.decode() for word, _ in block]
        (folder / INDEX).unlink(missing_ok=True)
    _write_index(folder, words, source.origin)
    return len(words)


def write_table(folder: Path, vectors: Mapping[str, np.ndarray], origin: Mapping[str, Any]) -> int:
    """Write vectors that are in memory, under their words, and return how many there are."""
    with written_beside(folder / TABLE) as beside, beside.open("wb") as file:
        np.save(file, np.stack(list(vectors.values())).astype(np.float32), allow_pickle=False)
        (folder / INDEX).unlink(missing_ok=True)
    _write_index(folder, list(vectors), origin)
    return len(vectors)


def stand_in_words(wanted: Collection[str], size: int, seed: int = 0) -> Vocabulary:
    """Made-up vectors where no real ones are at hand: normal, of length near 1, the same for a word wherever it occurs.

    They tell classes apart and know nothing of what words have in common.
    """
    vectors = {}
    for word in wanted:
        drawn = int.from_bytes(hashlib.sha256(f"{seed}/{word}".encode()).digest()[:8], "little")
        vectors[word] = np.random.default_rng(drawn).standard_normal(size) / size**0.5
    return Vocabulary(vectors, size, {"source": STAND_IN, "seed": seed, "size": size})


def read_class_attributes(tree: Path) -> Vocabulary:
    """The continuous attributes of CUB's classes, percentages as they are, by the classes' folder names.

    Raises InputError: the tree lacks them, or their numbers do not fit together.
    """
    names_file, numbers_file = tree / "classes.txt", tree / "attributes" / "class_attribute_labels_continuous.txt"
    try:
        names = [line.split()[-1] for _, line in read_lines(names_file, "names of classes")]
        rows = [line.split() for _, line in read_lines(numbers_file, "attributes of classes")]
    except InputError as error:
        raise InputError(f"{tree} is no tree of CUB-200-2011: {error}; give the folder CUB_200_2011") from error
    if len(names) != len(rows) or len({len(row) for row in rows}) != 1:
        raise InputError(
            f"{numbers_file} has {len(rows)} lines of {min(map(len, rows), default=0)} to "
            f"{max(map(len, rows), default=0)} numbers for {len(names)} classes; fetch the archive again"
        )
    places = (f"{numbers_file} line {number}" for number in range(1, len(rows) + 1))
    vectors = {
        name: _numbers(" ".join(row).encode(), place) for name, row, place in zip(names, rows, places, strict=True)
    }
    return Vocabulary(vectors, len(rows[0]), {"source": numbers_file.name, "size": len(rows[0])})


class _TextFile:
    """A text file of vectors, checked line by line.

    Attributes:
        path: where it lies.
        size: numbers per line, as the first line has them.
        origin: see `Vocabulary`.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise InputError(
                f"there is no file of word vectors {path}; give a text file with a word and numbers per line, or a "
                "folder that tools/prepare_words.py has filled"
            )
        self.path = path
        with path.open("rb") as file:
            lines = [*itertools.islice(bounded_lines(file, f"word vectors {path}"), 2), b"", b""][:2]
        first, second = (line.rstrip().count(b" ") for line in lines)
        # word2vec and fastText begin with a line that says how many words of how many numbers follow.
        self._heading = first == 1 and second > 1 and lines[0].split()[1:] == [str(second).encode()]
        self.size = second if self._heading else first
        if not self.size:
            raise InputError(f"{path} line 1 has 0 numbers; expected a word and its numbers, with spaces between them")
        self.origin = {"source": path.name, "bytes": path.stat().st_size, "size": self.size}

    def lines(self) -> int:
        """Number of words. Raises InputError: a line is longer than any line of words."""
        count, last = 0, b"\n"
        with self.path.open("rb") as file:
            while block := file.read(1 << 24):
                count, last = count + block.count(b"\n"), block[-1:]
                check_size(f"word vectors {self.path}: a line", len(block) - block.rfind(b"\n") - 1, "LINE_MB")
        return count + (last != b"\n") - self._heading

    def blocks(self) -> Iterator[tuple[int, list[tuple[bytes, bytes]]]]:
        """Words and their numbers, still as text, with the number of the first line of every block.

        Raises InputError: a line has another number of numbers, or its word is no UTF-8.
        """
        total, number = self.path.stat().st_size, 1
        with (
            self.path.open("rb") as file,
            tqdm(total=total, desc=f"reading {plain(self.path.name)}", unit="B", unit_scale=True, disable=None) as bar,
        ):
            rest = bounded_lines(file, f"word vectors {self.path}")
            if self._heading:
                bar.update(len(next(rest)))
                number += 1
            while lines := [*itertools.islice(rest, BLOCK)]:
                yield number, [self._split(line, place) for place, line in enumerate(lines, start=number)]
                number += len(lines)
                bar.update(sum(map(len, lines)))

    def place(self, number: int) -> str:
        return f"{self.path} line {number}"

    def _split(self, line: bytes, number: int) -> tuple[bytes, bytes]:
        line = line.rstrip()
        if line.count(b" ") == self.size:
            word, _, numbers = line.partition(b" ")
        else:
            # Some words of GloVe hold spaces, such as ". . ."; their further parts are no numbers.
            parts = line.rsplit(b" ", self.size)
            further = parts[0].split(b" ")[1:] if len(parts) > self.size else []
            if not further or all(map(_is_number, further)):
                raise InputError(
                    f"{self.place(number)} has {line.count(b' ')} numbers, but the first line has {self.size}; fetch "
                    "the file again"
                )
            word, numbers = parts[0], b" ".join(parts[1:])
        try:
            word.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"{self.place(number)} is no UTF-8 text, so no line of word vectors") from error
        return word, numbers


def _read_folder(folder: Path, wanted: Collection[str]) -> Vocabulary:
    path = folder / INDEX
    if not path.is_file():
        raise InputError(
            f"{folder} holds no word vectors ({INDEX}); make them with tools/prepare_words.py, or give a text file"
        )
    index: dict[str, Any] = read_json(path, dict[str, Any], "words")
    if index.get("format") != FORMAT:
        raise InputError(f"{folder} holds no word vectors of the form {FORMAT}; make them again")
    described: WordsIndex = as_kind(index, WordsIndex, str(path))
    table = read_array(folder / TABLE, mapped=True, dtype="float32", ndim=2)
    if table.shape != (len(described.words), described.origin.size):
        raise InputError(f"{folder} holds other vectors than {INDEX} says; make them again")
    keep = set(wanted)
    found: dict[str, np.ndarray] = {}
    for row, word in enumerate(index["words"]):
        if word in keep and word not in found:
            found[word] = table[row].astype(np.float64)
            if not np.isfinite(found[word]).all():
                raise InputError(f"{folder / TABLE}: the vector of {shown(word)} is not finite; make it again")
    return Vocabulary(found, table.shape[1], index["origin"])


def _write_index(folder: Path, words: Sequence[str], origin: Mapping[str, Any]) -> None:
    write_json(folder / INDEX, {"format": FORMAT, "origin": dict(origin), "words": list(words)})


def _table(rows: Sequence[bytes], source: _TextFile, first: int) -> np.ndarray:
    """Numbers of a block of lines, [lines, D]."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # what numpy says where a text holds something else
            table = np.fromstring(b" ".join(rows).decode("ascii"), dtype=np.float64, sep=" ")
        if table.size == len(rows) * source.size and np.isfinite(table).all():
            return table.reshape(len(rows), source.size)
    except (ValueError, DeprecationWarning):
        pass
    # One by one, to say which it is.
    return np.stack([_numbers(row, source.place(number)) for number, row in enumerate(rows, start=first)])


def _numbers(text: bytes, place: str) -> np.ndarray:
    try:
        vector = np.array([float(number) for number in text.split(b" ")])
    except ValueError as error:
        raise InputError(f"{place} holds something that is no number ({error}); fetch the file again") from error
    if not np.isfinite(vector).all():
        raise InputError(f"{place} holds a number that is not finite; fetch the file again")
    return vector


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
