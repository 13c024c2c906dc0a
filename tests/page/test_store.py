"""What a person drew stays: through versions, kills at any moment, damage, and classes that come and go."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from sccan.errors import InputError
from sccan.page.places import OURS, find_gallery, key_of
from sccan.page.serving import LOCK, claimed
from sccan.page.store import CLASSES, MASKS, STATES, Mark, Outdated, Store
from sccan.pictures.decoding import read_label
from tests.fuzz.structures import places_of
from tests.page.conftest import drawn

A, B, C = (key_of(name) for name in ("a.jpg", "b.png", "more/c.jpg"))


def _again(store: Store) -> Store:
    store.close()
    return Store(find_gallery(store.gallery.root))


def test_masks_and_what_was_said_are_there_at_the_next_start(store: Store) -> None:
    store.classes.add("dog")
    store.save_classes()
    store.set_threshold(0.7)
    assert store.put(A, drawn(), "drawn", base=0, agreement=0.25).version == 1
    assert store.accept(A, base=1).version == 2
    store.put(C, np.zeros_like(drawn()), "absent", base=0)
    store = _again(store)
    assert (store.mark(A).status, store.mark(A).version, store.mark(A).agreement) == ("accepted", 2, 0.25)
    assert list(store.marked()) == [A, C]
    np.testing.assert_array_equal(store.label(A), drawn())
    assert store.label(B) is None
    assert store.threshold == 0.7
    assert [entry.name for entry in store.classes.active] == ["dog"]
    np.testing.assert_array_equal(read_label(store.root / MASKS / "a.jpg.png"), drawn())


def test_only_who_knows_the_latest_version_may_write(store: Store) -> None:
    store.classes.add("dog")
    store.put(A, drawn(), "drawn", base=0)
    for write in (
        lambda: store.put(A, drawn(), "drawn", base=0),
        lambda: store.accept(A, base=2),
        lambda: store.take_back(A, base=0),
    ):
        with pytest.raises(Outdated) as told:
            write()
        assert told.value.mark.version == 1
    with pytest.raises(InputError, match="no such picture"):
        store.put("nothing", drawn(), "drawn", base=0)


def test_what_is_taken_back_counts_no_longer_and_is_kept_aside(store: Store) -> None:
    store.classes.add("dog")
    store.put(A, drawn(), "drawn", base=0)
    assert store.take_back(A, base=1) == Mark("", 2, time=store.mark(A).time)
    store = _again(store)
    assert store.label(A) is None
    assert store.mark(A).version == 2
    np.testing.assert_array_equal(read_label(store.root / "taken_back" / "a.jpg.png"), drawn())


def test_pixels_of_a_class_that_was_taken_away_come_back_with_it(store: Store) -> None:
    for name in ("dog", "cat"):
        store.classes.add(name)
    store.put(A, drawn(value=2), "drawn", base=0)
    store.classes.remove(2)
    label = store.label(A)
    assert label is not None
    assert not label.any()
    label[0:3, 0:3] = 1  # drawn while the cat is away
    store.put(A, label, "drawn", base=1)
    store.classes.add("cat")
    expected = drawn(value=2)
    expected[0:3, 0:3] = 1
    np.testing.assert_array_equal(store.label(A), expected)


def test_a_mask_whose_line_was_not_written_counts(store: Store) -> None:
    store.classes.add("dog")
    store.put(A, drawn(), "drawn", base=0)
    store.take_back(A, base=1)
    store.put(B, drawn(), "drawn", base=0)
    store.close()
    journal = store.root / STATES
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:-1]) + lines[-1][:20])  # killed in the middle of the last line
    os.replace(store.root / "taken_back" / "a.jpg.png", store.root / MASKS / "a.jpg.png")
    store = Store(find_gallery(store.gallery.root))
    assert (store.mark(A).status, store.mark(A).version) == ("drawn", 3)
    assert (store.mark(B).status, store.mark(B).version) == ("drawn", 1)


def test_damaged_states_lose_no_mask(store: Store) -> None:
    store.classes.add("dog")
    store.save_classes()
    store.put(A, drawn(), "drawn", base=0)
    store.accept(A, base=1)
    store.close()
    (store.root / STATES).write_text("nonsense\n")
    store = Store(find_gallery(store.gallery.root))
    np.testing.assert_array_equal(store.label(A), drawn())
    assert store.mark(A).status == "drawn"
    assert "was damaged and is kept as" in store.notes[0]


def test_a_mask_that_vanished_is_told(store: Store) -> None:
    store.classes.add("dog")
    store.put(A, drawn(), "drawn", base=0)
    (store.root / MASKS / "a.jpg.png").unlink()
    store = _again(store)
    assert store.mark(A).status == ""
    assert "the mask of a.jpg is gone" in store.notes[0]


def test_damaged_classes_are_told_in_one_line(store: Store) -> None:
    store.close()
    (store.root / "classes.json").write_text(json.dumps({"classes": [{"name": 3}]}))
    with pytest.raises(InputError, match=r"classes\.json: classes\[0\]\.name: expected text, found 3; mend it"):
        Store(find_gallery(store.gallery.root))


STRANGE = (None, -1, 0.5, 10**30, 1e999, "x", [], {}, [None])


def test_a_strange_value_anywhere_is_one_line_or_read(store: Store) -> None:
    store.classes.add("dog")
    store.set_imported("masks")
    store.put(A, drawn(), "drawn", base=0)
    root = store.gallery.root
    store.close()
    refused = 0
    for name in (CLASSES, STATES):
        file = store.root / name
        whole = file.read_text()
        rows = [whole] if name == CLASSES else whole.splitlines()
        for row, text in enumerate(rows):
            for place in range(len(places_of(json.loads(text), most=3))):
                for value in STRANGE:
                    tree = json.loads(text)
                    node, key = places_of(tree, most=3)[place]
                    node[key] = value
                    file.write_text("\n".join([*rows[:row], json.dumps(tree), *rows[row + 1 :]]) + "\n")
                    try:
                        again = Store(find_gallery(root))
                    except InputError as error:
                        refused += "\n" not in str(error)
                    else:
                        assert again.label(A) is not None
                        again.close()
        file.write_text(whole)
    assert refused > 80


@pytest.mark.parametrize("name", [CLASSES, STATES])
def test_a_pipe_in_the_store_is_refused(store: Store, name: str) -> None:
    store.close()
    (store.root / name).unlink(missing_ok=True)
    os.mkfifo(store.root / name)
    with pytest.raises(InputError, match=rf"{name} is a pipe; expected a file"):
        Store(find_gallery(store.gallery.root))


@pytest.mark.parametrize(
    "text",
    ["", "[" * 3000, '{"port": 700000}', '{"port": null}', '{"port": 1e999}', '{"token": "a"}', '{"token": 7}', "\0"],
)
def test_a_damaged_claim_is_made_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / OURS).mkdir()
    (tmp_path / OURS / LOCK).write_text(text)
    with claimed(tmp_path) as claim, claim.bind(0) as bound:
        assert bound.getsockname()[1] == claim.port
        assert len(claim.token) > 30


def test_a_pipe_in_place_of_the_claim_is_refused(tmp_path: Path) -> None:
    (tmp_path / OURS).mkdir()
    os.mkfifo(tmp_path / OURS / LOCK)
    with pytest.raises(InputError, match=rf"{LOCK} is a pipe; expected a file"), claimed(tmp_path):
        pass


def test_nothing_is_written_through_a_link(store: Store, tmp_path: Path) -> None:
    store.classes.add("dog")
    (tmp_path / "elsewhere").mkdir()
    (store.root / MASKS).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="leads out of the folder"):
        store.put(A, drawn(), "drawn", base=0)
    assert not list((tmp_path / "elsewhere").iterdir())


WRITER = """
    import sys, zlib
    import numpy as np
    from pathlib import Path
    from sccan.page.places import OURS, find_gallery, key_of
    from sccan.page.store import Store
    store = Store(find_gallery(Path(sys.argv[1])))
    if not store.classes.entries:
        store.classes.add("dog")
        store.save_classes()
    key = key_of("a.jpg")
    version = store.mark(key).version
    for count in range(10_000):
        label = np.full((48, 64), 0, np.uint8)
        label.ravel()[: version + 1] = 1  # as many pixels as its version
        version = store.put(key, label, "drawn", base=version).version
        print(version, flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_the_last_mask_that_was_told_is_there(folder: Path) -> None:
    with claimed(folder):
        pass
    generator = random.Random(0)
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        told = int(process.stdout.readline())
        time.sleep(generator.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:
            told = int(line)
        process.wait()
        store = Store(find_gallery(folder))
        label = store.label(key_of("a.jpg"))
        store.close()
        assert label is not None
        pixels = int(label.sum())
        assert pixels in (told, told + 1), "one more was on its way"
        assert label.ravel()[:pixels].all()
        assert store.mark(key_of("a.jpg")).version in (pixels - 1, pixels)
