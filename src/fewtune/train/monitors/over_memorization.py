"""Warns when answers stay right while the model grows ever surer of its training rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fewtune.data.batches import chunks
from fewtune.family import Options
from fewtune.records import Example
from fewtune.regularizers.reference import holding
from fewtune.tasks.base import Row, inference
from fewtune.train.monitors._probes import spread
from fewtune.train.monitors.base import GO, Advice, Evaluation, Monitor

__all__ = ["OverMemorization"]

Floats = NDArray[np.float64]


class OverMemorizationOptions(Options):
    """Options of ``over_memorization``."""

    factor: float = Field(1.2, gt=1, description="validation loss over its minimum that alarms")
    rows: int = Field(200, ge=2, description="validation rows looked at")
    answers: int = Field(16, ge=2, description="generation: answers drawn to see their diversity")
    fall: float = Field(
        0.05, ge=0, description="generation: least fall of distinct word pairs, as a share"
    )


class OverMemorization(Monitor):
    """Three signs together, of the weights now against the best snapshot (2508.04117).

    The validation loss is above ``factor`` times its minimum; the share of right answers (for
    generation of right tokens) stands still; and what does not show on the test rows has fallen:
    the share right under typos for text classes, the diversity of drawn answers for generation. An
    alarm with its evidence, not a stop: long training can be worth it (2602.11149). The two costly
    signs are looked at only where the first is there.
    """

    Options = OverMemorizationOptions

    def after_evaluation(self, run: Any, evaluation: Evaluation) -> Advice:
        """Return ``warn``, once, when all signs are there."""
        lowest = min(run.evaluations, key=lambda e: e.loss)
        ratio = evaluation.loss / lowest.loss if lowest.loss > 0 else 1.0
        if ratio <= self.options.factor or self.state.get("told") or not run.validation:
            return GO
        rows = [run.validation[i] for i in spread(self.options.rows, len(run.validation))]
        now = right_shares(run, rows)
        with holding(run.model, run.best):
            then = right_shares(run, rows)
        change, error = _paired(now, then)
        if abs(change) > error:
            return GO
        sign = self._third_sign(run, rows)
        if sign is None:
            return GO
        self.state["told"] = True
        what = "right tokens" if run.task.name == "generation" else "right answers"
        return Advice(
            "warn",
            f"over-memorization: the validation loss is {ratio:.2f} times its minimum "
            f"({evaluation.loss:.4f}, {lowest.loss:.4f} at update {lowest.update}) while the share "
            f"of {what} stands at {now.mean():.1%} ({then.mean():.1%} in the best snapshot)"
            f"{sign}; the earlier snapshot is kept",
            ratio,
        )

    def _third_sign(self, run: Any, rows: Sequence[Row]) -> str | None:
        """Return what has fallen, in words; ``None`` where nothing did."""
        if run.task.name == "generation":
            examples = [rows[i].example for i in spread(self.options.answers, len(rows))]
            now = _diversity(run, examples)
            with holding(run.model, run.best):
                then = _diversity(run, examples)
            if now >= then * (1 - self.options.fall):
                return None
            return f" and that of distinct word pairs in answers fell from {then:.2f} to {now:.2f}"
        if run.task.name == "text_classification":
            typed = run.task.encode([with_typos(row.example, run.seed) for row in rows])
            after = right_shares(run, typed)
            with holding(run.model, run.best):
                before = right_shares(run, typed)
            change, error = _paired(after, before)
            if change >= -error:
                return None
            return f" and that under typos fell from {before.mean():.1%} to {after.mean():.1%}"
        # Images have no typos; the other two signs speak for themselves.
        return ""


def right_shares(run: Any, rows: Sequence[Row]) -> Floats:
    """Return for each row the share of its units whose likeliest class or token is right."""
    right, units = np.zeros(len(rows)), np.zeros(len(rows))
    lengths = [row.length for row in rows]
    with inference(run.model):
        for places in chunks(range(len(rows)), lengths, run.task.budget(run.model)):
            batch = run.task.collate([rows[i] for i in places]).to(run.device)
            with run.task.autocast():
                guesses = run.task.logits(run.model, batch).argmax(dim=-1)
            owners = np.asarray(places)[batch.owners.cpu().numpy()]
            np.add.at(right, owners, (guesses == batch.targets).cpu().numpy())
            np.add.at(units, owners, 1)
    shares: Floats = right / np.maximum(units, 1)
    return shares


def with_typos(example: Example, seed: int) -> Example:
    """Return the example with two neighbouring letters swapped in about a third of its words."""
    draw = random.Random(f"{seed}/typos/{example.input}")
    words = example.input.split(" ")
    for number, word in enumerate(words):
        if len(word) > 3 and draw.random() < 1 / 3:
            at = draw.randrange(len(word) - 1)
            words[number] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return replace(example, input=" ".join(words))


def _paired(now: Floats, then: Floats) -> tuple[float, float]:
    """Return the mean of now − then over rows, and its standard error."""
    difference = now - then
    return float(difference.mean()), float(difference.std(ddof=1) / len(difference) ** 0.5)


def _diversity(run: Any, examples: Sequence[Example]) -> float:
    """Return distinct word pairs over all word pairs of answers drawn at temperature 1."""
    answers = run.task.generate(run.model, examples, temperature=1.0, seed=run.seed)
    pairs = [
        pair for text, _ in answers for pair in zip(text.split(), text.split()[1:], strict=False)
    ]
    return len(set(pairs)) / max(len(pairs), 1)
