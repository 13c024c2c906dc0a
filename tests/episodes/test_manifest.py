"""Manifests replay the same episodes wherever the data lies, and are refused when they do not fit."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sccan.episodes.episode import EpisodeSpec
from sccan.episodes.index import ClassIndex
from sccan.episodes.manifest import ManifestPlan, manifest_hash, read_manifest, write_manifest
from sccan.episodes.named_manifest import read_named
from sccan.errors import InputError
from sccan.files.formats import ManifestEpisode, ManifestHeader
from tests.episodes.made_up import made_up_index

COUNTS = np.random.default_rng(0).integers(0, 5000, (9, 4))
SPECS = (
    EpisodeSpec(0, (2,), ((3, 1),), ((8,),)),
    EpisodeSpec(1, (3,), ((0, 7),), ((4,),)),
)


def write(path: Path, index: ClassIndex) -> str:
    return write_manifest(path, SPECS, index, dataset="shapes", fold=1, protocol="stratified", seed=5)


def test_episodes_come_back_in_another_place(tmp_path: Path) -> None:
    file = tmp_path / "runs" / "episodes.jsonl"
    written = write(file, made_up_index(COUNTS))
    elsewhere = made_up_index(COUNTS, root="/mnt/copy")
    manifest = read_manifest(file, elsewhere)
    assert manifest.specs == SPECS
    assert manifest.hash == written == manifest_hash(SPECS, elsewhere)
    assert manifest.header["episodes"] == 2
    assert manifest.header["shots"] == 2
    assert manifest.header["protocol"] == "stratified"
    assert ManifestPlan(manifest).episodes(epoch=3) == list(SPECS)
    assert [path.name for path in file.parent.iterdir()] == ["episodes.jsonl"]  # nothing half-written beside it


def test_pictures_are_stored_by_name(tmp_path: Path) -> None:
    lines = file_of(tmp_path).read_text().splitlines()
    assert json.loads(lines[1])["query"] == [["picture008"]]


def test_the_hash_sees_every_picture_and_the_data() -> None:
    index = made_up_index(COUNTS)
    other = (SPECS[0], EpisodeSpec(1, (3,), ((7, 0),), ((4,),)))
    assert manifest_hash(other, index) != manifest_hash(SPECS, index)
    assert manifest_hash(SPECS, made_up_index(COUNTS + 1)) != manifest_hash(SPECS, index)


def file_of(folder: Path) -> Path:
    write(folder / "episodes.jsonl", made_up_index(COUNTS))
    return folder / "episodes.jsonl"


def refusal(file: Path, index: ClassIndex | None = None) -> str:
    with pytest.raises(InputError) as caught:
        read_manifest(file, index or made_up_index(COUNTS))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def change(file: Path, line: int, **values: object) -> Path:
    lines = file.read_text().splitlines()
    lines[line] = json.dumps(json.loads(lines[line]) | values)
    file.write_text("\n".join(lines) + "\n")
    return file


def test_other_data_is_refused(tmp_path: Path) -> None:
    message = refusal(file_of(tmp_path), made_up_index(COUNTS + 1))
    assert "was made for other data: its index hash is" in message


def test_unknown_picture_is_refused(tmp_path: Path) -> None:
    message = refusal(change(file_of(tmp_path), 2, query=[["pictura004"]]))
    assert message == "picture 'pictura004' is not in the data set of 9 pictures; did you mean 'picture004'?"


def test_repeated_support_is_refused(tmp_path: Path) -> None:
    message = refusal(change(file_of(tmp_path), 1, support=[["picture003", "picture003"]]))
    assert message.endswith("line 2: picture 'picture003' occurs twice in one episode")


def test_supports_drawn_with_replacement_are_declared_and_come_back(tmp_path: Path) -> None:
    file, index = tmp_path / "hsnet.jsonl", made_up_index(COUNTS)
    twice = (EpisodeSpec(0, (2,), ((3, 3),), ((8,),)),)
    write_manifest(file, twice, index, dataset="pascal", fold=1, protocol="hsnet", seed=0)
    assert read_manifest(file, index).specs == twice
    message = refusal(change(file, 1, support=[["picture003", "picture008"]]))  # the query still never
    assert message.endswith("line 2: picture 'picture008' occurs twice in one episode")


def test_query_among_the_supports_is_refused(tmp_path: Path) -> None:
    assert "occurs twice" in refusal(change(file_of(tmp_path), 1, support=[["picture003", "picture008"]]))


def test_changed_episode_is_refused(tmp_path: Path) -> None:
    assert "was changed: its hash is" in refusal(change(file_of(tmp_path), 1, query=[["picture005"]]))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"classes": [9]}, "class 9 is not among the 3 classes of the data set"),
        ({"classes": "2"}, "line 2: classes: expected a list, found '2'"),
        ({"number": "0"}, "line 2: number: expected a whole number, found '0'"),
        ({"number": -1}, "line 2: number: expected a whole number >= 0, found -1"),
        ({"number": 10**30}, "line 2: number: expected a whole number"),
        ({"number": 1}, "two episodes with the number 1"),
        ({"classes": [1, 1]}, "a class stands twice"),
        ({"support": [["picture003"]]}, "1 supports of a class, but the first line says 2 shots"),
        ({"support": ["picture003"]}, "line 2: support[0]: expected a list, found 'picture003'"),
        ({"query": []}, 'expected "query" to be a list of as many pictures for each of 1 ways'),
    ],
)
def test_malformed_episodes_are_refused(tmp_path: Path, values: dict[str, object], message: str) -> None:
    assert message in refusal(change(file_of(tmp_path), 1, **values))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"seed": [1]}, "line 1: seed: expected a whole number, found [1]"),
        ({"seed": "x"}, "line 1: seed: expected a whole number, found 'x'"),
        ({"seed": None}, "line 1: seed: expected a whole number, found None"),
        ({"protocol": [1]}, "line 1: protocol: expected text, found [1]"),
        ({"shots": 0}, "line 1: shots: expected a whole number >= 1, found 0"),
        ({"episodes": 1e300}, "line 1: episodes: expected a whole number"),
        ({"index": None}, "line 1: index: expected text"),
    ],
)
def test_malformed_first_lines_are_refused(tmp_path: Path, values: dict[str, object], message: str) -> None:
    assert message in refusal(change(file_of(tmp_path), 0, **values))


def test_a_first_line_says_everything(tmp_path: Path) -> None:
    for field in ("protocol", "seed", "shots", "dataset", "fold", "hash"):
        file = file_of(tmp_path)
        header, *lines = file.read_text().splitlines()
        rest = {name: value for name, value in json.loads(header).items() if name != field}
        file.write_text("\n".join([json.dumps(rest), *lines]) + "\n")
        assert f"line 1: missing required field '{field}'" in refusal(file)


def test_unfit_files_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.jsonl").endswith("no.jsonl does not exist; check the path")
    file = file_of(tmp_path)
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:2]))
    assert refusal(file).endswith("announces 2 episodes, but holds 1")
    file.write_text("\n".join([*lines[:2], lines[2][:20]]))
    assert "line 3: no JSON" in refusal(file)
    file.write_text('{"format": "other"}\n')
    assert "is no manifest: its first line has the format 'other'" in refusal(file)
    file.write_text("")
    assert "is empty" in refusal(file)
    file.write_bytes(b"\xff\xfe\x00")
    assert "not UTF-8 text" in refusal(file)


def test_a_picture_without_the_class_is_refused(tmp_path: Path) -> None:
    counts = COUNTS.copy()
    counts[1, 2] = 0
    index = made_up_index(counts)
    write(tmp_path / "episodes.jsonl", index)
    assert "line 2: picture 'picture001' shows nothing of class 2" in refusal(tmp_path / "episodes.jsonl", index)


def test_a_manifest_without_episodes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one episode"):
        write_manifest(tmp_path / "m", [], made_up_index(COUNTS), dataset="x", fold=0, protocol="x", seed=0)


EVIL = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("picture003"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=5,
)
FIELDS = sorted({name for struct in (ManifestHeader, ManifestEpisode) for name in struct.__struct_fields__})


@settings(max_examples=100, deadline=None)
@given(line=st.integers(0, 2), field=st.sampled_from([*FIELDS, "other"]), value=EVIL)
def test_any_value_anywhere_is_one_line_or_the_same_episodes(line: int, field: str, value: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = change(file_of(Path(folder)), line, **{field: value})
        try:
            manifest = read_manifest(file, made_up_index(COUNTS))
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017
            return
    assert manifest.specs == SPECS


@st.composite
def made_up_specs(draw: st.DrawFn) -> tuple[EpisodeSpec, ...]:
    """Episodes on pictures that show every class."""
    shots, ways = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    found = []
    for number in range(draw(st.integers(1, 4))):
        pictures = draw(st.permutations(range(9)))
        classes = tuple(draw(st.permutations(range(1, 4)))[:ways])
        support = tuple(tuple(pictures[way * shots : (way + 1) * shots]) for way in range(ways))
        query = tuple((pictures[ways * shots + way],) for way in range(ways))
        found.append(EpisodeSpec(number, classes, support, query))
    return tuple(found)


@settings(max_examples=40, deadline=None)
@given(specs=made_up_specs(), seed=st.integers(0, 2**32 - 1))
def test_any_episodes_come_back_as_they_were(specs: tuple[EpisodeSpec, ...], seed: int) -> None:
    index = made_up_index(np.full((9, 4), 50))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "episodes.jsonl"
        written = write_manifest(file, specs, index, dataset="shapes", fold=0, protocol="stratified", seed=seed)
        manifest = read_manifest(file, index)
        named = read_named(file)
    assert (manifest.specs, manifest.hash) == (specs, written)
    assert named.untouched
