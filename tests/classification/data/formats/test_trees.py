"""Data sets of files in every known layout, made up in a temporary folder."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sccan.classification.data.formats.trees import (
    read_class_folder,
    read_class_folders,
    read_csv_lists,
    read_cub,
    read_json_lists,
    read_text_lists,
)
from sccan.classification.data.splits.class_lists import class_list
from sccan.errors import InputError


def put(path: Path, value: int = 0) -> None:
    """A small picture of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 6, 3), value, np.uint8)).save(path)


def value_of(picture: np.ndarray) -> int:
    assert picture.shape == (4, 6, 3)
    return int(picture[0, 0, 0])


def test_class_folders_are_sorted_and_every_usual_suffix_counts_in_any_case(tmp_path: Path) -> None:
    for number, name in enumerate(["zebra/2.PNG", "zebra/1.bmp", "ant/x.JPEG", "ant/y.Jpg"]):
        put(tmp_path / "train" / name, 50 * number)
    (tmp_path / "train" / "ant" / "notes.txt").write_text("no picture")
    put(tmp_path / "test" / "cow" / "a.png")
    splits = read_class_folders(tmp_path)
    assert list(splits) == ["train", "test"]
    train = splits["train"]
    assert train.class_names == ("ant", "zebra")
    assert train.names == ("ant/x", "ant/y", "zebra/1", "zebra/2")
    assert train.labels.tolist() == [0, 0, 1, 1]
    assert value_of(train.read(3)) == 0


def test_an_empty_class_folder_is_told_by_name(tmp_path: Path) -> None:
    put(tmp_path / "train" / "ant" / "a.png")
    (tmp_path / "train" / "bee").mkdir()
    (tmp_path / "train" / "bee" / "a.gif").write_bytes(b"")
    with pytest.raises(InputError, match=r"class folder .*bee holds no picture; expected files ending in \.jpg"):
        read_class_folders(tmp_path)
    (tmp_path / "flat").mkdir()
    with pytest.raises(InputError, match="has no sub-folders"):
        read_class_folder(tmp_path / "flat")


@pytest.mark.parametrize("header", ["filename,label", "filename, label, concept_label"])
def test_csv_lists_follow_the_order_of_first_appearance(tmp_path: Path, header: str) -> None:
    rows = ["b1.png, bee, 7", "a1.png, ant, 8", "b2.png, bee, 7"]
    (tmp_path / "val.csv").write_text("\n".join([header, *rows]) + "\n")
    for number, name in enumerate(("b1", "a1", "b2")):
        put(tmp_path / "images" / f"{name}.png", 10 * number)
    pictures = read_csv_lists(tmp_path)["val"]
    assert pictures.class_names == ("bee", "ant")
    assert pictures.labels.tolist() == [0, 1, 0]
    assert [value_of(pictures.read(n)) for n in range(3)] == [0, 10, 20]


def test_a_number_of_ravi_and_larochelle_is_a_position_among_the_sorted_imagenet_pictures(tmp_path: Path) -> None:
    for value, number in enumerate((10026, 9, 1234)):  # sorted by number: 9, 1234, 10026
        put(tmp_path / "imagenet" / "n01532829" / f"n01532829_{number}.JPEG", 40 * value)
    (tmp_path / "train.csv").write_text(
        "filename,label\nn0153282900000002.jpg,n01532829\nn0153282900000003.jpg,n01532829\n"
    )
    with pytest.raises(InputError, match=r"put the pictures there, or name ImageNet's training folder"):
        read_csv_lists(tmp_path)
    pictures = read_csv_lists(tmp_path, tmp_path / "imagenet")["train"]
    assert [value_of(pictures.read(n)) for n in range(2)] == [80, 0]
    (tmp_path / "train.csv").write_text("filename,label\nn0153282900000004.jpg,n01532829\n")
    with pytest.raises(InputError, match="lists picture 4 of n01532829, but .* has 3 of it"):
        read_csv_lists(tmp_path, tmp_path / "imagenet")


