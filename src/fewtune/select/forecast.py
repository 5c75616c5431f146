"""The forecast: how long a fit will take here, from real updates and passes timed before it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from fewtune.measures.observe.answers import LONGEST
from fewtune.measures.observe.continuations import GIVEN, MOST_WRITTEN
from fewtune.measures.observe.divergence import CHOOSING
from fewtune.measures.observe.generation import most_for
from fewtune.measures.probes import general_text
from fewtune.methods.base import METHODS
from fewtune.models.load import read_config
from fewtune.select.candidates import Candidate, candidates
from fewtune.select.contest import RIVAL, raced_of
from fewtune.select.controls import EPOCHS, SHOTS
from fewtune.select.costs import Costs, costs_of, mean_tokens, tokens_of
from fewtune.select.material import Material
from fewtune.select.pace import Part
from fewtune.select.partitions import MOST_LEARNT
from fewtune.select.race import LEAST_UPDATES, SHARES, rounds
from fewtune.select.search import ENTER
from fewtune.select.worth import REPEATS
from fewtune.tasks.generation import Generation

__all__ = ["forecast"]

SOLVING = 2.5e-8
"""Seconds of a logistic regression for each row, state value and class (600 rows of 384 values in
77 classes take a third of a second on one core of 2020)."""

SETTINGS = 8
"""Settings of a solved head that are tried in every fold."""

TFIDF = 1.5e-5
"""Seconds of TF-IDF with logistic regression for each known row and class, both parts together."""

STATE = 1280
"""Values of a state where the configuration does not say: as many as image models have."""

TRIAL = 0.5
"""Seconds that a training takes beside updates and passes."""

STOPPED, TURNED = 0.6, 0.5
"""Share of the planned updates that a held trial makes where it turns worse and is stopped, and
that its refit then makes. They turn about as often as they learn to their end; the mean of both is
told (on development draws trials of E2E took 0.6 to 0.85 of their time, others all of it)."""

LEADS = 0.5
"""How often a rival leads the plan's own settings in a race, so that it is trained in full."""

FIXED = 6.0
"""Seconds for what depends on nothing of this: checks, intervals, writing, the report."""

PROBE_LETTERS = 100_000
"""Characters that a language model reads for the probes of general ability, options included."""

KINDS = 3.0
"""Perturbations of the test rows, each counted by the share of rows that it changes."""


def forecast(material: Material) -> list[Part]:
    """Return the parts of the fit with the seconds that each will take.

    Nothing that is drawn for the fit changes by it. What it measures takes some seconds: a few
    updates of each kind of candidate, a few rows read, a few tokens written.
    """
    entered = candidates(material.plan)
    costs = costs_of(material, entered)
    raced = raced_of(material, entered)
    single = [_tried(material, costs, c) for c in entered if c not in raced]
    names = [c.name for c in entered if c not in raced]
    parts = [Part("controls", sum(_control(material, costs, n) for n in material.plan.controls))]
    parts += _searched(material, costs, raced)
    parts += _race(material, costs, raced)
    parts += [Part(f"try {n}", s, needed=False) for n, s in zip(names, single, strict=True)]
    longest = raced[0] if raced else entered[-1]
    again = _again(material, costs, longest, 1.0)
    if raced:
        once = _tried(material, costs, longest)
        parts.append(Part("train", once))
        if len(raced) > 1 or material.plan.select.search:
            parts.append(Part(RIVAL, LEADS * once, needed=False))
    parts.append(Part("measure", again * material.plan.select.refit + _read(material, costs)))
    turns = material.plan.data.rotations - 1
    if turns:
        parts.append(Part("rotations", turns * sum(part.seconds for part in parts)))
    if material.plan.select.seeds > 1 and raced:
        count = material.plan.select.seeds - 1
        each = again + _read(material, costs)
        parts += [Part(f"seed {i}", each, needed=False) for i in range(1, count + 1)]
    if material.plan.select.value_curve:
        share = 1 + 0.5 * 3 * REPEATS
        parts.append(Part("value curve", share * again if raced else 2.0, needed=False))
    parts.append(Part("observe", _observed(material, costs) + FIXED))
    return parts


