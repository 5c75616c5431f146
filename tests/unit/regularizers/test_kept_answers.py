"""What KL to the base keeps for the trainings of a fit."""

from __future__ import annotations

from fewtune.regularizers.kl_to_base import KlToBase


def test_the_base_answers_once_for_all_trainings_of_a_fit(monkeypatch, fit_prompts):
    whole, asked = KlToBase._all_answers, []

    def counted(self, run):
        asked.append(run.stage)
        return whole(self, run)

    monkeypatch.setattr(KlToBase, "_all_answers", counted)
    _, events = fit_prompts(
        {
            "training.updates": 6,
            "training.evaluations": 2,
            "regularizers": [{"name": "kl_to_base", "options": {"samples": 4, "length": 10}}],
            "select.rates": [1e-3],
            "select.guards": [],
        }
    )
    stages = {e["stage"] for e in events if e["kind"] == "step"}
    # Short trials of two rates, one of them in full and again; an update timed before all of them.
    assert len(stages) >= 4 and len(asked) == 1
