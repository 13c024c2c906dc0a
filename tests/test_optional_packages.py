"""What needs a package that is not installed says which, and how it is added; what can do without goes on."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sccan.classification.parts.logistic import logistic_weights
from sccan.classification.words.packaged import packaged_words
from sccan.commands import label
from sccan.errors import InputError
from sccan.segmentation.data.prepare.voc import read_mat_label
from sccan.segmentation.parts.regions import regions_of
from tests.engine.test_run import opened


def _logistic() -> None:
    logistic_weights(np.eye(2), np.arange(2), 2, strength=1.0)


NEEDS: dict[str, tuple[str, Callable[[], object], str]] = {
    "sklearn.linear_model": ("scientific", _logistic, "logistic regression"),
    "scipy.cluster.hierarchy": ("scientific", lambda: regions_of(torch.eye(3), 0.5), "INSID3"),
    "scipy.io": ("scientific", lambda: read_mat_label(Path("a.mat")), "a label of SBD"),
    "pyarrow.parquet": ("words", lambda: packaged_words({"fox"}), "GloVe"),
    "uvicorn": ("page", lambda: label.main(["pictures"]), "the page"),
}
"""Package -> the extra that brings it, what needs it, and what that is called."""


@pytest.mark.parametrize("package", NEEDS)
def test_what_is_missing_is_told_with_the_extra_that_brings_it(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extra, use, told = NEEDS[package]
    monkeypatch.setitem(sys.modules, package, None)  # what Python itself does with a package that is not there
    monkeypatch.delitem(sys.modules, "sccan.page.opening", raising=False)  # imported anew
    with pytest.raises(InputError, match=rf"{told}.* needs the package .* pip install 'sccan\[{extra}\]'"):
        use()


def test_without_tensorboard_training_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with caplog.at_level(logging.INFO), opened(tmp_path) as run:
        run.start_events(0)
        run.scalars(1, {"loss": 0.5})
    assert "no TensorBoard events" in caplog.text
    assert "sccan[train]" in caplog.text
    assert not (tmp_path / "tensorboard").exists()
