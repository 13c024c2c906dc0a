"""Name tables: there and back, numbers kept, foreign names untouched."""

import pytest
import torch

from sccan.backbones.names import NameTable

TABLE = NameTable([("old.{}.in.{}.", "new.{}.{}."), ("old.", "rest."), ("a.b", "c")])


def test_names_change_both_ways_and_the_first_entry_that_fits_decides() -> None:
    state = {name: torch.tensor(number) for number, name in enumerate(["old.12.in.3.weight", "old.x", "a.bias", "a.b"])}
    ours = TABLE.ours(state)
    assert list(ours) == ["new.12.3.weight", "rest.x", "cias", "c"]
    assert {name: int(value) for name, value in ours.items()} == {"new.12.3.weight": 0, "rest.x": 1, "cias": 2, "c": 3}
    assert list(TABLE.published(ours)) == list(state)


def test_a_dot_is_a_dot_and_a_beginning_is_at_the_beginning() -> None:
    state = {"axb": torch.tensor(0), "x.old.y": torch.tensor(1)}
    assert list(TABLE.ours(state)) == list(state)


def test_two_names_that_become_one_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"both be named rest\.x"):
        TABLE.ours({"rest.x": torch.tensor(0), "old.x": torch.tensor(1)})


def test_doubled_entries_are_left_out() -> None:
    table = NameTable([("layer{}.", "stage{}.")], doubled=["encoder."])
    assert list(table.ours({"layer0.w": torch.tensor(0), "encoder.0.w": torch.tensor(0)})) == ["stage0.w"]
