"""Rotations: the whole fit again for other test parts, until every row has judged once.

A fifth of a few rows is a handful, on which nothing can be told. Each further fit chooses, trains
and calibrates anew on all rows but its test part, so no row judges what it had a say in. What is
judged is the way of fitting; the model that is kept is the first one.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fewtune.data.folds import folds
from fewtune.data.variations import judging
from fewtune.environment import give_back_memory
from fewtune.records import Score
from fewtune.select.choice import choose
from fewtune.select.contest import contest
from fewtune.select.controls import run_all
from fewtune.select.material import Material
from fewtune.select.refit import finish
from fewtune.tasks.base import Row
from fewtune.tasks.outcomes import Outcomes, joined
from fewtune.verbs.calibrated import calibrated

__all__ = ["Rotation", "everything", "rotations", "told_of", "widened"]

SHARED = 1.2
"""Times an interval over rows, which does not know that the fits share rows, has to be as wide to
hold the truth as often as it says (benchmarks/quality/rotations.py; Bates, Hastie and Tibshirani
2024, Cross-validation: what does it estimate and how well does it do it?)."""


@dataclass(frozen=True)
class Rotation:
    """One of the further fits.

    Attributes
    ----------
    rows
        Its test rows.
    outcomes
        What its chosen model does on them.
    controls
        What the controls do on them.
    chosen
        Name of the candidate that it chose.
    """

    rows: Sequence[Row]
    outcomes: Outcomes
    controls: dict[str, Outcomes]
    chosen: str


def rotations(material: Material) -> list[Rotation]:
    """Return the fits whose test parts are, together, all rows but the test rows of ``material``.

    Call it when the controls have run and before candidates are fitted. The base is loaded again
    after it, since a solver may have given it another head.

    Raises
    ------
    DataError
        If there are fewer independent rows than test parts.
    """
    count = material.plan.data.rotations
    if count < 2:
        return []
    seed, places = material.plan.seed, material.places
    parts = [places] if count == 2 else folds(material.data, count - 1, seed, places)
    found = [_fitted(material, held, number) for number, held in enumerate(parts, 2)]
    material.forget_base()
    return found


def _fitted(material: Material, held: Sequence[int], number: int) -> Rotation:
    plan, data = material.plan, material.data
    out = set(held)
    rest = [row for row in (*material.places, *material.tested) if row not in out]
    parts = round(1 / plan.data.validation_share)
    choosing = set(folds(data, parts, plan.seed, rest, fewer=True)[0])
    turned = material.turned(
        [row for row in rest if row not in choosing],
        judging(data, sorted(choosing)),
        judging(data, held),
        material.folder / "checkpoints" / f"rotation{number}",
    )
    _hand_on(material.folder, turned.folder, material.accelerator)
    controls = run_all(turned)
    chosen, _ = choose(turned, contest(turned))
    outcomes = calibrated(turned, chosen, finish(turned, chosen)).test
    score = turned.headline.of(outcomes)
    material.journal.write(
        "stage",
        name="rotation",
        sentence=f"fit {number} of {plan.data.rotations}: {chosen.name} chosen and trained on "
        f"{len(turned.known)} rows, judged by {len(turned.test)} others: "
        f"{score.name.replace('_', ' ')} {score.value:.3f}",
    )
    give_back_memory()
    return Rotation(turned.test, outcomes, controls, chosen.name)


def _hand_on(whole: Path, own: Path, accelerator: Any) -> None:
    """Give a fit what was drawn of the base by now: the same samples would be drawn again."""
    with accelerator.main_process_first():
        (own / "checkpoints").mkdir(parents=True, exist_ok=True)
        for drawn in (whole / "checkpoints").glob("base-samples-*.json"):
            if not (own / "checkpoints" / drawn.name).exists():
                shutil.copy(drawn, own / "checkpoints")


def everything(
    first: Outcomes, controls: dict[str, Outcomes], others: Sequence[Rotation]
) -> tuple[Outcomes, dict[str, Outcomes]]:
    """Return what the chosen models and the controls do on the rows of all fits.

    A control that stopped in one of them is left out.
    """
    names = [name for name in controls if all(name in one.controls for one in others)]
    return joined([first, *(one.outcomes for one in others)]), {
        name: joined([controls[name], *(one.controls[name] for one in others)]) for name in names
    }


def widened(score: Score, least: float = 0.0) -> Score:
    """Return a score on the rows of several fits, its interval as wide as what they share asks.

    Parameters
    ----------
    least
        The least that it can be: 0, or minus infinity for a difference.

    Examples
    --------
    >>> found = widened(Score("accuracy", 0.9, 0.8, 0.95, 60, "higher", "share"))
    >>> round(found.low, 3), round(found.high, 3)
    (0.78, 0.96)
    """
    most = 1.0 if score.unit == "share" else math.inf
    low, high = (score.value + SHARED * (bound - score.value) for bound in (score.low, score.high))
    return replace(score, low=max(low, least), high=min(high, most))


def told_of(rows: int, chosen: str, others: Sequence[Rotation]) -> dict[str, Any] | None:
    """Return what ``scores.json`` keeps of the fits, and one sentence; ``None`` of a single fit.

    Parameters
    ----------
    rows
        Test rows of the first fit, whose model is kept.
    chosen
        The candidate that it chose.
    """
    if not others:
        return None
    fits = [(chosen, rows), *((one.chosen, len(one.rows)) for one in others)]
    same = sum(name == chosen for name, _ in fits)
    return {
        "fits": [{"chosen": name, "rows": count} for name, count in fits],
        "sentence": f"All {sum(count for _, count in fits)} rows judge once, in {len(fits)} fits "
        f"that did not know them; {same} of them chose {chosen}, and the model of the first is "
        "kept.",
    }
