"""``measure.probes``: the user's own questions take the place of the built-in ones in a fit."""

from __future__ import annotations

import json

import fewtune
from fewtune.measures.observe.probes import in_groups, right_answers
from fewtune.measures.probes.own import load_probes
from fewtune.models.load import resolve
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation


def test_probes_of_the_users_own_are_read_before_anything_is_trained(
    fewtune, causal_lm, data_folder, tmp_path
):
    faulty = tmp_path / "probes.jsonl"
    faulty.write_text('{"prompt": "The sky is", "options": ["blue", "green"], "answer": "red"}\n')
    done = fewtune(
        "fit", data_folder / "prompts.jsonl", "--model", causal_lm, "-o", tmp_path / "run",
        "--set", f"measure.probes={faulty}",
    )  # fmt: skip
    assert done.code == 2
    assert "probes.jsonl:1" in done.err
    assert not (tmp_path / "run").exists()


def test_probes_of_the_users_own_take_the_place_of_the_built_in_ones(
    causal_lm, data_folder, tmp_path
):
    """Questions of one pair of options, of which the base has all right: six witnesses."""
    own = tmp_path / "probes.jsonl"
    options = ["thai", "french"]
    asked = [{"prompt": f"name: Cotto{i}, food:", "options": options} for i in range(6)]
    task = Generation(resolve(str(causal_lm)), TaskSettings(), "prompt")
    base = task.load_model()

    def write(answers):
        rows = [{**probe, "answer": one} for probe, one in zip(asked, answers, strict=True)]
        own.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return right_answers(task, base, in_groups(load_probes(own).items))

    thai = write(["thai"] * 6)
    assert write(["thai" if right else "french" for right in thai]).all()
    run = fewtune.fit(
        data_folder / "prompts.jsonl",
        str(causal_lm),
        settings={
            "training.updates": 2,
            "training.evaluations": 1,
            "select.samples": 0,
            "measure.probes": str(own),
        },
        output=tmp_path / "run",
    )
    found = run.scores["forgetting"]
    assert found.n == run.scores["backward_transfer"].n == 6
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high > 0
    # Asked again the models are asked the same, through the same template.
    again = fewtune.measure(run.path, data_folder / "prompts_test.jsonl")
    for name in ("forgetting", "backward_transfer", "general_loss"):
        assert again.scores[name] == run.scores[name]
    assert again.notes == ()
    own.unlink()
    without = fewtune.measure(run.path, data_folder / "prompts_test.jsonl")
    assert without.scores["backward_transfer"].n > 400
    assert str(own) in without.notes[0]
