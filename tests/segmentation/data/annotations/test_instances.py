"""The annotation file read in pieces gives what reading it whole gives, however the pieces fall."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.errors import InputError
from sccan.segmentation.data.annotations import instances as module
from sccan.segmentation.data.annotations.instances import annotations_of, elements, read_instances
from tests.segmentation.data.prepare.made_up import coco_instances

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(
    first=st.lists(VALUES, max_size=5),
    second=st.lists(VALUES, max_size=5),
    between=VALUES,
    piece=st.integers(1, 40),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
)
def test_items_and_their_places_are_those_of_the_whole_file(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[Any],
    second: list[Any],
    between: Any,
    piece: int,
    indent: int | None,
    ascii_only: bool,
) -> None:
    path = tmp_path_factory.mktemp("json") / "x.json"
    content = {"info": between, "images": first, "more": [between], "annotations": second, "end": 1}
    data = json.dumps(content, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PIECE", piece)
        found = list(elements(path, ("images", "annotations")))
    assert [(part, value) for part, _, _, value in found] == [
        *(("images", value) for value in first),
        *(("annotations", value) for value in second),
    ]
    for _, start, end, value in found:
        assert json.loads(data[start:end]) == value


def test_annotations_are_grouped_by_picture_in_the_order_of_the_file(tmp_path: Path) -> None:
    content = coco_instances("val")
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    read = read_instances(path)
    by_picture = {
        image["file_name"]: [a for a in content["annotations"] if a["image_id"] == image["id"]]
        for image in sorted(content["images"], key=lambda image: image["id"])
    }
    expected = {name: listed for name, listed in by_picture.items() if listed}
    pictures = list(read.pictures())
    assert [picture.file_name for picture in pictures] == list(expected)
    for picture in pictures:
        assert annotations_of(path, picture) == expected[picture.file_name]
        assert picture.n_instances == sum(1 - a["iscrowd"] for a in expected[picture.file_name])
        assert (picture.height, picture.width) == (70, 100)
    assert [picture.n_instances for picture in pictures][-1] == 0  # the crowd alone
    assert list(read.categories)[:2] == [1, 2]


def test_names_beyond_ascii_survive(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 1, "file_name": "Bär 熊.jpg", "height": 3, "width": 4}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 7, "segmentation": [[0, 0, 2, 0, 2, 2]], "area": 2}],
        "categories": [{"id": 7, "name": "Bär"}],
    }
    path = tmp_path / "x.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(content, ensure_ascii=False).encode())
    read = read_instances(path)
    (picture,) = read.pictures()
    assert (picture.file_name, read.categories) == ("Bär 熊.jpg", {7: "Bär"})
    assert annotations_of(path, picture) == content["annotations"]


GOOD = json.dumps(coco_instances("val"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (GOOD[: len(GOOD) // 2], r"{path} ends early or is damaged near byte \d+ of \d+; fetch it again"),
        ("", r"{path} ends early or is damaged near byte 0 of 0; fetch it again"),
        ("[1, 2]", r"{path} is no JSON object of COCO's instance format: byte 0 is '\[' where '{{' is expected"),
        ("<html>", r"{path} is no JSON object of COCO's instance format: byte 0 is '<' where '{{' is expected"),
        (
            GOOD.replace('"annotations"', '"labels"'),
            r"{path} has no annotations; expected COCO's instance format \(images",
        ),
        (
            '{"images": [], "annotations": [], "categories": []}',
            r"{path} has no images; expected COCO's instance format",
        ),
        (
            GOOD.replace('"file_name"', '"name"'),
            r"{path}: an entry of 'images': missing required field 'file_name'",
        ),
        (
            GOOD.replace('"image_id": 100', '"image_id": 5'),
            r"{path}: annotations name image 5, which is not among its ",
        ),
        (GOOD.replace('"category_id": 3', '"category_id": 12'), r"{path}: annotations name category 12, which is not "),
        (GOOD.replace('"id": 107', '"id": 100'), r"{path} describes one image id twice; every image needs an id of "),
    ],
)
def test_a_file_of_another_form_is_refused_in_one_line(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "instances.json"
    path.write_text(text)
    with pytest.raises(InputError, match=line.format(path=re.escape(str(path)))):
        read_instances(path)


def test_a_missing_file_and_one_that_changed_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "instances.json"
    with pytest.raises(
        InputError, match=r"annotation file .*instances\.json does not exist; expected COCO's instances"
    ):
        read_instances(path)
    path.write_text(GOOD)
    picture = next(read_instances(path).pictures())
    path.write_text(" " * 7 + GOOD[:-1])
    with pytest.raises(InputError, match=r"instances\.json has changed while it was read; run the same command again"):
        annotations_of(path, picture)
