"""What a monitor sees and what it may say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fewtune.family import Configured, Family

__all__ = ["GO", "MONITORS", "Advice", "Evaluation", "Monitor", "Step"]

Action = Literal["go", "warn", "stop", "roll back", "abort"]


@dataclass(frozen=True, slots=True)
class Advice:
    """What a monitor says.

    Attributes
    ----------
    action
        ``go``; ``warn`` and go on; ``stop`` with the best snapshot; ``roll back`` to the best
        snapshot and stop; ``abort``: nothing of this training may be kept.
    sentence
        Why, with the figure.
    figure
        The figure alone.
    """

    action: Action
    sentence: str = ""
    figure: float | None = None


GO = Advice("go")


@dataclass(frozen=True, slots=True)
class Step:
    """One update: raw loss, gradient norm before clipping, learning rate."""

    update: int
    loss: float
    gradient_norm: float
    rate: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The validation rows under the weights after ``update`` updates.

    Attributes
    ----------
    loss
        Mean loss: nats per row (classification) or per byte (generation).
    error
        Standard error of that mean.
    headline
        The task's headline measure.
    better
        Whether a higher headline is better (1) or a lower one (-1).
    best
        Whether these weights are the best so far.
    few
        Whether so few rows judge classes that their loss decides which weights are kept, and the
        headline only where losses are equal.
    """

    update: int
    loss: float
    error: float
    headline: float
    better: int
    best: bool = False
    more: Mapping[str, float] = field(default_factory=dict)
    few: bool = False


class Monitor(Configured):
    """Something that watches training. What it keeps in ``state`` survives a resume."""

    word = "monitor"

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        self.state: dict[str, Any] = {}
        """Plain values only: they are written into checkpoints as JSON."""

    def figures(self, run: Any) -> Mapping[str, float]:
        """Return what to write beside an evaluation, under the model's present weights.

        Model and random state must be left as they were.
        """
        return {}

    def allows(self, run: Any, evaluation: Evaluation) -> bool:
        """Return whether the weights just evaluated may be kept as the best.

        ``evaluation.more`` holds the figures of every monitor.
        """
        return True

    def after_step(self, run: Any, step: Step) -> Advice:
        """Return what to do after an update."""
        return GO

    def after_evaluation(self, run: Any, evaluation: Evaluation) -> Advice:
        """Return what to do after an evaluation."""
        return GO


MONITORS: Family[Monitor] = Family("fewtune.train.monitors", Monitor, "monitor")
