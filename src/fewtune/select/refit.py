"""The refit: the chosen candidate fitted again on all known rows, as long as was found best.

Rows that chose are rows that can teach: with a fifth of them held out for the choice, the final
model would know a fifth less than it could.
"""

from __future__ import annotations

from dataclasses import replace

from fewtune.methods.head import install
from fewtune.methods.probe import Fitted, refit
from fewtune.plan.plan import counts
from fewtune.select import controls
from fewtune.select.fitting import prepared_model, settle, training_of
from fewtune.select.material import Material
from fewtune.select.trials import Trial
from fewtune.tasks.outcomes import Outcomes
from fewtune.train.checkpoint import restore_weights
from fewtune.train.loop import train
from fewtune.train.trunk import cached_trunk

__all__ = ["finish"]


def finish(material: Material, chosen: Trial) -> Outcomes:
    """Fit the chosen trial on all known rows; return what it does on the test rows.

    A head is fitted again with the settings that were chosen. A trained candidate repeats its
    schedule on all rows, ends where its trial was best, in epochs, and is dialled as its trial
    was; where ``select.refit`` is off it stays as validation found it.
    """
    if chosen.head is not None:
        chosen.head = _known_head(material, chosen)
        install(chosen.model, chosen.head)
        return controls.from_states(material, chosen.head, material.states()[1], material.test)
    if material.plan.select.refit and chosen.updates:
        _retrain(material, chosen)
    return material.task.outcomes(chosen.model, material.test)


def _known_head(material: Material, chosen: Trial) -> Fitted:
    """Return a head fitted on all known rows, with its variations where the trial had them."""
    head = material.known_head()
    if chosen.candidate.varied:
        rows = material.known_states(names=True)
        head = refit(rows.joined(material.varied_states()), head)
    return head


def _retrain(material: Material, chosen: Trial) -> None:
    """Train the chosen candidate on all known rows and put the result into the trial."""
    task = material.task
    more = material.varied() if chosen.candidate.varied else []
    rows = [*material.known, *more]
    # As many epochs as before are more updates now. A trial of the cross-fit left out a fold.
    grown = len(rows) / max(1, _trained_rows(material, chosen) + len(more))
    training = chosen.candidate.training
    longer = training.model_copy(update={"updates": round(training.updates * grown)})
    candidate = replace(chosen.candidate, training=longer, name=f"{chosen.name}+all")
    stop = max(1, round(chosen.updates * grown))
    material.journal.write(
        "stage",
        name=candidate.name,
        sentence=f"training {chosen.name} again on all {len(rows)} known rows, {stop} updates: "
        + counts(longer, len(rows)).sentence(),
        updates=stop,
    )
    head = None
    if task.name != "generation":
        head = material.known_head()
    method, model = prepared_model(material, candidate, head)
    again = {"stop_at": stop, "asked": material.train}
    run = training_of(material, candidate, method, model, rows, more=again)
    with cached_trunk(model, task, rows, material.journal, candidate.name, run.folder.parent):
        train(run)
    if chosen.alpha != 1.0:
        restore_weights(model, method.blend(run.start, run.best, chosen.alpha))
    settle(material, method, model, rows, head)
    chosen.method, chosen.model = method, model


def _trained_rows(material: Material, chosen: Trial) -> int:
    """Return on how many rows the trial was trained."""
    if chosen.crossfitted:
        folds = material.folds()
        return round(len(material.known) * (1 - 1 / len(folds)))
    return len(material.train)
