"""Opening a data set by its folder, and converting it once into the safe layout."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from sccan.classification.data.datasets import Source, find_form, open_splits, require_split
from sccan.classification.data.formats.prepared import read_prepared, write_prepared
from sccan.classification.data.prepare import prepare, recognise
from sccan.classification.data.splits.class_lists import class_list
from sccan.classification.data.splits.pictures import SPLITS, ArrayPictures, EncodedPictures
from sccan.classification.data.transforms.fixed import FixedTransform
from sccan.errors import InputError
from tests.classification.data.formats.test_trees import put, value_of
from tests.classification.made_up import made_up_pictures


def _folders(root: Path) -> Path:
    for number, name in enumerate(["train/ant/1.png", "train/bee/1.png", "train/bee/2.png", "test/cow/7.png"]):
        put(root / name, 20 * number)
    return root


def test_forms_are_recognised(tmp_path: Path) -> None:
    assert find_form(Source(_folders(tmp_path / "folders"))).name == "class folders"
    put(tmp_path / "csv" / "images" / "a.png")
    (tmp_path / "csv" / "val.csv").write_text("filename,label\na.png,ant\n")
    assert find_form(Source(tmp_path / "csv")).name == "csv lists"
    with pytest.raises(InputError, match="there is no folder .*nowhere; set DATA.ROOT"):
        find_form(Source(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has none of the known forms"):
        find_form(Source(tmp_path / "empty"))


def test_class_folders_are_used_as_they_are_and_a_missing_split_is_told(tmp_path: Path) -> None:
    source = Source(_folders(tmp_path))
    splits = open_splits(source)
    assert value_of(require_split(splits, "test", source).read(0)) == 60
    with pytest.raises(InputError, match="has the splits train, test, but val is needed"):
        require_split(splits, "val", source)
    put(tmp_path / "test" / "bee" / "x.png")
    with pytest.raises(InputError, match="class 'bee' is in both the train and the test split"):
        open_splits(source)


def test_pickles_have_to_be_prepared_first(tmp_path: Path) -> None:
    content = {"data": np.arange(144, dtype=np.uint8).reshape(2, 4, 6, 3), "labels": [5, 9]}
    (tmp_path / "train.pickle").write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=r"to be converted once; run python tools/prepare_classification\.py"):
        open_splits(Source(tmp_path))
    lines = prepare(Source(tmp_path), tmp_path / "out", name="toy")
    assert lines == ["train: 2 pictures of 2 classes, 1 each, 4x6"]
    assert open_splits(Source(tmp_path / "out"))["train"].labels.tolist() == [0, 1]


def test_what_is_prepared_from_files_keeps_their_bytes_and_names(tmp_path: Path) -> None:
    _folders(tmp_path / "in")
    prepare(Source(tmp_path / "in"), tmp_path / "out")
    before, after = open_splits(Source(tmp_path / "in")), read_prepared(tmp_path / "out")
    assert list(after) == ["train", "test"]
    for split, pictures in after.items():
        assert isinstance(pictures, EncodedPictures)
        assert pictures.names == before[split].names
        assert pictures.class_names == before[split].class_names
        for number in range(len(pictures)):
            assert pictures.encoded(number) == before[split].encoded(number)
        assert pictures.index().content_hash == before[split].index().content_hash


def test_a_resize_makes_one_array_and_is_written_down(tmp_path: Path) -> None:
    _folders(tmp_path / "in")
    transform = FixedTransform((5, 7), filter="bilinear")
    prepare(Source(tmp_path / "in"), tmp_path / "out", resize=transform)
    pictures = read_prepared(tmp_path / "out")["train"]
    assert isinstance(pictures, ArrayPictures)
    assert pictures.images.shape == (3, 5, 7, 3)
    index = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert index["splits"]["train"]["original_sizes"] == [[4, 6], [4, 6]]
    assert index["resized"] == {
        "size": [5, 7],
        "filter": "bilinear",
        "square": False,
    }


def test_arrays_are_mapped_and_come_back_equal(tmp_path: Path) -> None:
    pictures = made_up_pictures()
    write_prepared(tmp_path, {"val": pictures}, {"name": "toy", "class_list": ""})
    again = read_prepared(tmp_path)["val"]
    assert isinstance(again, ArrayPictures)
    assert isinstance(again.images, np.memmap)
    assert np.array_equal(again.images, pictures.images)
    assert np.array_equal(again.labels, pictures.labels)
    assert again.names == pictures.names


def test_a_folder_that_was_changed_is_refused(tmp_path: Path) -> None:
    write_prepared(tmp_path, {"val": made_up_pictures()}, {"name": "toy", "class_list": "fc100"})
    with pytest.raises(InputError, match="was prepared with the class list fc100, but cifar-fs is wanted"):
        open_splits(Source(tmp_path, "cifar-fs"))
    labels = tmp_path / "val.labels.npy"
    labels.write_bytes(labels.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"val\.labels\.npy has \d+ bytes instead of \d+"):
        read_prepared(tmp_path)
    labels.unlink()
    with pytest.raises(InputError, match=r"val\.labels\.npy is missing"):
        read_prepared(tmp_path)
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(InputError, match="is no index of the layout"):
        read_prepared(tmp_path)


def test_a_broken_picture_stops_the_preparation_and_leaves_no_data_set(tmp_path: Path) -> None:
    _folders(tmp_path / "in")
    (tmp_path / "in" / "test" / "cow" / "8.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"cow/8 .*is no picture of a known format"):
        prepare(Source(tmp_path / "in"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    made = prepare(Source(_folders(tmp_path / "good")), tmp_path / "out")
    assert prepare(Source(tmp_path / "good"), tmp_path / "out") == ["it is there already:", *made]
    with pytest.raises(InputError, match="holds a prepared data set already"):
        prepare(Source(tmp_path / "good"), tmp_path / "out", partial=True)


def _cifar_fs(root: Path, each: int) -> None:
    for split, listed in class_list("cifar-fs").items():
        names = [one.name for one in listed]
        labels = np.repeat(np.arange(len(names)), each)
        pictures = ArrayPictures(np.zeros((len(labels), 4, 4, 3), np.uint8), labels, names, title=split)
        write_prepared(root / split, {split: pictures}, {"name": "toy"})
    for split in SPLITS:
        for path in (root / split).glob(f"{split}.*"):
            path.rename(root / path.name)
    described = {split: json.loads((root / split / "dataset.json").read_text()) for split in SPLITS}
    splits = {split: one["splits"][split] for split, one in described.items()}
    merged = {**described["train"], "splits": splits}
    (root / "dataset.json").write_text(json.dumps(merged))


def test_a_copy_with_other_numbers_of_pictures_is_refused_unless_taken_as_it_is(tmp_path: Path) -> None:
    _cifar_fs(tmp_path / "in", each=2)
    source = Source(tmp_path / "in", "cifar-fs")
    with pytest.raises(InputError, match=r"2 pictures of \w+, but 600 are listed \(and 99 more differences\)"):
        prepare(source, tmp_path / "out")
    lines = prepare(source, tmp_path / "out", partial=True)
    assert lines[:3] == [
        "train: 128 pictures of 64 classes, 2 each, 4x4",
        "val: 32 pictures of 16 classes, 2 each, 4x4",
        "test: 40 pictures of 20 classes, 2 each, 4x4",
    ]
    assert recognise(read_prepared(tmp_path / "out")) == ["cifar-fs"]
