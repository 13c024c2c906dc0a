"""List files of every circulating kind are read; what is no list is refused."""

from pathlib import Path

import pytest

from sccan.errors import InputError
from sccan.segmentation.data.sets.lists import pairs_of_folder, read_class_names, read_list, read_repeated_list

PAIR = ("JPEGImages/a.jpg", "SegmentationClassAug/a.png")


def pairs(tmp_path: Path, text: str, root: Path | None = None) -> list[tuple[str, str]]:
    (tmp_path / "list.txt").write_text(text)
    return read_list(tmp_path / "list.txt", root or tmp_path)


def refusal(tmp_path: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        pairs(tmp_path, text)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(tmp_path), "DIR")


@pytest.mark.parametrize(
    "line",
    [
        "JPEGImages/a.jpg SegmentationClassAug/a.png",
        "  JPEGImages/a.jpg\tSegmentationClassAug/a.png  ",
        "./JPEGImages/a.jpg ./SegmentationClassAug/a.png",
        "../data/VOCdevkit2012/VOC2012/JPEGImages/a.jpg ../data/VOCdevkit2012/VOC2012/SegmentationClassAug/a.png",
        "/home/somebody/VOC2012/JPEGImages/a.jpg /home/somebody/VOC2012/SegmentationClassAug/a.png",
        r"..\data\VOC2012\JPEGImages\a.jpg ..\data\VOC2012\SegmentationClassAug\a.png",
        r"C:\data\JPEGImages\a.jpg C:\data\SegmentationClassAug\a.png",
        "a",
    ],
)
def test_every_kind_of_line(tmp_path: Path, line: str) -> None:
    assert pairs(tmp_path, f"\n{line}\n\n") == [PAIR]


def test_coco_paths_keep_their_folders(tmp_path: Path) -> None:
    line = "../data/MSCOCO2014/val2014/x.jpg ../data/MSCOCO2014/annotations/val2014/x.png"
    assert pairs(tmp_path, line) == [("val2014/x.jpg", "annotations/val2014/x.png")]


def test_paths_below_the_root_may_have_any_folders(tmp_path: Path) -> None:
    line = f"{tmp_path}/photos/x.jpg {tmp_path}/masks/x.png\nphotos/y.jpg masks/y.png"
    assert pairs(tmp_path, line) == [("photos/x.jpg", "masks/x.png"), ("photos/y.jpg", "masks/y.png")]


def test_bare_names_find_the_suffix_of_their_image(tmp_path: Path) -> None:
    (tmp_path / "JPEGImages").mkdir()
    (tmp_path / "JPEGImages" / "a.png").touch()
    assert pairs(tmp_path, "a\n") == [("JPEGImages/a.png", PAIR[1])]


def test_order_is_kept(tmp_path: Path) -> None:
    lines = "".join(f"JPEGImages/{name}.jpg SegmentationClassAug/{name}.png\n" for name in "cab")
    assert [Path(image).stem for image, _ in pairs(tmp_path, lines)] == ["c", "a", "b"]


def test_refusals(tmp_path: Path) -> None:
    line = " ".join(PAIR)
    assert refusal(tmp_path, " \n") == 'list DIR/list.txt is empty; expected one "image label" pair per line'
    assert refusal(tmp_path, "a.jpg b.png c") == (
        "list DIR/list.txt, line 1: expected \"image label\", but found 'a.jpg b.png c'"
    )
    assert refusal(tmp_path, f"{line}\n{line}") == (
        "list DIR/list.txt names JPEGImages/a.jpg twice (pairs 1 and 2); remove one"
    )
    assert "leads out of the data root" in refusal(tmp_path, "../x/a.jpg ../x/a.png")
    assert "leads out of the data root" in refusal(tmp_path, "/etc/a.jpg /etc/a.png")
    with pytest.raises(InputError, match=r"list .*gone.txt does not exist; expected a text file"):
        read_list(tmp_path / "gone.txt", tmp_path)


def test_repeated_lines_are_kept_where_they_are_expected(tmp_path: Path) -> None:
    (tmp_path / "merge.txt").write_text(f"{' '.join(PAIR)}\n" * 2)
    assert read_repeated_list(tmp_path / "merge.txt", tmp_path) == [PAIR, PAIR]


def test_pairs_of_a_folder(tmp_path: Path) -> None:
    for name in ("JPEGImages/b c.jpg", "JPEGImages/a.JPG", "JPEGImages/notes.txt", "JPEGImages/unlabelled.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(InputError, match="has no folder SegmentationClassAug"):
        pairs_of_folder(tmp_path)
    (tmp_path / "SegmentationClassAug").mkdir()
    with pytest.raises(InputError, match="has a label of the same name"):
        pairs_of_folder(tmp_path)
    for name in ("a", "b c", "without image"):
        (tmp_path / "SegmentationClassAug" / f"{name}.png").touch()
    assert pairs_of_folder(tmp_path) == [
        ("JPEGImages/a.JPG", "SegmentationClassAug/a.png"),
        ("JPEGImages/b c.jpg", "SegmentationClassAug/b c.png"),
    ]


def test_class_names(tmp_path: Path) -> None:
    file = tmp_path / "classes.txt"
    file.write_text("1 person coco_id=1\n\n2 traffic light coco_id=10\n")
    assert read_class_names(file) == ("person", "traffic light")
    file.write_text("cat\nbig dog\n")
    assert read_class_names(file) == ("cat", "big dog")
    file.write_bytes(b"\xef\xbb\xbf# mine, by hand\r\ncat \r\n#1\r\n")
    assert read_class_names(file) == ("cat", "#1")
    for text, message in (
        ("cat\ncat\n", "names 'cat' twice"),
        ("1 cat\n3 dog\n", "line 2 has number 3, but 2 is expected"),
        ("\n", "is empty; expected one name per line"),
        ("Background\ncat\n", "the background is 0 without being named; remove that line"),
    ):
        file.write_text(text)
        with pytest.raises(InputError, match=message):
            read_class_names(file)
