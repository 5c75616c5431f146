"""From rows to a verdict: controls, candidates, the choice, the scores, and what is kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fewtune.diagnoses.base import Case
from fewtune.environment import give_back_memory
from fewtune.measures.base import Evidence, score_all, silences
from fewtune.methods.base import METHODS
from fewtune.records import Score
from fewtune.report import card, html
from fewtune.select import controls
from fewtune.select.by_row import records
from fewtune.select.choice import choose
from fewtune.select.contest import contest
from fewtune.select.counter import counter_trial
from fewtune.select.material import Material
from fewtune.select.refit import finish
from fewtune.select.seeds import spread
from fewtune.select.trials import Trial
from fewtune.select.worth import worth
from fewtune.store.runs import RunFolder
from fewtune.tasks.base import Row
from fewtune.tasks.outcomes import Outcomes
from fewtune.train.journal import Journal
from fewtune.verbs import observe
from fewtune.verbs.calibrated import calibrated
from fewtune.verbs.checked import tell
from fewtune.verbs.judge import Judged, decided, judged
from fewtune.verbs.kept import write_model
from fewtune.verbs.rotated import rotations, told_of

__all__ = ["conclude"]


def conclude(
    material: Material,
    folder: RunFolder,
    parameters: int,
    memory: Callable[[], dict[str, Any]],
    case: Case,
) -> None:
    """Do what the plan says and write everything into the run folder.

    ``case`` is what is known before training.
    """
    journal, stages = material.journal, _Clock(material)
    stages.begin("controls", "measuring what tuning has to beat")
    with material.pace.part("controls"):
        against = controls.run_all(material)
    if material.plan.data.rotations > 1:
        stages.begin("rotations", "fitting without other test rows in turn, so that all rows judge")
    with material.pace.part("rotations"):
        others = rotations(material)
    stages.begin("train", "fitting the candidates")
    trials = contest(material)
    stages.begin("measure", "measuring the chosen model on the test rows")
    chosen, reason = choose(material, trials)
    _tell_choice(journal, trials, chosen, reason)
    counter = counter_trial(material, trials, _rates(material, parameters))
    _let_go(trials, chosen)
    parts = observe.gap(material, chosen)
    with material.pace.part("measure"):
        made = calibrated(material, chosen, finish(material, chosen))
    seeds, curve = spread(material, chosen, made.test), worth(material, chosen)
    material.forget_shared()
    if not material.accelerator.is_main_process:
        # What is left is measured and written once. Nothing below trains: processes part here.
        return
    samples = observe.samples(material, chosen)
    diagnosis = tell(
        replace(
            case,
            trials=trials,
            counter=counter,
            outcomes=made.test,
            controls=against,
            ended=[bool(answer["ended"]) for answer in samples.values()],
        ),
        journal,
    )
    del trials
    stages.begin("observe", "looking for what else has changed")
    evidence = observe.of_run(material, chosen, made, parts, against, samples)
    found = judged(material, chosen, evidence, against, others)
    material.forget_base()
    with folder.fresh("model") as fresh:
        write_model(fresh, material, chosen, made.calibration)
    trainable = _trainable(chosen)
    # What was written is read again, and need not lie beside itself.
    chosen.let_go()
    verdict = decided(material, folder.path, chosen, evidence, found, diagnosis)
    rows = [*material.test, *(row for one in others for row in one.rows)]
    folder.write_lines("predictions.jsonl", _predictions(rows, found, samples))
    if chosen.by_row is not None:
        folder.write_lines("crossfit.jsonl", records(material, chosen.by_row))
    stages.end()
    folder.write_json(
        "scores.json",
        {
            "task": material.task.name,
            "headline": material.task.headline,
            "verdict": verdict.as_json(),
            "diagnosis": [fault.as_json() for fault in diagnosis],
            "scores": _json(found.scores),
            "silences": silences(evidence),
            "controls": {
                name: _json(score_all(_alone(material, name, outcomes)))
                for name, outcomes in found.controls.items()
            },
            "paired": _json(found.paired),
            "chosen": _chosen(material, chosen, reason),
            "earlier": found.earlier,
            "rotations": told_of(len(made.test), chosen.name, others),
            "seeds": seeds.as_json() if seeds else None,
            "value_curve": curve.as_json() if curve else None,
            "seconds": round(journal.seconds, 2),
            "time": material.pace.as_json(),
            "stages": stages.seconds,
            "memory": memory(),
            "parameters": {"total": parameters, "trainable": trainable},
        },
    )
    html.write(folder.path)
    card.write(folder.path)
    shutil.rmtree(folder.path / "checkpoints", ignore_errors=True)


def _tell_choice(journal: Journal, trials: Sequence[Trial], chosen: Trial, reason: str) -> None:
    journal.write(
        "choice",
        what="method",
        chosen=chosen.name,
        reason=reason,
        alternatives=[
            {
                "name": trial.name,
                "reason": trial.candidate.reason,
                "value": trial.score.value,
                "low": trial.score.low,
                "high": trial.score.high,
                "n": trial.score.n,
                "seconds": round(trial.seconds, 2),
            }
            for trial in trials
        ],
    )


def _chosen(material: Material, chosen: Trial, reason: str) -> dict[str, Any]:
    """Return what ``scores.json`` keeps of the choice."""
    added = material.plan.augmentations if chosen.candidate.varied else []
    return {
        "method": chosen.method.name,
        "learning_rate": chosen.learning_rate or None,
        "regularizers": [part.name for part in chosen.candidate.regularizers],
        "augmentations": [part.name for part in added],
        "alpha": chosen.alpha,
        "updates": chosen.updates,
        "reason": reason,
    }


def _trainable(chosen: Trial) -> int:
    """Return how many parameters the choice trained; of a solved head those of the head."""
    if chosen.head is not None:
        return int(chosen.head.weight.size + chosen.head.bias.size)
    return sum(p.numel() for p in chosen.model.parameters() if p.requires_grad)


def _rates(material: Material, parameters: int) -> tuple[float, float, float]:
    """Return a low, a usual and a high rate of the plan's method."""
    part = material.plan.method
    return METHODS.load(part.name)(part.options).rates(parameters, material.task.name)


