"""What is written is the model's own, whatever its makers have ``generate`` do besides."""

from __future__ import annotations

import json
import shutil

import made_data
import pytest
import torch

from fewtune.measures.observe.writing import write
from fewtune.models.load import resolve
from fewtune.records import Example
from fewtune.tasks.base import TaskSettings, inference
from fewtune.tasks.generation import Generation
from fewtune.tasks.writing import written_after

ROWS = [Example(a, b, f"made:{i}") for i, (a, b) in enumerate(made_data.prompts(4, seed=7))]
MOST = 12


def task_with(causal_lm, folder, **settings):
    """Return a task on a model whose makers set so much in its ``generation_config.json``."""
    shutil.copytree(causal_lm, folder, dirs_exist_ok=True)
    path = folder / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    return Generation(resolve(str(folder)), TaskSettings(max_new_tokens=MOST), "prompt")


def likeliest(model, ids, ends):
    """Return the likeliest token at each place, one whole pass for each."""
    new = []
    while len(new) < MOST and not (new and new[-1] in ends):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([list(ids) + new])).logits
        new.append(int(logits[0, -1].argmax()))
    return new


SETTINGS = [
    {"repetition_penalty": 1.5},
    {"no_repeat_ngram_size": 1},
    {"min_new_tokens": MOST},
    {"suppress_tokens": list(range(200, 400))},
    {"bad_words_ids": [[number] for number in range(10, 200)]},
    {"do_sample": True, "temperature": 0.1, "top_k": 2, "top_p": 0.5, "min_p": 0.5},
    {"num_beams": 3},
    {"forced_eos_token_id": 7, "max_new_tokens": 3, "max_length": 9},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda one: next(iter(one)))
def test_settings_of_the_base_change_nothing(causal_lm, tmp_path, settings):
    plain = task_with(causal_lm, tmp_path / "plain")
    model = plain.load_model()
    task = task_with(causal_lm, tmp_path / "set", **settings)
    other = task.load_model()
    found = task.generate(other, ROWS)
    prompts = [task._prompt_ids(row) for row in ROWS]
    new = [likeliest(model, ids, task.end_ids) for ids in prompts]
    assert found == [task._answer(ids, task.end_ids) for ids in new]
    texts = write(task, other, prompts, [MOST] * len(ROWS))
    assert [text.strip() for text in texts] == [text for text, _ in found]
    drawn = {"temperature": 1.0, "seed": 3}
    assert task.generate(other, ROWS, **drawn) == plain.generate(model, ROWS, **drawn)
    assert write(task, other, prompts, [MOST] * len(ROWS), **drawn) == write(
        plain, model, prompts, [MOST] * len(ROWS), **drawn
    )
    kept = other.generation_config.to_dict()
    assert all(kept[name] == value for name, value in settings.items()), "they stay the model's"


def test_draws_are_of_the_whole_distribution(causal_lm, tmp_path):
    """Shares of the first token among 4,000 draws, beside the model's own probabilities.

    Random weights make all tokens nearly as likely, so more than fifty must come up (``generate``
    draws of the fifty likeliest by default).
    """
    task = task_with(causal_lm, tmp_path / "model")
    model = task.load_model()
    ids = task._prompt_ids(ROWS[0])
    torch.manual_seed(0)
    with inference(model):
        drawn = written_after(model, [ids] * 4000, 1, ends=task.end_ids, pad=0, temperature=2.0)
        shares = (model(input_ids=torch.tensor([ids])).logits[0, -1] / 2.0).softmax(dim=-1)
    counts = torch.bincount(torch.tensor(drawn)[:, 0], minlength=len(shares))
    assert int((counts > 0).sum()) > 300
    # Mean of (count − expected)² / expected is 1 where draws follow the shares.
    expected = 4000 * shares
    assert float(((counts - expected) ** 2 / expected).mean()) == pytest.approx(1.0, abs=0.3)
