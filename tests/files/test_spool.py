"""Records on the disk: all of them, as they were, as often as they are asked for, and nothing left behind."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sccan.files.spool import Spool
from tests.files.test_writing import PLAIN


@given(st.lists(PLAIN | st.text(alphabet="\n\r\x85\u2028\udcff", max_size=3), max_size=5))
def test_records_come_back_in_order_and_again(records: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, Spool(Path(folder) / "new") as spool:
        for one in records:
            spool.add(one)
        next(iter(spool), None)  # a walk that is given up
        assert list(spool) == records
        assert list(spool) == records
        assert list((Path(folder) / "new").iterdir()) == []