def _read(material: Material, costs: Costs) -> float:
    return costs.token * tokens_of(material.test)


def _searched(material: Material, costs: Costs, raced: Sequence[Candidate]) -> list[Part]:
    """Return a part for each trial of a search; on average they are a sixth longer than planned."""
    if not raced:
        return []
    each = 7 / 6 * _trial(material, costs, raced[0], SHARES[0])
    return [Part(f"search {i}", each, needed=not i) for i in range(material.plan.select.search)]


def _race(material: Material, costs: Costs, raced: Sequence[Candidate]) -> list[Part]:
    """Return a part for each place in each round: who will stand there is not known."""
    parts: list[Part] = []
    rivals = len(raced[1:]) + (min(ENTER, max(0, material.plan.select.search - 1)) if raced else 0)
    for number, share, count, _ in rounds(rivals):
        each = [_trial(material, costs, c, share) for c in raced]
        mean = sum(each) / len(each)
        parts += [Part(f"race {number} {i}", mean, needed=not i) for i in range(count + 1)]
    return parts


def _tried(material: Material, costs: Costs, candidate: Candidate) -> float:
    """Return the seconds of a whole trial: of a training, or of one for each fold."""
    select = material.plan.select
    if not select.folds:
        return _trial(material, costs, candidate, 1.0)
    count = select.folds * select.repeats
    if METHODS.load(candidate.method.name).solves & {material.task.name}:
        return _solved(material) * (1 + count / (SETTINGS * len(material.folds())))
    # Every evaluation reads at every stand what is held, as much of what trains, and general text.
    places = candidate.training.evaluations * len({*select.dial, 1.0}) + 1
    held = tokens_of(material.known) / select.folds
    read = held + min(held, MOST_LEARNT / select.folds * mean_tokens(material))
    if material.task.name == "generation" and material.plan.budget.general_loss:
        read += _general(material) / CHOOSING
    if METHODS.load(candidate.method.name).solves_after:
        read += tokens_of(material.known) - held
    trained = costs.update[candidate.name] * candidate.training.updates
    trained += places * costs.token * read
    if _may_turn(candidate):
        trained *= (1 + STOPPED) / 2
    return costs.load + costs.start[candidate.name] + count * (TRIAL + trained)


def _trial(material: Material, costs: Costs, candidate: Candidate, share: float) -> float:
    """Return the seconds of one trial with a share of its updates."""
    if METHODS.load(candidate.method.name).solves & {material.task.name}:
        return _solved(material)
    short = candidate.shortened(share, LEAST_UPDATES) if share < 1 else candidate
    judged = costs.token * tokens_of(material.validation)
    stands = len({*material.plan.select.dial, 1.0}) if share == 1 else 1
    looked = short.training.evaluations + 1 + stands
    read = looked * judged
    if material.task.name == "generation":
        read += stands * costs.token * _general(material) / 2
    if METHODS.load(candidate.method.name).solves_after:
        read += looked * costs.token * tokens_of(material.train)
    trained = costs.update[candidate.name] * short.training.updates + read
    if share == 1 and _may_turn(candidate):
        trained *= (1 + STOPPED) / 2
    return TRIAL + costs.load + costs.start[candidate.name] + trained


def _again(material: Material, costs: Costs, candidate: Candidate, share: float) -> float:
    """Return the seconds of training a candidate on all known rows."""
    if METHODS.load(candidate.method.name).solves & {material.task.name}:
        return _solved(material)
    grown = len(material.known) / max(1, len(material.train))
    if _may_turn(candidate):
        grown = (grown + TURNED) / 2
    updates = share * grown * candidate.training.updates
    return TRIAL + costs.load + updates * costs.update[candidate.name]


def _may_turn(candidate: Candidate) -> bool:
    """Return whether a candidate is one that turns worse and is stopped as often as not."""
    return candidate.training.evaluations > 1 and bool(candidate.regularizers)