def test_easy_few_shot_lists_name_real_imagenet_pictures(tmp_path: Path) -> None:
    put(tmp_path / "imagenet" / "n01532829" / "n01532829_20457.JPEG", 30)
    (tmp_path / "test.csv").write_text("class_name,image_name\nhouse_finch,n01532829_20457.JPEG\n")
    pictures = read_csv_lists(tmp_path, tmp_path / "imagenet")["test"]
    assert pictures.class_names == ("house_finch",)
    assert value_of(pictures.read(0)) == 30


@pytest.mark.parametrize(
    ("text", "line"), [("name,label\na.png,b\n", "begins with 'name,label'"), ("filename,label\na.png\n", "line 2")]
)
def test_a_csv_of_another_form_is_refused(tmp_path: Path, text: str, line: str) -> None:
    (tmp_path / "val.csv").write_text(text)
    with pytest.raises(InputError, match=line):
        read_csv_lists(tmp_path)


def test_text_lists_name_the_classes_of_a_split(tmp_path: Path) -> None:
    for name in ("cat", "dog", "cow"):
        put(tmp_path / "data" / name / "0.png")
    (tmp_path / "splits" / "bertinetto").mkdir(parents=True)
    (tmp_path / "splits" / "bertinetto" / "train.txt").write_text("dog\ncat\n\n")
    (tmp_path / "splits" / "bertinetto" / "test.txt").write_text("hen\n")
    with pytest.raises(InputError, match=r"there is no folder .*hen for class 'hen'"):
        read_text_lists(tmp_path)
    (tmp_path / "splits" / "bertinetto" / "test.txt").write_text("cow\n")
    assert {split: p.class_names for split, p in read_text_lists(tmp_path).items()} == {
        "train": ("dog", "cat"),
        "test": ("cow",),
    }


def test_json_lists_of_both_kinds_are_read(tmp_path: Path) -> None:
    for name in ("cat", "dog", "cow"):
        put(tmp_path / "pictures" / name / "0.png", len(name))
    (tmp_path / "train.json").write_text(json.dumps({"class_names": ["Cat"], "class_roots": ["pictures/cat"]}))
    novel = {
        "label_names": ["cat", "dog", "cow"],
        "image_names": ["pictures/cow/0.png", "pictures/dog/0.png"],
        "image_labels": [2, 1],
    }
    (tmp_path / "novel.json").write_text(json.dumps(novel))
    splits = read_json_lists(tmp_path)
    assert splits["train"].class_names == ("Cat",)
    assert splits["test"].class_names == ("dog", "cow")
    assert splits["test"].labels.tolist() == [1, 0]
    (tmp_path / "val.json").write_text('{"classes": []}')
    with pytest.raises(InputError, match="holds 'classes'; expected class_names and class_roots"):
        read_json_lists(tmp_path)
    (tmp_path / "val.json").write_text("[1]")
    with pytest.raises(InputError, match="expected an object, found"):
        read_json_lists(tmp_path)


def test_cub_is_dealt_to_the_splits_of_the_named_list(tmp_path: Path) -> None:
    listed = {split: [one.name for one in classes] for split, classes in class_list("cub-closerlook").items()}
    lines = []
    for number, folder in enumerate(sorted(name for names in listed.values() for name in names), 1):
        put(tmp_path / "images" / folder / f"{folder}_1.jpg")
        lines.append(f"{number} {folder}/{folder}_1.jpg")
    (tmp_path / "images.txt").write_text("\n".join(lines))
    splits = read_cub(tmp_path, "cub-closerlook")
    assert {split: list(p.class_names) for split, p in splits.items()} == listed
    assert set(read_cub(tmp_path, "cub-feat")["test"].class_names) != set(listed["test"])
    put(tmp_path / "images" / listed["val"][0] / "extra.jpg")
    with pytest.raises(InputError, match=r"extra\.jpg is not in .*images\.txt; the tree was changed"):
        read_cub(tmp_path, "cub-closerlook")


def test_class_folders_may_lie_in_a_folder_of_images(tmp_path: Path) -> None:
    put(tmp_path / "images" / "val" / "ant" / "a.jpg")
    assert read_class_folders(tmp_path)["val"].class_names == ("ant",)


def test_lists_of_the_older_miniimagenet_split_are_named(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("filename,class\nn04201297_10028.JPEG,n04201297\n")
    with pytest.raises(InputError, match="the older miniImageNet split"):
        read_csv_lists(tmp_path)
