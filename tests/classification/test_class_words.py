"""Word files read as text, names to words, and every way a file or a name can be unfit."""

from pathlib import Path

import numpy as np
import pytest

from sccan.classification.class_words import cifar_words, class_vectors, mini_words, read_vectors, tiered_words
from sccan.errors import InputError

VOCABULARY = {"kit": np.array([1.0, 2.0]), "fox": np.array([3.0, -2.0]), "snoek": np.array([5.0, 5.0])}


def test_a_class_is_the_mean_of_its_known_words() -> None:
    got = class_vectors(["Kit_Fox", "red_fox"], VOCABULARY, mini_words)
    assert got.tolist() == [[2.0, 0.0], [3.0, -2.0]]
    assert class_vectors(["kit fox, Vulpes", "barracouta, snoek"], VOCABULARY, tiered_words).tolist() == [
        [2.0, 0.0],
        [5.0, 5.0],
    ]
    assert cifar_words("Kit_fox") == ["Kit", "fox"]
    assert tiered_words("limpkin") == ["limpkin"]


def test_classes_without_a_known_word_are_named_unless_zeros_are_asked_for() -> None:
    with pytest.raises(InputError, match="know no word of red_cat, dog"):
        class_vectors(["red_cat", "kit_fox", "dog"], VOCABULARY, mini_words)
    assert class_vectors(["dog", "fox"], VOCABULARY, mini_words, zero_unknown=True).tolist() == [[0, 0], [3, -2]]
    with pytest.raises(InputError, match="know no word of dog"):
        class_vectors(["dog"], {}, mini_words, zero_unknown=True)


def test_wanted_words_are_read_and_words_with_spaces_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text(", 0.1 0.2\nfox 1 -2e-1\n. . . 0.5 0.5\nat mail@here 1 1\nkit 3 4\n")
    found = read_vectors(path, ["fox", "kit", "cat", "."])
    assert {word: vector.tolist() for word, vector in found.items()} == {"fox": [1.0, -0.2], "kit": [3.0, 4.0]}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"fox 1 2\nkit 1\n", "line 2 has 1 numbers, but the first line has 2"),
        (b"fox 1 2\nkit 1 2 3\n", "line 2 has 3 numbers, but the first line has 2"),
        (b"fox\n", "line 1 has 0 numbers"),
        (b"fox 1 2\nkit 1 two\n", "line 2 holds something that is no number"),
        (b"kit 1 nan\n", "line 1 holds a number that is not finite"),
        (b"kit \xff\xfe 1\n", "is no UTF-8 text"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, content: bytes, line: str) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=line):
        read_vectors(path, ["fox", "kit"])
    with pytest.raises(InputError, match="there is no file of word vectors"):
        read_vectors(tmp_path / "other.txt", ["fox"])
