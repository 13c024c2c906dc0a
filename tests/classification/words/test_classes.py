"""Names to words, words to one vector per class, and classes of which nothing is known."""

import numpy as np
import pytest

from sccan.classification.words.classes import (
    cifar_words,
    class_vectors,
    mini_words,
    own_words,
    tiered_words,
    whole_name,
)
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
    assert whole_name("001.Black_footed_Albatross") == ["001.Black_footed_Albatross"]


@pytest.mark.parametrize("name", ["Kit Fox", "kit-fox", "kit__fox ", "Kit.fox", "kit, FOX"])
def test_own_classes_are_taken_apart_as_people_write_them(name: str) -> None:
    assert own_words(name) == ["kit", "fox"]


def test_classes_without_a_known_word_are_named_unless_zeros_are_asked_for() -> None:
    with pytest.raises(InputError, match="no word is known of red_cat, dog"):
        class_vectors(["red_cat", "kit_fox", "dog"], VOCABULARY, mini_words)
    assert class_vectors(["dog", "fox"], VOCABULARY, mini_words, zero_unknown=True).tolist() == [[0, 0], [3, -2]]
    with pytest.raises(InputError, match="no word is known of dog"):
        class_vectors(["dog"], {}, mini_words, zero_unknown=True)
