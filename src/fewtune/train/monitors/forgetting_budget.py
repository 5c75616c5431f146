"""Keeps only snapshots that forgot little, and rolls back to the best when training goes beyond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from fewtune.data.batches import chunks
from fewtune.family import Options
from fewtune.regularizers.reference import at_base, base_logits
from fewtune.tasks.base import Row, inference
from fewtune.train.monitors._probes import Probes, forgotten, general_rows, spread
from fewtune.train.monitors.base import GO, Advice, Evaluation, Monitor

__all__ = ["ForgettingBudget"]

Floats = NDArray[np.float64]


class ForgettingBudgetOptions(Options):
    """Options of ``forgetting_budget``; 0 for no bound."""

    flips: float = Field(
        0.02, ge=0, le=1, description="share of probes right before and wrong now, less chance"
    )
    general: float = Field(
        0.01, ge=0, description="rise of the loss per byte of general text, as a share of the base"
    )
    kl: float = Field(
        0.0, ge=0, description="divergence from the base on the prompts, nats a unit; 0: told only"
    )
    prompts: int = Field(64, ge=1, description="validation rows on which the divergence is taken")
    probes: int = Field(200, ge=0, description="generation: items of general ability answered")
    paragraphs: int = Field(15, ge=0, description="generation: paragraphs of general text read")
    patience: int = Field(2, ge=1, description="evaluations in a row beyond the budget")


class ForgettingBudget(Monitor):
    """Measures what was forgotten at each evaluation; what is beyond the budget never is the best.

    A figure is beyond its bound only if it is so by more than its standard error. The divergence on
    new inputs costs next to nothing and goes with forgetting (2509.04259). A language model also
    answers built-in probes and reads general text; a classifier can neither, so only ``kl`` bounds
    it.
    """

    Options = ForgettingBudgetOptions

    def figures(self, run: Any) -> Mapping[str, float]:
        """Return ``forgetting_kl``, and for generation ``forgetting_flips`` and ``…_general``."""
        found: dict[str, float] = {}
        value, error = _divergence(run, self._prompts(run))
        found |= {"forgetting_kl": value, "forgetting_kl_error": error}
        if run.task.name == "generation":
            found |= self._probed(run)
        return found

    def allows(self, run: Any, evaluation: Evaluation) -> bool:
        """Return whether every figure is within its bound."""
        return not self._beyond(evaluation)

    def after_evaluation(self, run: Any, evaluation: Evaluation) -> Advice:
        """Return ``roll back`` after ``patience`` evaluations beyond it, and ``warn`` before."""
        beyond = self._beyond(evaluation)
        if not beyond:
            self.state["beyond"] = 0
            return GO
        self.state["beyond"] = self.state.get("beyond", 0) + 1
        what, value, bound = beyond[0]
        over = self.state["beyond"] >= self.options.patience
        kept = run.best_evaluation.update if run.best_evaluation is not None else 0
        end = f"back to update {kept}, the best within it" if over else "this snapshot is not kept"
        return Advice(
            "roll back" if over else "warn",
            f"forgetting is beyond its budget at update {evaluation.update}: {what} is "
            f"{value:.3g}, the budget {bound:.3g}; {end}",
            value,
        )

    def _beyond(self, evaluation: Evaluation) -> list[tuple[str, float, float]]:
        """Return what, how much and the bound, for each figure beyond its bound."""
        named = {
            "flips": "the share of probes forgotten, less chance,",
            "general": "the rise of general text's loss per byte, as a share,",
            "kl": "the divergence from the base in nats",
        }
        found = []
        for name, what in named.items():
            bound = getattr(self.options, name)
            value = evaluation.more.get(f"forgetting_{name}")
            error = evaluation.more.get(f"forgetting_{name}_error", 0.0)
            if bound and value is not None and value - error > bound:
                found.append((what, value, bound))
        return found

    def _prompts(self, run: Any) -> list[Row]:
        rows = run.validation or run.rows
        return [rows[i] for i in spread(self.options.prompts, len(rows))]

    def _probed(self, run: Any) -> dict[str, float]:
        """Return what became of the probes and of general text."""
        if not hasattr(self, "_base"):
            self._probes = Probes(run.task, self.options.probes) if self.options.probes else None
            self._general = general_rows(run.task, self.options.paragraphs, choosing=True)
            with at_base(run):
                self._base = self._observed(run)
        right, losses = self._observed(run)
        found: dict[str, float] = {}
        if self._probes is not None:
            share = forgotten(self._base[0], right, self._probes.chances)
            error = (share * (1 - share) / len(right)) ** 0.5
            found |= {"forgetting_flips": share, "forgetting_flips_error": error}
        if len(losses):
            rise, error = _rise(self._base[1], losses)
            found |= {"forgetting_general": rise, "forgetting_general_error": error}
        return found

    def _observed(self, run: Any) -> tuple[NDArray[np.bool_], Floats]:
        """Return which probes are right and the loss of each paragraph."""
        right = (
            self._probes.right(run.task, run.model)
            if self._probes is not None
            else np.zeros(0, dtype=bool)
        )
        return right, run.task.outcomes(run.model, self._general).losses


def _rise(before: Floats, after: Floats) -> tuple[float, float]:
    """Return the rise of the summed loss as a share of it, and its standard error over texts."""
    rise = float(after.sum() / before.sum() - 1)
    # Of a ratio of sums, by linearisation.
    spread_out = after - (1 + rise) * before
    return rise, float(np.sqrt((spread_out**2).sum()) / before.sum())


def _divergence(run: Any, rows: Sequence[Row]) -> tuple[float, float]:
    """Return the mean KL(base‖tuned) of the units of ``rows`` in nats, and its standard error."""
    found: list[torch.Tensor] = []
    lengths = [row.length for row in rows]
    for places in chunks(range(len(rows)), lengths, run.task.budget(run.model)):
        batch = run.task.collate([rows[i] for i in places]).to(run.device)
        base = base_logits(run, batch).log_softmax(dim=-1)
        with inference(run.model), run.task.autocast():
            tuned = run.task.logits(run.model, batch).float().log_softmax(dim=-1)
            found.append((base.exp() * (base - tuned)).sum(dim=-1).double().cpu())
    units = torch.cat(found)
    error = float(units.std()) / len(units) ** 0.5 if len(units) > 1 else 0.0
    return float(units.mean()), error
