"""Replay: rows from the base's own samples, or from a given file, are mixed into every update."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field

from fewtune.regularizers._rows import RowOptions, how_many, rows_to_protect
from fewtune.regularizers.base import Regularizer, Running
from fewtune.tasks.base import Row

__all__ = ["Replay"]


class ReplayOptions(RowOptions):
    """Options of ``replay``."""

    dose: float = Field(0.25, gt=0, le=4, description="replayed rows for each training row")
    weight: float = Field(1.0, gt=0, description="weight of a replayed row in the loss")


class Replay(Regularizer):
    """Trains on old rows beside the new ones; what the base itself writes suffices (2403.01244).

    A dose below one row an update is met on average: some updates have a row, some have none.
    """

    Options = ReplayOptions
    role = "keeps the rows of the base"

    def unfit(self, task: str) -> str:
        """Return that a classifier needs a file: it cannot write rows of its own."""
        if task != "generation" and not self.options.file:
            return "a classifier writes no samples of its own, so replay needs options.file"
        return ""

    def start(self, run: Running) -> None:
        """Draw the samples, or read the file."""
        weight = self.options.weight
        self._pool = [
            replace(row, example=replace(row.example, weight=row.example.weight * weight))
            for row in rows_to_protect(run, self.options)
        ]

    def rows(self, run: Running, rows: Sequence[Row]) -> Sequence[Row]:
        """Return the rows with those replayed in this update after them."""
        count = how_many(self.options.dose, len(rows), run.seed, run.update)
        draw = random.Random(f"{run.seed}/replay/{run.update}")
        return [*rows, *draw.sample(self._pool, min(count, len(self._pool)))]
