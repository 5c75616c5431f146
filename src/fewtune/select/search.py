"""Search: settings of the plan's method that Optuna proposes, tried in short trials on validation.

For those who want one: rates, updates and the strengths of regularizers are drawn where earlier
trials did well (TPE). What is found enters the same race as the plan's own candidates, so that a
setting that was lucky in a short trial is found out in a longer one. Test rows are never looked at.
"""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from typing import Any

from fewtune.errors import MissingExtra
from fewtune.methods.base import METHODS
from fewtune.plan.plan import Part
from fewtune.regularizers.base import REGULARIZERS
from fewtune.select.candidates import Candidate
from fewtune.select.left_out import tried_or_left
from fewtune.select.material import Material
from fewtune.select.race import LEAST_UPDATES, SHARES
from fewtune.select.trials import try_out
from fewtune.train.agreement import first_says

__all__ = ["require_optuna", "search"]

BEYOND = 3.0
"""How many times beyond the method's usual sweep of rates is looked."""

LENGTHS = (0.5, 1.0, 2.0)
"""Updates tried, as multiples of the plan's."""

STRENGTHS = ("weight", "strength")
"""Options of a regularizer that say how much of it there is."""

STRONGER = 8.0
"""How many times stronger or weaker than in the plan a regularizer may become."""

ENTER = 3
"""Of what was found, how many enter the race."""

AT_RANDOM = 5
"""Trials drawn at random before earlier ones are learnt from."""


def require_optuna() -> None:
    """Raise where Optuna is not installed.

    Raises
    ------
    MissingExtra
        Naming the extra that brings it.
    """
    if importlib.util.find_spec("optuna") is None:
        raise MissingExtra.named("optuna", "tune", "a search (select.search)")


def search(material: Material, own: Candidate) -> list[Candidate]:
    """Return the best candidates that a search around ``own`` found, best first.

    Parameters
    ----------
    material
        Its plan says how many settings are tried (``select.search``).
    own
        The plan's candidate; its own settings are the first that are tried.
    """
    import optuna

    require_optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    count = material.plan.select.search
    sampler = optuna.samplers.TPESampler(
        seed=material.plan.seed, n_startup_trials=min(AT_RANDOM, max(1, count // 2))
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.enqueue_trial(_own(own))
    sign = 1 if material.headline.direction == "higher" else -1
    found: list[tuple[float, float, Candidate]] = []
    for number in range(count):
        part = f"search {number}"
        if found and not first_says(material.accelerator, material.pace.room(part)):
            material.pace.drop(part, part)
            continue
        asked = study.ask()
        proposed = _proposed(material, own, asked, number)
        with material.pace.part(part):
            short = proposed.shortened(SHARES[0], LEAST_UPDATES)
            trial = tried_or_left(material, short, try_out) if found else try_out(material, short)
        if trial is None:
            study.tell(asked, state=optuna.trial.TrialState.FAIL)
            continue
        # All processes learn from the first one's figures, so all propose the same.
        value = first_says(material.accelerator, sign * trial.score.value)
        study.tell(asked, value)
        loss = first_says(material.accelerator, float(trial.validation.losses.sum()))
        found.append((value, -loss, proposed))
        material.journal.write("search", number=number, value=sign * value, settings=asked.params)
    ranked = sorted(found, key=lambda one: one[:2], reverse=True)
    return [candidate for *_, candidate in ranked if candidate.name != own.name][:ENTER]


def _own(own: Candidate) -> dict[str, Any]:
    """Return the plan's own settings as the search names them."""
    return {"learning_rate": own.training.learning_rate, "length": 1.0} | {
        f"{part.name}.{option}": value for part in own.regularizers for option, value in _of(part)
    }


def _of(part: Part) -> list[tuple[str, float]]:
    """Return the options of a regularizer that say how much of it there is, with their values."""
    options = REGULARIZERS.load(part.name)(part.options).options
    return [
        (name, float(value))
        for name in STRENGTHS
        if isinstance(value := getattr(options, name, None), int | float) and value > 0
    ]


def _proposed(material: Material, own: Candidate, asked: Any, number: int) -> Candidate:
    """Return the candidate with the settings that a trial of the study asks for."""
    task = material.task.name
    middle = own.training.learning_rate
    low, _, high = METHODS.load(own.method.name)(own.method.options).rates(
        sum(p.numel() for p in material.base().parameters()), task
    )
    bounds = min(low, middle) / BEYOND, min(1.0, max(high, middle) * BEYOND)
    rate = asked.suggest_float("learning_rate", *bounds, log=True)
    length = asked.suggest_categorical("length", LENGTHS)
    regularizers = []
    for part in own.regularizers:
        changed = dict(part.options)
        for option, value in _of(part):
            changed[option] = asked.suggest_float(
                f"{part.name}.{option}", value / STRONGER, value * STRONGER, log=True
            )
        regularizers.append(part.model_copy(update={"options": changed}))
    updates = max(own.training.evaluations, round(length * own.training.updates))
    training = own.training.model_copy(update={"learning_rate": rate, "updates": updates})
    name = f"{own.name}-search{number}" if number else own.name
    return replace(
        own,
        name=name,
        training=training,
        regularizers=tuple(regularizers),
        reason="found by the search" if number else own.reason,
    )
