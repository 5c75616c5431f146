"""Answers that runs keep, read again to compare them: whatever a row holds, a line is a row."""

from __future__ import annotations

import pytest

from fewtune.plan.plan import Plan
from fewtune.store.runs import RunFolder
from fewtune.verbs.compare import compare

SEPARATORS = "\u2028 \u2029 \u0085 \x1c \x0b"
"""What ends a line to Python's ``str.splitlines`` and not to JSON."""


def run(path, right):
    """A finished run of ten rows, of which the first so many were answered rightly."""
    folder = RunFolder.create(path)
    plan = Plan(model="m", task={"name": "text_classification"})
    folder.write_text("plan.yaml", plan.to_yaml())
    folder.write_lines(
        "predictions.jsonl",
        [
            {"source": f"a.csv:{at}", "input": f"from the web {at}{SEPARATORS}second line",
             "target": "yes", "output": "yes" if at < right else "no", "loss": 0.5, "bytes": None,
             "correct": at < right, "group": ""}
            for at in range(10)
        ],
    )  # fmt: skip
    verdict = {"decision": "hold", "reasons": [], "cures": []}
    rest = {"scores": {}, "controls": {}, "chosen": {}, "seconds": 1.0}
    folder.write_json("scores.json", {"verdict": verdict, **rest})
    return path


def test_other_separators_than_newlines_are_part_of_a_row(tmp_path):
    found = compare([run(tmp_path / "a", 4), run(tmp_path / "b", 7)])
    (difference,) = found.paired.values()
    assert difference.n == 10
    assert difference.value == pytest.approx(0.3)
