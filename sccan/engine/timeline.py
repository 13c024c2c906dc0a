"""Where a training stands: steps, epochs, batches, and what is due after a step. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Timeline:
    """The course of a training.

    A step is one update of the weights; it takes `accumulation` batches, the last one of an epoch those that remain.

    Attributes:
        batches_per_epoch: batches that one process gets per epoch.
        accumulation: batches per step.
        epochs: length of the training.
        max_steps: bound on the number of steps, which schedules run towards; 0: none.
        validate_every: epochs between validations, also less than 1; 0: none at all.
    """

    batches_per_epoch: int
    accumulation: int
    epochs: int
    max_steps: int = 0
    validate_every: float = 1.0

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(self.batches_per_epoch / self.accumulation)

    @property
    def total(self) -> int:
        """Number of steps of the whole training."""
        steps = self.epochs * self.steps_per_epoch
        return min(steps, self.max_steps) if self.max_steps else steps

    def position(self, done: int) -> tuple[int, int]:
        """Epoch and batch within it, both from 0, at which the training goes on after `done` steps."""
        epoch, step = divmod(done, self.steps_per_epoch)
        return epoch, step * self.accumulation

    def batches_in(self, done: int) -> int:
        """Batches in the step that follows `done` steps."""
        return min(self.accumulation, self.batches_per_epoch - self.position(done)[1])

    def epochs_done(self, done: int) -> float:
        """Epochs, with their fraction, after `done` steps."""
        return done / self.steps_per_epoch

    def ends_epoch(self, done: int) -> bool:
        """Whether an epoch is complete after `done` steps."""
        return done > 0 and done % self.steps_per_epoch == 0

    def validates(self, done: int) -> bool:
        """Whether a validation is due after `done` steps: every `validate_every` epochs, and at the end."""
        if not self.validate_every or not done:
            return False
        interval = self.validate_every * self.steps_per_epoch
        count = round(done / interval)
        return done == self.total or (count >= 1 and max(round(count * interval), 1) == done)