def _let_go(trials: Sequence[Trial], chosen: Trial) -> None:
    """Let go of the other trials' models, which would lie beside the chosen one to the end."""
    for trial in trials:
        if trial is not chosen:
            trial.let_go()


class _Clock:
    """Tells the journal which stage begins, and keeps how long each took."""

    def __init__(self, material: Material) -> None:
        self._journal = material.journal
        self._open: tuple[str, float] | None = None
        self.seconds: dict[str, float] = {}

    def begin(self, name: str, sentence: str) -> None:
        self.end()
        give_back_memory()
        self._open = (name, self._journal.seconds)
        self._journal.write("stage", name=name, sentence=sentence)

    def end(self) -> None:
        if self._open is not None:
            name, began = self._open
            self.seconds[name] = round(self._journal.seconds - began, 2)
            self._open = None


def _json(scores: Mapping[str, Score]) -> dict[str, Any]:
    return {name: score.as_json() for name, score in scores.items()}


def _alone(material: Material, name: str, outcomes: Outcomes) -> Evidence:
    general = material.once(f"general of {name}", lambda: None)
    return Evidence(material.task.name, outcomes, general=general)


def _predictions(
    rows: Sequence[Row], found: Judged, samples: dict[int, dict[str, Any]]
) -> list[dict[str, Any]]:
    outcomes = found.outcomes
    base = found.controls.get("base") or found.controls.get("frozen")
    records = []
    for place, row in enumerate(rows):
        record: dict[str, Any] = {
            "source": row.example.source,
            "fingerprint": row.example.fingerprint,
            "group": row.example.group,
            "input": row.example.input,
            "target": row.example.target,
            "output": None,
            "probability": None,
            "loss": round(float(outcomes.losses[place]), 5),
            "bytes": int(outcomes.bytes[place]) or None,
            "base_output": None,
            "base_loss": None if base is None else round(float(base.losses[place]), 5),
            "correct": None,
        }
        if outcomes.labels:
            best = int(outcomes.predicted[place])
            record["output"] = outcomes.labels[best]
            record["probability"] = round(float(outcomes.probabilities[place, best]), 4)
            record["correct"] = best == row.label
            if base is not None:
                record["base_output"] = base.labels[int(base.predicted[place])]
        record |= samples.get(place, {})
        records.append(record)
    return records
