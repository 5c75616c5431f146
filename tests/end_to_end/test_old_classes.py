"""A second fit on a finished run's model, with new classes, answers with the old ones as well."""

from __future__ import annotations

import json

import made_data

import fewtune


def test_new_classes_join_the_old_ones(tmp_path, encoder):
    quick = {"training.updates": 4, "training.evaluations": 1, "select.rungs": []}
    old = [(text, {"billing": "money"}.get(label, label)) for text, label in made_data.labelled(8)]
    made_data.write_labelled(tmp_path / "old.csv", old)
    first = fewtune.fit(
        tmp_path / "old.csv",
        str(encoder),
        settings={**quick, "method.name": "full", "training.head_first": False},
        output=tmp_path / "first",
    )
    names = {"billing": "refund", "booking": "visit", "results": "lab"}
    new = [(f"{text} today", names[label]) for text, label in made_data.labelled(8, seed=3)]
    made_data.write_labelled(tmp_path / "new.csv", new)
    keep = {"task.keep_classes": True, "task.old_rows": str(tmp_path / "old.csv")}
    second = fewtune.fit(
        tmp_path / "new.csv",
        str(first.path / "model"),
        settings={**quick, **keep, "method.name": "lora"},
        output=tmp_path / "second",
    )
    answers = second.predict([text for text, _ in [*old, *new]])
    assert {a["label"] for a in answers if a["known_before"]} <= {"money", "booking", "results"}
    assert {a["label"] for a in answers if not a["known_before"]} <= set(names.values())
    about = json.loads((second.path / "model" / "fewtune.json").read_text())["about"]["old"]
    assert about["heads"] == [{"labels": ["booking", "money", "results"], "unit": True}]
    assert about["old_rows"] == len(old)
    assert "classes that the base knew are kept" in about["sentence"]
