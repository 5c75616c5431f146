"""From rows to a verdict: controls, candidates, the choice, the scores, and what is kept."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fewtune.measures.base import Evidence, score_all
from fewtune.methods.head import install
from fewtune.methods.probe import fit, refit
from fewtune.plan.plan import Part, TrainingPlan, counts
from fewtune.records import Score
from fewtune.report import card, html
from fewtune.select import controls
from fewtune.select.material import Material
from fewtune.select.trials import Trial, choose, solve_head, train_candidate, train_head
from fewtune.select.verdict import decide
from fewtune.store.runs import RunFolder
from fewtune.tasks.base import Row
from fewtune.tasks.outcomes import Outcomes
from fewtune.verbs.result import write_model

__all__ = ["conclude"]


def conclude(
    material: Material, folder: RunFolder, parameters: int, peak_bytes: Callable[[], int]
) -> None:
    """Do what the plan says and write everything into the run folder."""
    journal, stages = material.journal, _Clock(material)
    stages.begin("controls", "measuring what tuning has to beat")
    judged = {name: _control(material, name) for name in material.plan.controls}
    stages.begin("train", "fitting the candidates")
    trials = _candidates(material)
    stages.begin("measure", "measuring the chosen model on the test rows")
    chosen, reason = choose(material, trials)
    journal.write(
        "choice",
        what="method",
        chosen=chosen.name,
        reason=reason,
        alternatives=[
            {
                "name": trial.name,
                "value": trial.score.value,
                "low": trial.score.low,
                "high": trial.score.high,
                "n": trial.score.n,
                "seconds": round(trial.seconds, 2),
            }
            for trial in trials
        ],
    )
    outcomes = _finished(material, chosen)
    samples = _samples(material, chosen)
    scores = score_all(_evidence(material, chosen, outcomes, samples))
    rivals = {k: v for k, v in judged.items() if not (k == "frozen" and chosen.head is not None)}
    paired = {k: material.headline.difference(outcomes, v) for k, v in rivals.items()}
    verdict = decide(scores[material.task.headline], paired, chosen.name)
    with folder.fresh("model") as fresh:
        write_model(fresh, material, chosen)
    folder.write_lines("predictions.jsonl", _predictions(material, outcomes, judged, samples))
    stages.end()
    trainable = sum(p.numel() for p in chosen.model.parameters() if p.requires_grad)
    if chosen.head is not None:
        trainable = chosen.head.weight.size + chosen.head.bias.size
    folder.write_json(
        "scores.json",
        {
            "task": material.task.name,
            "headline": material.task.headline,
            "verdict": verdict.as_json(),
            "scores": _json(scores),
            "controls": {k: _json(score_all(_alone(material, v))) for k, v in judged.items()},
            "paired": _json(paired),
            "chosen": {
                "method": chosen.method.name,
                "learning_rate": chosen.learning_rate or None,
                "regularizers": [part.name for part in material.plan.regularizers],
                "augmentations": [part.name for part in material.plan.augmentations]
                if chosen.varied
                else [],
                "alpha": chosen.alpha,
                "updates": chosen.updates,
                "reason": reason,
            },
            "seconds": round(journal.seconds, 2),
            "stages": stages.seconds,
            "memory": {"estimated_bytes": None, "peak_bytes": peak_bytes()},
            "parameters": {"total": parameters, "trainable": trainable},
        },
    )
    html.write(folder.path)
    card.write(folder.path)
    shutil.rmtree(folder.path / "checkpoints", ignore_errors=True)


class _Clock:
    """Tells the journal which stage begins, and keeps how long each took."""

    def __init__(self, material: Material) -> None:
        self._journal = material.journal
        self._open: tuple[str, float] | None = None
        self.seconds: dict[str, float] = {}

    def begin(self, name: str, sentence: str) -> None:
        self.end()
        self._open = (name, self._journal.seconds)
        self._journal.write("stage", name=name, sentence=sentence)

    def end(self) -> None:
        if self._open is not None:
            name, began = self._open
            self.seconds[name] = round(self._journal.seconds - began, 2)
            self._open = None


def _json(scores: dict[str, Score]) -> dict[str, Any]:
    return {name: score.as_json() for name, score in scores.items()}


def _control(material: Material, name: str) -> Outcomes:
    outcomes = controls.run(material, name)
    score = material.headline.of(outcomes)
    material.journal.write(
        "control", name=name, value=score.value, low=score.low, high=score.high, n=score.n
    )
    return outcomes


def _alone(material: Material, outcomes: Outcomes) -> Evidence:
    return Evidence(material.task.name, outcomes)


def _candidates(material: Material) -> list[Trial]:
    """Return every candidate of the plan, fitted, cheapest first.

    With augmentations in the plan each method is tried without and with them.
    """
    plan = material.plan
    trials = []
    names = list(dict.fromkeys([*plan.select.rungs, plan.method.name]))
    ways = (False, True) if plan.augmentations else (False,)
    for name in names:
        part = plan.method if name == plan.method.name else Part(name=name)
        if name == "head" and material.task.name != "generation":
            material.journal.write("stage", name="head", sentence="fitting a head by a solver")
            trials += [solve_head(material, varied=varied) for varied in ways]
            continue
        for rate in [plan.training.learning_rate, *plan.select.rates]:
            training = plan.training.model_copy(update={"learning_rate": rate})
            label = name if rate == plan.training.learning_rate else f"{name}@{rate:g}"
            trials += [_trained(material, part, training, label, varied) for varied in ways]
    return trials


def _trained(
    material: Material, part: Part, training: TrainingPlan, name: str, varied: bool
) -> Trial:
    label = f"{name}+varied" if varied else name
    rows = len(material.train) + (len(material.varied()) if varied else 0)
    material.journal.write(
        "stage",
        name=label,
        sentence=f"training {label} at rate {training.learning_rate:g}: "
        + counts(training, rows).sentence(),
        updates=training.updates,
    )
    return train_candidate(material, part, training, label, varied=varied)


def _finished(material: Material, chosen: Trial) -> Outcomes:
    """Return what the finished model does on the test rows.

    A head is fitted again on all known rows with the strength that was chosen, which costs nothing;
    a trained candidate stays as validation found it.
    """
    if chosen.head is not None:
        rows = material.known_states(names=True)
        chosen.head = fit(rows, material.folds())
        if chosen.varied:
            chosen.head = refit(rows.joined(material.varied_states()), chosen.head)
        install(chosen.model, chosen.head)
        return controls.from_states(material, chosen.head, material.states()[1], material.test)
    return material.task.outcomes(chosen.model, material.test)


def _some(rows: Sequence[Row], most: int) -> list[int]:
    """Return at most ``most`` places spread evenly over ``rows``."""
    count = min(most, len(rows))
    return [int(place) for place in np.linspace(0, len(rows) - 1, count).round()] if count else []


def _evidence(
    material: Material, chosen: Trial, test: Outcomes, samples: dict[int, dict[str, Any]]
) -> Evidence:
    """Return what the measures need; for the gap, as many training rows as validation rows."""
    validation = chosen.validation
    at = _some(material.train, len(material.validation))
    if chosen.head is not None:
        # The head has seen the validation rows by now: the gap is that of the head that had not.
        states = material.states()[0][at]
        train = controls.from_states(
            material, train_head(material), states, [material.train[i] for i in at]
        )
    else:
        train = material.task.outcomes(chosen.model, [material.train[i] for i in at])
    ended = tuple(bool(sample["ended"]) for sample in samples.values())
    return Evidence(material.task.name, test, train, validation, ended)


def _samples(material: Material, chosen: Trial) -> dict[int, dict[str, Any]]:
    """Return answers of the tuned and of the base model to some test rows, by place."""
    task = material.task
    if task.name != "generation":
        return {}
    at = _some(material.test, material.plan.select.samples)
    material.journal.write("stage", name="samples", sentence=f"answering {len(at)} test rows")
    examples = [material.test[i].example for i in at]
    tuned = task.predict(chosen.model, examples)
    base = task.predict(material.base(), examples)
    return {
        place: {"output": t["text"], "ended": t["ended"], "base_output": b["text"]}
        for place, t, b in zip(at, tuned, base, strict=True)
    }


def _predictions(
    material: Material,
    outcomes: Outcomes,
    judged: dict[str, Outcomes],
    samples: dict[int, dict[str, Any]],
) -> list[dict[str, Any]]:
    base = judged.get("base") or judged.get("frozen")
    records = []
    for place, row in enumerate(material.test):
        record: dict[str, Any] = {
            "source": row.example.source,
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
