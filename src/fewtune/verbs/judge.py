"""The judgement: what the chosen model and its controls score, and whether to ship it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewtune.diagnoses.base import told
from fewtune.environment import give_back_memory
from fewtune.measures.base import Evidence, score_all
from fewtune.measures.over_memorization import alarm
from fewtune.records import Diagnosis, Score, Verdict
from fewtune.select.candidates import held_by
from fewtune.select.ease import slack
from fewtune.select.guards import Guard, guards, one_group
from fewtune.select.material import Material
from fewtune.select.trials import Trial
from fewtune.select.verdict import decide
from fewtune.tasks.outcomes import Outcomes
from fewtune.verbs.asked import harness_scores
from fewtune.verbs.earlier import beside, stands
from fewtune.verbs.kept import load_model
from fewtune.verbs.rotated import Rotation, everything, widened

__all__ = ["Judged", "decided", "judged"]

READ_AGAIN = 16
"""Test rows that the written model answers again."""


@dataclass(frozen=True)
class Judged:
    """What was measured on the rows that judge.

    Attributes
    ----------
    outcomes
        What the chosen models do on the test rows of all fits.
    controls
        What the controls do on the same rows.
    scores
        Every measure of the chosen model.
    paired
        For each control that is another model: chosen minus control on the same rows.
    earlier
        The chosen model against an earlier version, as ``earlier.beside`` gives it; ``None`` where
        the plan names none.
    """

    outcomes: Outcomes
    controls: Mapping[str, Outcomes]
    scores: Mapping[str, Score]
    paired: Mapping[str, Score]
    earlier: Mapping[str, Any] | None = None


def judged(
    material: Material,
    chosen: Trial,
    evidence: Evidence,
    controls: dict[str, Outcomes],
    others: Sequence[Rotation],
) -> Judged:
    """Return the scores of the chosen model, and its differences from its controls.

    Parameters
    ----------
    evidence
        What was observed of the model that is kept.
    controls
        What the controls do on its test rows.
    others
        The other fits, where test parts take turns.
    """
    whole, controls_beside = everything(evidence.test, controls, others)
    scores = score_all(evidence) | harness_scores(evidence.harness)
    # A head on frozen states is the frozen base: nothing to be better than.
    frozen = "frozen" if chosen.head is not None else ""
    rivals = {k: v for k, v in controls_beside.items() if k != frozen}
    paired = {k: material.headline.difference(whole, v) for k, v in rivals.items()}
    if others:
        # What needs the rows alone is read on all of them; the rest is of the model that is kept.
        again = score_all(Evidence(evidence.task, whole, base=controls_beside.get("base")))
        scores |= {name: widened(score) for name, score in again.items()}
        paired = {k: widened(score, least=-math.inf) for k, score in paired.items()}
    return Judged(whole, controls_beside, scores, paired, _earlier(material, evidence))


def _earlier(material: Material, evidence: Evidence) -> dict[str, Any] | None:
    """Return how the model that is kept compares with the earlier version that was asked."""
    if evidence.earlier is None:
        return None
    run = Path(material.plan.measure.earlier)
    now, rows = evidence.test, material.test
    return beside(run, material.headline, now, evidence.earlier, rows)


def decided(
    material: Material,
    run: Path,
    chosen: Trial,
    evidence: Evidence,
    found: Judged,
    diagnosis: Sequence[Diagnosis],
) -> Verdict:
    """Return the verdict on the model that ``run`` holds.

    Parameters
    ----------
    evidence, found
        What was observed of it, and what came of that.
    diagnosis
        Faults of data and settings that were looked for.
    """
    faults = [Guard(True, *told(one)) for one in diagnosis if one.holds]
    watched = guards(
        found.scores,
        material.plan.budget,
        alarm=alarm(evidence, found.scores),
        held=held_by(chosen.candidate.regularizers),
        eased=slack(chosen, material.plan),
        exported=_export_error(material, run, evidence.test),
    )
    return decide(
        found.scores[material.task.headline],
        found.paired,
        watched=[*stands(found.earlier, found.scores[material.task.headline]), *watched],
        faults=[*one_group(found.outcomes.groups.tolist()), *faults],
        otherwise=_in_turn(material),
    )


def _in_turn(material: Material) -> str:
    """Return how all rows may judge, where only a part of them does."""
    if material.plan.data.test or material.plan.data.by_time or material.plan.data.rotations > 1:
        return ""
    count = len(material.places) + len(material.tested)
    return f"--set data.rotations=5 lets all {count} judge, in five fits"


def _export_error(material: Material, run: Path, measured: Outcomes) -> float:
    """Return how far the model as written is from the one measured: a share of the mean loss."""
    give_back_memory()
    task, model = load_model(run)
    count = min(READ_AGAIN, len(material.test))
    again = task.outcomes(model, task.encode([row.example for row in material.test[:count]]))
    before = measured.losses[:count]
    # The mean over rows: half precision moves one row's loss by a percent either way. A loss near
    # nothing differs by much as a share and by nothing as an answer.
    size = before.sum() + measured.units[:count].sum()
    return float(abs(again.losses - before).sum() / size)