def _solved(material: Material) -> float:
    """Return the seconds of fitting a head with its settings chosen by folds."""
    width = getattr(read_config(material.task.source), "hidden_size", 0) or STATE
    size = len(material.known) * width * max(1, len(material.task.labels))
    return SOLVING * size * (1 + SETTINGS * len(material.folds()))


def _control(material: Material, costs: Costs, name: str) -> float:
    if name == "few_shot":
        most = cast(Generation, material.task).max_length()
        mean = tokens_of(material.known) / max(1, len(material.known))
        return costs.token * sum(min(most, r.length + SHOTS * mean) for r in material.test)
    if name == "tfidf":
        return TFIDF * len(material.known) * len(material.task.labels) + 0.5
    if name == "vanilla":
        size = min(material.plan.training.batch_size, len(material.known))
        updates = EPOCHS * math.ceil(len(material.known) / size)
        return TRIAL + costs.load + updates * costs.update[""] + _read(material, costs)
    if name == "frozen":
        states = costs.token * (tokens_of(material.known) + tokens_of(material.test))
        return states + _solved(material) / 2
    return _read(material, costs) if name == "base" else 0.1


def _observed(material: Material, costs: Costs) -> float:
    """Return the seconds of what is looked at after the fit."""
    few, language = material.test[:500], material.task.name == "generation"
    read = KINDS * tokens_of(few)
    if material.task.name not in METHODS.load(material.plan.method.name).solves:
        # Below a head that a solver fits nothing moves. Sharpness is that of the base as well.
        read += 10 * tokens_of(material.known[:128])
        read += 0 if language else 2 * tokens_of(material.test[:256])
    if not language:
        return costs.token * (read + tokens_of(material.test[:16]))
    probes = PROBE_LETTERS / _letters(material)
    read += 2 * (_general(material) / 2 + probes + tokens_of(material.test[:64]))
    return costs.token * read + sum(_written(material, costs, *one) for one in _answers(material))


def _answers(material: Material) -> list[tuple[int, int]]:
    """Return how many answers are written at a time after a fit, and in how many steps.

    The base, which nobody taught to end, may write on to the bound; what is tuned to end does.
    """
    task, there = cast(Generation, material.task), len(material.test)
    bound, own = task.max_new_tokens, task.longest_target
    base = material.base()
    on_processor = next(base.parameters()).device.type == "cpu"
    most = most_for(sum(p.numel() for p in base.parameters()), accelerated=not on_processor)
    samples, drawn = (min(n, there) for n in (material.plan.select.samples, most.answers))
    # As many beginnings of trained rows as of others go on, each by as much as its row has left.
    begun, rest = 2 * min(most.beginnings, there), math.ceil((1 - GIVEN) * own)
    return [
        (samples, bound),
        (samples, own),
        *[(begun, min(MOST_WRITTEN, rest))] * 2,
        (drawn, min(LONGEST, bound)),
        (drawn, min(LONGEST, own)),
        (min(most.rows, there), bound),
    ]


def _written(material: Material, costs: Costs, answers: int, steps: int) -> float:
    """Return the seconds of reading that many prompts and of writing after them."""
    task = cast(Generation, material.task)
    mean = tokens_of(material.test) / max(1, len(material.test))
    batches = math.ceil(answers * (mean + steps) / task.answer_budget(material.base()))
    read = costs.token * answers * mean
    return read + steps * (batches * costs.step + answers * costs.answer)


def _general(material: Material) -> float:
    """Return about how many tokens the passages of general text have; a half of them chooses."""
    longest = cast(Generation, material.task).max_length()
    return sum(min(longest, len(text) / _letters(material)) for text in general_text())


def _letters(material: Material) -> float:
    """Return the characters of a token, on average over the test rows."""
    said = 0
    for example in (row.example for row in material.test):
        said += len(example.input) + len(example.target or "")
        said += sum(len(str(message.content)) for message in example.messages or ())
    return max(1.0, said / max(1, tokens_of(material.test)))
