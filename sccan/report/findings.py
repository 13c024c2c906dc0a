"""What a check found: one sentence each, how bad it is, and what to do about it; as text and as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["error", "warning", "note", "ok"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note", "ok")
"""error: training could not start; warning: it could, but a number may not mean what one thinks; note, ok: facts."""
EXAMPLES_SHOWN = 5
EXAMPLES_KEPT = 100


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        level: one of `LEVELS`.
        check: what was looked at, in a word or two.
        message: what was found.
        advice: what to do; empty where nothing is to be done.
        count: how many times it was found.
        examples: the first of them.
    """

    level: Level
    check: str
    message: str
    advice: str = ""
    count: int = 1
    examples: tuple[str, ...] = ()

    def text(self) -> str:
        """The finding for a terminal, examples below it."""
        lines = [f"{self.level:<8}{self.check}: {self.message}"]
        lines += [f"{'':<10}{example}" for example in self.examples[:EXAMPLES_SHOWN]]
        if self.examples and self.count > EXAMPLES_SHOWN:
            lines.append(f"{'':<10}... and {self.count - min(EXAMPLES_SHOWN, len(self.examples))} more")
        if self.advice:
            lines.append(f"{'':<8}-> {self.advice}")
        return "\n".join(lines)


def repeated(level: Level, check: str, message: str, advice: str, examples: Sequence[str]) -> Finding:
    """A finding that occurred once per example; `{n}` in the message is their number."""
    text = message.replace("{n}", str(len(examples)))
    return Finding(level, check, text, advice, len(examples), tuple(examples[:EXAMPLES_KEPT]))


def has_errors(findings: Sequence[Finding]) -> bool:
    """Whether training could not start."""
    return any(finding.level == "error" for finding in findings)


def findings_text(findings: Sequence[Finding]) -> str:
    """All findings, the worst last, where a terminal shows them, and a summary."""
    ordered = sorted(findings, key=lambda finding: -LEVELS.index(finding.level))
    counts = Counter(finding.level for finding in findings)
    ending = "training could not start" if counts["error"] else "training could start"
    summary = f"{counts['error']} errors, {counts['warning']} warnings: {ending}"
    return "\n".join([*(finding.text() for finding in ordered), "", summary]) + "\n"


def findings_data(findings: Sequence[Finding]) -> dict[str, Any]:
    """The same as plain data for machines."""
    return {"could_start": not has_errors(findings), "findings": [asdict(finding) for finding in findings]}
