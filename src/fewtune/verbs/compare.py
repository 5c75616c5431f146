"""Compare: runs against each other on the same rows, paired, and whether they differ surely."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fewtune.errors import RunError
from fewtune.measures.base import RowMeasure, row_measure
from fewtune.records import Score
from fewtune.store.runs import RunFolder
from fewtune.tasks.base import TASKS
from fewtune.tasks.outcomes import Outcomes, group_numbers
from fewtune.verbs.measure import outcomes_on
from fewtune.verbs.paired import in_words, sense
from fewtune.verbs.result import Run, open_run
from fewtune.verbs.rotated import widened

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """Runs on the same rows.

    Attributes
    ----------
    measure
        Name of the measure that decides.
    scores
        Score of each run, by its folder, in the order given.
    paired
        For each pair (later, earlier): later minus earlier, with the paired interval.
    notes
        What limits the comparison, one sentence each.
    """

    measure: str
    scores: dict[str, Score]
    paired: dict[tuple[str, str], Score]
    notes: tuple[str, ...] = ()

    def sentences(self) -> list[str]:
        """Return one sentence for each pair: better, worse, or not to be told apart."""
        return [in_words(later, earlier, d) for (later, earlier), d in self.paired.items()]

    def as_json(self) -> dict[str, Any]:
        """Return what ``compare --json`` prints."""
        return {
            "measure": self.measure,
            "scores": {name: score.as_json() for name, score in self.scores.items()},
            "paired": [
                {"run": later, "against": earlier, "verdict": sense(d), **d.as_json()}
                for (later, earlier), d in self.paired.items()
            ],
            "notes": list(self.notes),
        }


def compare(
    runs: Sequence[str | Path],
    *,
    data: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
) -> Comparison:
    """Return how runs compare on the same rows.

    Parameters
    ----------
    runs
        Two finished run folders or more.
    data
        Rows that all of them answer now; without it, the test rows that all of them were judged
        on, as their folders keep them.
    columns
        Field to column of ``data``.

    Raises
    ------
    RunError
        If there are fewer than two, their tasks differ, or they share no rows.
    """
    opened = [open_run(path) for path in runs]
    names = [str(run.path) for run in opened]
    if len(set(names)) < 2 or len(set(names)) < len(names):
        raise RunError("two different runs or more", ", ".join(names) or "none", cure="Name them")
    tasks = {run.plan.task.name for run in opened}
    if len(tasks) > 1:
        raise RunError(
            "runs of one task", " and ".join(sorted(tasks)), cure="Compare like with like"
        )
    measure = row_measure(TASKS.load(tasks.pop()).headline)
    turned: set[str] = set()
    if data is None:
        found, notes = _shared([_kept(run) for run in opened], names)
        turned = {name for name, run in zip(names, opened, strict=True) if _in_turn(run)}
        notes += [
            f"{name}: its rows judged in turn, in fits that share rows: its intervals are wider"
            for name in names
            if name in turned
        ]
    else:
        asked = [outcomes_on(run, data, columns) for run in opened]
        found = [outcomes for outcomes, _ in asked]
        notes = [f"{n}: {note}" for n, (_, told) in zip(names, asked, strict=True) for note in told]
    if len(opened) > 2:
        pairs = len(opened) * (len(opened) - 1) // 2
        notes.append(f"{pairs} pairs are compared, each at 95%: one in 20 differs by chance alone")
    scores = {name: measure.of(outcomes) for name, outcomes in zip(names, found, strict=True)}
    paired = _pairs(measure, names, found)
    return Comparison(
        measure=measure.name,
        scores={n: widened(score) if n in turned else score for n, score in scores.items()},
        paired={
            pair: widened(difference, least=-math.inf) if turned & set(pair) else difference
            for pair, difference in paired.items()
        },
        notes=tuple(notes),
    )


def _pairs(
    measure: RowMeasure, names: Sequence[str], found: Sequence[Outcomes]
) -> dict[tuple[str, str], Score]:
    return {
        (names[later], names[earlier]): measure.difference(found[later], found[earlier])
        for later in range(len(names))
        for earlier in range(later)
    }


def _in_turn(run: Run) -> bool:
    """Return whether the rows of a run judged in turn (``data.rotations``)."""
    return bool(RunFolder.open(run.path).read_json("scores.json").get("rotations"))


def _kept(run: Run) -> dict[str, dict[str, Any]]:
    """Return a run's test rows by what they hold, wherever their file lay and they stood in it."""
    path = run.path / "predictions.jsonl"
    try:
        # Only newlines end a line: a row may hold other separators, such as U+2028.
        lines = path.read_text(encoding="utf-8").split("\n")
        records = [json.loads(line) for line in lines if line]
    except (OSError, ValueError) as error:
        raise RunError(
            "the answers that a fit keeps",
            str(error).split("\n", 1)[0],
            str(path),
            "Give rows to answer with --data",
        ) from error
    found: dict[str, dict[str, Any]] = {}
    met: Counter[str] = Counter()
    for record in records:
        # Runs of before keep no fingerprint.
        held = record.get("fingerprint") or json.dumps([record["input"], record["target"]])
        met[held] += 1
        found[f"{held} {met[held]}"] = record
    return found


def _shared(
    kept: Sequence[dict[str, dict[str, Any]]], names: Sequence[str]
) -> tuple[list[Outcomes], list[str]]:
    """Return the outcomes of the rows that all runs were judged on, and what to say of the rest."""
    common = [key for key in kept[0] if all(key in other for other in kept[1:])]
    if not common:
        raise RunError(
            "runs judged on the same rows",
            "no test row that all of them share",
            ", ".join(names),
            "Give rows to answer with --data FILE",
        )
    notes = [
        f"{name}: {len(rows) - len(common)} of its {len(rows)} test rows are not shared and are "
        "left out"
        for name, rows in zip(names, kept, strict=True)
        if len(rows) > len(common)
    ]
    labels = sorted(
        {str(r[k]) for rows in kept for r in rows.values() for k in ("target", "output")}
    )
    return [_outcomes(common, [rows[key] for key in common], labels) for rows in kept], notes


def _outcomes(
    names: Sequence[str], records: Sequence[Mapping[str, Any]], labels: Sequence[str]
) -> Outcomes:
    """Return kept answers as outcomes of rows of such names, which all runs call alike.

    Of a classifier's shares only the largest is known.
    """
    classified = records[0]["correct"] is not None
    number = {label: place for place, label in enumerate(labels)}
    shares = np.zeros((len(records), len(labels)) if classified else (0, 0))
    if classified:
        shares[np.arange(len(records)), [number[str(r["output"])] for r in records]] = 1.0
    truth = [number[str(r["target"])] for r in records] if classified else []
    return Outcomes(
        sources=tuple(names),
        groups=group_numbers([str(r.get("group") or "") for r in records]),
        losses=np.asarray([r["loss"] for r in records], dtype=np.float64),
        units=np.ones(len(records), dtype=np.int64),
        bytes=np.asarray([r["bytes"] or 0 for r in records], dtype=np.int64),
        truth=np.asarray(truth, dtype=np.int64),
        probabilities=shares,
        labels=tuple(labels) if classified else (),
    )
