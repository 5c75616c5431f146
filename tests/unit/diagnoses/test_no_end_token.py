"""No end token: named where no row teaches the end; where rows do, it is no fault of theirs."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import made_data
import pytest

from fewtune.diagnoses.base import Case
from fewtune.diagnoses.no_end_token import NoEndToken
from fewtune.models.load import resolve
from fewtune.plan.plan import Plan
from fewtune.records import Example
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation


def examined(causal_lm, keep_end, ended):
    task = Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")
    rows = task.encode([Example(p, t, p) for p, t in made_data.prompts(8, seed=1)])
    if not keep_end:
        rows = [replace(row, ids=row.ids[:-1], labels=row.labels[:-1]) for row in rows]
    material = SimpleNamespace(task=task, train=rows)
    case = Case(None, Plan(model="none"), material=material, ended=ended)
    return [fault.evidence for fault in NoEndToken().examine(case)]


def test_endless_answers_of_rows_without_an_end_are_named(causal_lm):
    (evidence,) = examined(causal_lm, keep_end=False, ended=[False] * 12)
    assert "0 of 12 answers" in evidence
    assert "hardly a row teaches where to" in evidence


@pytest.mark.parametrize(("keep_end", "count"), [(True, 0), (False, 6)])
def test_rows_that_teach_it_and_answers_that_end_are_no_fault(causal_lm, keep_end, count):
    ended = [True] * count + [False] * (12 - count)
    assert examined(causal_lm, keep_end, ended) == []
