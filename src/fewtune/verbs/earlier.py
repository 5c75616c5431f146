"""An earlier version of the model on the rows that judge the new one (``measure.earlier``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fewtune.environment import give_back_memory
from fewtune.errors import PlanError
from fewtune.measures.base import RowMeasure
from fewtune.records import Dataset, Score
from fewtune.select.guards import Guard
from fewtune.select.verdict import gain_in_words
from fewtune.store.runs import RunFolder
from fewtune.tasks.base import Row
from fewtune.tasks.outcomes import Outcomes
from fewtune.verbs.kept import FACTS, load_model, source_of
from fewtune.verbs.paired import in_words, sense
from fewtune.verbs.result import open_run

__all__ = ["answers_of", "beside", "refuse_unlike", "stands"]


def refuse_unlike(run: Path, task: str, data: Dataset) -> None:
    """Raise where the model of an earlier run cannot answer test rows of ``data``.

    Parameters
    ----------
    run
        The folder of the earlier run.
    task
        Of the fit.
    data
        Its rows.

    Raises
    ------
    RunError, ModelError
        If there is no finished run in the folder, or its model or base is gone.
    PlanError
        If it does another task, takes rows of another shape, or knows none of the classes.
    """
    earlier = open_run(run)
    source_of(earlier.path)
    facts = RunFolder.open(earlier.path).read_json(f"model/{FACTS}")
    labels = facts["about"].get("labels", ())
    wanted, found, cure = "", "", "Name a run of the same task, or leave measure.earlier out"
    if facts["task"] != task:
        wanted, found = f"an earlier run of {_plain(task)}", f"one of {_plain(facts['task'])}"
    elif facts["shape"] != data.shape:
        wanted = f"an earlier run on rows of shape {_plain(data.shape)}"
        found = f"rows of shape {_plain(facts['shape'])}"
    elif data.labels and not set(labels) & set(data.labels):
        wanted = f"an earlier run that knows a class of {', '.join(map(repr, data.labels[:5]))}"
        found = f"one of {', '.join(map(repr, labels[:5]))}"
        cure = "Rows of classes that are kept (task.keep_classes) are told with task.old_rows"
    if wanted:
        raise PlanError(wanted, found, f"measure.earlier={run}", cure)


def answers_of(run: Path, rows: Sequence[Row]) -> Outcomes:
    """Return what the model of an earlier run does on those of ``rows`` whose class it knows.

    Raises
    ------
    RunError, ModelError
        If the run, its model or its base is gone.
    """
    task, model = load_model(run)
    known = set(task.labels)
    examples = [row.example for row in rows if not known or row.example.target in known]
    found = task.outcomes(model, task.encode(examples))
    del model
    give_back_memory()
    return found


def beside(
    run: Path, measure: RowMeasure, now: Outcomes, earlier: Outcomes, rows: Sequence[Row]
) -> dict[str, Any] | None:
    """Return what ``scores.json`` keeps of new against earlier; ``None`` without a common row.

    The difference is new minus earlier of ``measure`` on the rows whose class both know, with the
    paired interval. The sentence also says how many of these rows the earlier run knew.

    Parameters
    ----------
    run
        Folder of the earlier run.
    measure
        The headline measure.
    now, earlier
        What the two models do.
    rows
        The rows of ``now``.
    """
    if not len(earlier):
        return None
    place = {source: at for at, source in enumerate(now.sources)}
    common = [place[source] for source in earlier.sources]
    difference = measure.difference(now.take(common), earlier)
    seen = set(open_run(run).known_rows)
    met = sum(rows[at].example.fingerprint in seen for at in common)
    knew = f"; {run} was trained on {met} of them, which flatters it" if met else ""
    said = in_words("this run", str(run), difference)
    return {
        "run": str(run),
        "difference": difference.as_json(),
        "knew": met,
        "sentence": f"{said}{knew}",
    }


def stands(found: Mapping[str, Any] | None, headline: Score) -> list[Guard]:
    """Return what the comparison says of shipping: who is surely worse does not take its place.

    Where the earlier run was trained on some of the rows it may only seem better, and does not hold
    the new one back.

    Parameters
    ----------
    found
        What ``beside`` gave.
    headline
        The headline measure of the new model.
    """
    if found is None:
        return []
    difference = Score.from_json(found["difference"])
    sign = 1 if difference.direction == "higher" else -1
    low, high = sorted((sign * difference.low, sign * difference.high))
    figures = gain_in_words(headline, sign * difference.value, low, high, difference.n)
    word, name = sense(difference), f"the earlier version ({found['run']})"
    if word == "worse":
        held = not found["knew"]
        seen = "" if held else f"; it was trained on {found['knew']} of these rows"
        cure = f"Keep {found['run']}, or train on its rows as well"
        return [Guard(held, f"worse than {name}: {figures}{seen}", cure)]
    words = "better than" if word == "better" else "not to be told from"
    return [Guard(False, f"{words} {name}: {figures}")]


def _plain(name: str) -> str:
    return name.replace("_", " ")
