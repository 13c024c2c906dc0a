"""The record of a classification test: accuracy with everything it depends on, as JSON, CSV and text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sccan.classification.evaluation.accuracy import ROW, Accuracy, accuracy
from sccan.files.writing import write_json, write_text_atomically
from sccan.report.results import shown_facts
from sccan.report.tables import Table, count_column, csv_text, interval_column, text_column

RECORD_VERSION = 1
FILES = ("results.json", "results.txt", "episodes.csv")
FORMULA = "mean over episodes, 1.96 * population standard deviation / sqrt(episodes)"


@dataclass(frozen=True)
class SeedRows:
    """The counts of one list of episodes.

    Attributes:
        seed: of the episodes.
        manifest: their hash.
        rows: counts, see `sccan.classification.evaluation.accuracy.ROW`.
    """

    seed: int
    manifest: str
    rows: Tensor


@dataclass(frozen=True)
class ClassificationResult:
    """One method on one split.

    Attributes:
        title: method, data and shape of the episodes in a line.
        facts: what the numbers depend on, as plain data.
        seeds: counts per list of episodes.
    """

    title: str
    facts: dict[str, Any]
    seeds: Sequence[SeedRows] = field(default_factory=tuple)

    @property
    def accuracy(self) -> Accuracy:
        """Over the episodes of all seeds together."""
        return accuracy(torch.cat([seed.rows for seed in self.seeds]))

    def record(self) -> dict[str, Any]:
        """Plain data for JSON."""
        whole = self.accuracy
        return {
            "version": RECORD_VERSION,
            **self._all_facts(),
            "accuracy": {"mean": whole.mean, "half_width_95": whole.half_width, "episodes": whole.episodes},
            "per_seed": [accuracy(seed.rows).mean for seed in self.seeds],
        }

    def table(self) -> Table:
        """Accuracy per list of episodes, and of all together."""
        columns = [text_column("episodes of"), count_column("number"), interval_column("accuracy")]
        parts = [(f"seed {seed.seed}", accuracy(seed.rows)) for seed in self.seeds]
        parts += [("all seeds", self.accuracy)] if len(parts) > 1 else []
        rows = [(name, one.episodes, (one.mean, one.half_width)) for name, one in parts]
        return Table(columns, rows, frozenset({len(rows) - 1}), f"Percent: {FORMULA}.")

    def text(self) -> str:
        """The result for a terminal."""
        facts = [f"{name:18} {value}" for name, value in shown_facts(self._all_facts()).items()]
        return "\n".join([self.title, "", *facts, "", self.table().text()])

    def episode_csv(self) -> str:
        """One line per episode and seed."""
        rows = [(seed.seed, *row) for seed in self.seeds for row in seed.rows.tolist()]
        return csv_text(["seed", *ROW], rows)

    def _all_facts(self) -> dict[str, Any]:
        return {
            **self.facts,
            "seeds": [seed.seed for seed in self.seeds],
            "manifests": [seed.manifest for seed in self.seeds],
            "interval": FORMULA,
        }


def write_classification_result(folder: Path, result: ClassificationResult) -> None:
    """Writes ``results.json``, ``results.txt`` and ``episodes.csv``, each whole or not at all."""
    write_text_atomically(folder / "results.txt", result.text())
    write_text_atomically(folder / "episodes.csv", result.episode_csv())
    write_json(folder / "results.json", result.record())
