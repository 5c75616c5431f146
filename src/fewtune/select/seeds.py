"""Seeds: the chosen candidate trained again with other seeds, to tell luck from the method.

None of these models is kept and none of their scores chooses: the run keeps the one with the
plan's own seed, whatever the others do on the test rows.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fewtune.select.material import Material
from fewtune.select.refit import again
from fewtune.select.trials import Trial
from fewtune.tasks.outcomes import Outcomes
from fewtune.train.agreement import first_says

__all__ = ["Spread", "spread"]


@dataclass(frozen=True)
class Spread:
    """What one candidate comes to with several seeds.

    Attributes
    ----------
    measure, unit
        Name and unit of the headline measure.
    seeds, values
        The seeds, the plan's own first, and what each came to on the test rows.
    """

    measure: str
    unit: str
    seeds: tuple[int, ...]
    values: tuple[float, ...]

    def sentence(self) -> str:
        """Return the spread in one sentence.

        Examples
        --------
        >>> Spread("accuracy", "share", (0, 1, 2), (0.82, 0.80, 0.84)).sentence()
        '3 seeds: accuracy 80.0 to 84.0%, standard deviation 2.0 points; the model kept has 82.0%.'
        """
        share = self.unit == "share"
        scale, digits = (100, 1) if share else (1, 3)
        low, high, own = (
            f"{scale * v:.{digits}f}" for v in (min(self.values), max(self.values), self.values[0])
        )
        apart = f"{scale * statistics.stdev(self.values):.{digits}f}"
        unit, points = ("%", " points") if share else (f" {self.unit}", "")
        name = self.measure.replace("_", " ")
        return (
            f"{len(self.values)} seeds: {name} {low} to {high}{unit}, standard deviation "
            f"{apart}{points}; the model kept has {own}{unit}."
        )

    def as_json(self) -> dict[str, Any]:
        """Return what ``scores.json`` keeps."""
        return {
            "measure": self.measure,
            "seeds": list(self.seeds),
            "values": list(self.values),
            "mean": statistics.mean(self.values),
            "deviation": statistics.stdev(self.values),
            "sentence": self.sentence(),
        }


def spread(material: Material, chosen: Trial, kept: Outcomes) -> Spread | None:
    """Return what the chosen candidate comes to on the test rows with ``select.seeds`` seeds.

    Parameters
    ----------
    material, chosen
        The finished trial, trained on all known rows with the plan's seed.
    kept
        What the model that is kept does on the test rows.

    Returns
    -------
    Spread or None
        ``None`` where one seed is planned, or nothing is drawn: a solver fitted the head, or
        nothing was tuned.
    """
    count = material.plan.select.seeds
    if count < 2 or chosen.head is not None or not chosen.updates:
        return None
    first = material.plan.seed
    seeds = tuple(range(first, first + count))
    rows = None if material.plan.select.refit else range(len(material.train))
    values = [_value(material, kept)]
    for number, seed in enumerate(seeds[1:], 1):
        part = f"seed {number}"
        if not first_says(material.accelerator, material.pace.room(part)):
            material.pace.drop(part, part)
            break
        with material.pace.part(part):
            values.append(_value(material, _tried(material, chosen, seed, rows)))
        material.journal.write("seed", seed=seed, value=values[-1])
    if len(values) < 2:
        return None
    seeds = seeds[: len(values)]
    return Spread(material.headline.name, material.headline.unit, seeds, tuple(values))


def _tried(material: Material, chosen: Trial, seed: int, rows: Sequence[int] | None) -> Outcomes:
    # What was computed once is shared: rows, folds and frozen states stay those of the plan's seed.
    other = replace(material, plan=material.plan.model_copy(update={"seed": seed}))
    _, model = again(other, chosen, rows, f"seed{seed}")
    return material.task.outcomes(model, material.test)


def _value(material: Material, outcomes: Outcomes) -> float:
    return float(material.headline.values(outcomes, np.ones((1, len(outcomes))))[0])
