"""The record of a test: what was measured, on what, chosen how; as JSON, CSV and tables.

Scores are computed elsewhere and arrive as plain numbers. A result never stands alone: protocol, manifests, label
variant, seeds, episode counts, the rule that chose the checkpoint and the code's revision belong to it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sccan.files.writing import write_json, write_text_atomically
from sccan.report.tables import (
    Table,
    count_column,
    csv_text,
    interval_column,
    percent_column,
    text_column,
)

RECORD_VERSION = 1
FILES = ("results.json", "results.txt", "classes.csv", "episodes.csv")


@dataclass(frozen=True)
class Spread:
    """A mean over seeds with the half-width of its 95 % interval; None (or not a number) for a single seed."""

    mean: float
    half_width: float | None = None

    @property
    def pair(self) -> tuple[float, float | None]:
        """(mean, half-width or None)."""
        known = self.half_width is not None and math.isfinite(self.half_width)
        return self.mean, self.half_width if known else None

    def record(self) -> dict[str, float | None]:
        """Plain data for JSON."""
        mean, half_width = self.pair
        return {"mean": mean, "half_width_95": half_width}


@dataclass(frozen=True)
class ClassOutcome:
    """Foreground IoU of a class over its episodes."""

    number: int
    name: str
    iou: float
    episodes: int


@dataclass(frozen=True)
class EpisodeOutcome:
    """Counts of one episode: foreground intersection and union in pixels, and the pictures it is made of."""

    number: int
    class_number: int
    query: str
    supports: tuple[str, ...]
    intersection: int
    union: int

    @property
    def iou(self) -> float:
        """Foreground IoU of this episode alone; 0 where neither truth nor prediction has any."""
        return self.intersection / self.union if self.union else 0.0


@dataclass(frozen=True)
class SeedOutcome:
    """All scores of one seed.

    Attributes:
        seed: of the episode plan.
        manifest: hash of its episodes.
        miou: mean over the fold's classes.
        fb_iou: mean of background and foreground IoU over all episodes.
        classes: IoU per class.
        episodes: every episode in order; may be empty where only summaries are wanted.
    """

    seed: int
    manifest: str
    miou: float
    fb_iou: float
    classes: Sequence[ClassOutcome]
    episodes: Sequence[EpisodeOutcome] = ()

    @property
    def n_episodes(self) -> int:
        """Episodes behind the scores."""
        return sum(outcome.episodes for outcome in self.classes)


@dataclass(frozen=True)
class BaselineOutcome:
    """A trivial baseline on the same episodes.

    Attributes:
        name: what it does; the same on every fold.
        miou: mean and interval over seeds.
        fb_iou: likewise.
        stage: stage of the backbone that it reads, if any.
        threshold: score above which a pixel is foreground, if any.
    """

    name: str
    miou: Spread
    fb_iou: Spread
    stage: str | None = None
    threshold: float | None = None

    @property
    def choice(self) -> str:
        """What was chosen for this fold, such as ``layer4 > 0.72``; empty without a threshold."""
        return "" if self.threshold is None else f"{self.stage or 'score'} > {self.threshold:.2f}"

    @property
    def title(self) -> str:
        """The name with what was chosen: ``prior mask, tuned (layer4 > 0.72)``."""
        return f"{self.name} ({self.choice})" if self.choice else self.name


@dataclass(frozen=True)
class PartOutcome:
    """What a part of the method says on its own, on the same episodes.

    Attributes:
        name: of the part.
        classes: what its mIoU is a mean over, in words.
        miou: mean and interval over seeds.
        fb_iou: likewise; None where it is not defined.
    """

    name: str
    classes: str
    miou: Spread
    fb_iou: Spread | None = None


@dataclass(frozen=True)
class Result:
    """One method on one fold, over one or more seeds.

    Attributes:
        method: what was tested.
        data_set: its own name; a part of a benchmark is not called by the benchmark's name.
        protocol: name of the evaluation protocol and of parts that were overridden.
        label_variant: which label images, where a data set has several.
        fold: number of the class partition.
        shots: supports per episode.
        seeds: scores per seed.
        miou: mean and interval over seeds.
        fb_iou: likewise.
        selection: how the checkpoint was chosen, in words: "mIoU on base-class episodes".
        checkpoint: file name of the weights.
        checkpoint_digest: hash of its weights.
        code_revision: of the source, with a mark if it had uncommitted changes.
        baselines: trivial baselines on the same episodes.
        parts: what parts of the method say on their own, on the same episodes.
        published: number and source that others report, if any: never one of ours.
        extra: further plain facts, such as machine and minutes.
        folds: how many folds the classes are cut into; None: not known.
    """

    method: str
    data_set: str
    protocol: str
    label_variant: str
    fold: int
    shots: int
    seeds: Sequence[SeedOutcome]
    miou: Spread
    fb_iou: Spread
    selection: str
    checkpoint: str
    checkpoint_digest: str
    code_revision: str
    baselines: Sequence[BaselineOutcome] = ()
    parts: Sequence[PartOutcome] = ()
    published: tuple[float, str] | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    folds: int | None = None

    def __post_init__(self) -> None:
        if not self.seeds:
            raise ValueError("a result needs at least one seed")

    @property
    def title(self) -> str:
        """Method, data, fold and shots in a line."""
        return f"{self.method} on {self.data_set}, fold {self.fold}, {self.shots}-shot"

    def facts(self) -> dict[str, Any]:
        """What the numbers depend on, as plain data."""
        return {
            "method": self.method,
            "data_set": self.data_set,
            "protocol": self.protocol,
            "label_variant": self.label_variant,
            "fold": self.fold,
            "folds": self.folds,
            "shots": self.shots,
            "seeds": [outcome.seed for outcome in self.seeds],
            "manifests": [outcome.manifest for outcome in self.seeds],
            "episodes": [outcome.n_episodes for outcome in self.seeds],
            "selection": self.selection,
            "checkpoint": self.checkpoint,
            "checkpoint_digest": self.checkpoint_digest,
            "code_revision": self.code_revision,
            **self.extra,
        }

    def record(self) -> dict[str, Any]:
        """Everything but the single episodes, as plain data for JSON."""
        return {
            "version": RECORD_VERSION,
            **self.facts(),
            "miou": {**self.miou.record(), "per_seed": [outcome.miou for outcome in self.seeds]},
            "fb_iou": {**self.fb_iou.record(), "per_seed": [outcome.fb_iou for outcome in self.seeds]},
            "classes": [
                {**asdict(outcome), "per_seed": [seed.classes[position].iou for seed in self.seeds]}
                for position, outcome in enumerate(self.classes())
            ],
            "baselines": [
                {**asdict(outcome), "miou": outcome.miou.record(), "fb_iou": outcome.fb_iou.record()}
                for outcome in self.baselines
            ],
            "parts": [
                {
                    **asdict(outcome),
                    "miou": outcome.miou.record(),
                    "fb_iou": None if outcome.fb_iou is None else outcome.fb_iou.record(),
                }
                for outcome in self.parts
            ],
            "published": None if self.published is None else dict(zip(("miou", "source"), self.published, strict=True)),
        }

    def classes(self) -> list[ClassOutcome]:
        """Per class: mean IoU over the seeds, and the number of episodes of all seeds together."""
        columns = zip(*(outcome.classes for outcome in self.seeds), strict=True)
        return [
            replace(own[0], iou=math.fsum(c.iou for c in own) / len(own), episodes=sum(c.episodes for c in own))
            for own in columns
        ]

    def class_table(self) -> Table:
        """IoU and episodes per class."""
        columns = [count_column("class"), text_column("name"), percent_column("IoU"), count_column("episodes")]
        rows = [(outcome.number, outcome.name, outcome.iou, outcome.episodes) for outcome in self.classes()]
        return Table(columns, rows, note="IoU in percent; a class without episodes counts as 0 in the mean.")

    def method_table(self) -> Table:
        """The method beside the trivial baselines, and what others published in a row of its own."""
        columns = [text_column("method"), interval_column("mIoU"), interval_column("FB-IoU")]
        rows: list[tuple[Any, ...]] = [(b.title, b.miou.pair, b.fb_iou.pair) for b in self.baselines]
        rows.append((self.method, self.miou.pair, self.fb_iou.pair))
        if self.published is not None:
            rows.append((f"published ({self.published[1]})", (self.published[0], None), None))
        episodes = sum(outcome.n_episodes for outcome in self.seeds)
        over = f"{len(self.seeds)} seeds, mean ± half-width of the 95 % interval" if len(self.seeds) > 1 else "one seed"
        note = f"Percent, over {episodes} episodes of {over}; checkpoint chosen by {self.selection}."
        return Table(columns, rows, frozenset({len(self.baselines)}), note)

    def part_table(self) -> Table:
        """What each part of the method says on its own."""
        columns = [text_column("part"), interval_column("mIoU"), interval_column("FB-IoU"), text_column("mean over")]
        rows = [
            (part.name, part.miou.pair, None if part.fb_iou is None else part.fb_iou.pair, part.classes)
            for part in self.parts
        ]
        return Table(columns, rows, note="Percent, on the same episodes.")

    def text(self) -> str:
        """The result for a terminal."""
        facts = [f"{name:18} {value}" for name, value in shown_facts(self.facts()).items()]
        tables = [self.class_table(), self.method_table(), *([self.part_table()] if self.parts else [])]
        return "\n".join([self.title, "", *facts, "", *(table.text() for table in tables)])

    def episode_csv(self) -> str:
        """One line per episode and seed: counts, IoU and file names."""
        header = ["seed", "episode", "class", "intersection", "union", "iou", "query", "supports"]
        rows = [
            (seed.seed, e.number, e.class_number, e.intersection, e.union, e.iou, e.query, " ".join(e.supports))
            for seed in self.seeds
            for e in seed.episodes
        ]
        return csv_text(header, rows)


def write_result(folder: str | Path, result: Result) -> list[Path]:
    """Writes ``results.json``, ``results.txt``, ``classes.csv`` and ``episodes.csv``, each whole or not at all."""
    folder = Path(folder)
    files = [
        write_text_atomically(folder / "results.txt", result.text()),
        write_text_atomically(folder / "classes.csv", result.class_table().csv()),
    ]
    if any(outcome.episodes for outcome in result.seeds):
        files.append(write_text_atomically(folder / "episodes.csv", result.episode_csv()))
    return [*files, write_json(folder / "results.json", result.record())]


def fold_table(records: Sequence[Mapping[str, Any]]) -> Table:
    """mIoU of every method and baseline over the folds that were run, one column per fold, and the mean over folds.

    The mean is that over all folds of the data set: a method that lacks one has no mean, and a dash where others have a
    number.

    Args:
        records: what `Result.record` gave, for instance read from several ``results.json``.

    Raises ValueError: the records differ in data set, protocol, label variant or shots, or a fold occurs twice for
    one method.
    """
    for name in ("data_set", "protocol", "label_variant", "shots"):
        if len({record[name] for record in records}) > 1:
            raise ValueError(f"one table cannot hold several values of {name}: {[r[name] for r in records]}")
    folds = sorted({record["fold"] for record in records})
    baselines: dict[str, dict[int, dict[str, Any]]] = {}
    methods: dict[str, dict[int, dict[str, Any]]] = {}
    for record in records:
        if record["fold"] in methods.setdefault(record["method"], {}):
            raise ValueError(f"{record['method']} has two results of fold {record['fold']}")
        methods[record["method"]][record["fold"]] = record["miou"]
        for outcome in record["baselines"]:
            baselines.setdefault(outcome["name"], {})[record["fold"]] = outcome["miou"]
    rows = []
    everything = {record.get("folds") for record in records}
    for name, own in [*baselines.items(), *methods.items()]:
        mean = math.fsum(own[fold]["mean"] for fold in own) / len(own) if everything == {len(own)} else None
        pairs = [(own[fold]["mean"], own[fold]["half_width_95"]) if fold in own else None for fold in folds]
        rows.append([name, *pairs, mean])
    columns = [text_column("method"), *(interval_column(f"fold {fold}") for fold in folds), percent_column("mean")]
    note = "mIoU in percent, mean ± half-width of the 95 % interval over seeds."
    return Table(columns, rows, frozenset(range(len(baselines), len(rows))), note)


def shown_facts(facts: Mapping[str, Any]) -> dict[str, str]:
    """Facts as a reader sees them: words for names, lists without brackets, nothing that is unknown."""
    return {
        name.replace("_", " "): ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        for name, value in facts.items()
        if value not in ("", None)
    }
