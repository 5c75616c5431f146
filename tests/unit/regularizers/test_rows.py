"""The base's own samples, given files, and how rows are mixed into updates."""

from __future__ import annotations

import json
import math
import re

import made_data
import pytest
import torch
from trainings import Bigrams, BigramTask, TwoParameters, TwoParameterTask, begun, training

from fewtune.data.tokens import IGNORED
from fewtune.errors import DataError
from fewtune.measures.probes import general_text, items
from fewtune.methods.base import trained_state
from fewtune.models.load import Source
from fewtune.records import Example
from fewtune.regularizers._passages import MOST_PASSAGES, passages
from fewtune.regularizers._rows import (
    Drawing,
    RowOptions,
    _drawn,
    base_samples,
    how_many,
    rows_to_protect,
)
from fewtune.regularizers.base import REGULARIZERS
from fewtune.regularizers.reference import holding
from fewtune.tasks.base import TaskSettings
from fewtune.tasks.generation import Generation
from fewtune.tasks.text_classification import TextClassification


@pytest.fixture(scope="module")
def generation(causal_lm):
    task = Generation(Source("tiny", str(causal_lm)), TaskSettings(), "prompt")
    rows = made_data.prompts(6, seed=5)
    return task, task.encode([Example(a, b, f"p:{i}") for i, (a, b) in enumerate(rows)])


def started(task, rows, folder, *regularizers, **settings):
    run = training(task, task.load_model(), rows, folder, regularizers=regularizers, **settings)
    return begun(run)


def sampled(task, rows, folder, **options):
    options = {"samples": 6, "length": 10, **options}
    return base_samples(started(task, rows, folder), RowOptions(**options))


def test_passages_of_general_text_join_what_the_base_writes(generation, tmp_path):
    task, rows = generation
    run = started(task, rows, tmp_path / "a")
    alone = rows_to_protect(run, RowOptions(samples=6, length=10))
    joined = rows_to_protect(run, RowOptions(samples=6, length=10, passages=3))
    assert joined[:6] == alone
    assert [row.example.target for row in joined[6:]] == list(passages()[:3])
    for row in joined[6:]:
        # All of it is held, its end included, and no more than the model reads.
        assert len(row.ids) <= task.max_length()
        assert sum(label != IGNORED for label in row.labels) >= len(row.ids) - 1


def test_a_classifier_is_held_on_its_own_rows_whatever_passages_are_asked_for(encoder, tmp_path):
    task = TextClassification(
        Source("tiny", str(encoder)), TaskSettings(), "labelled_text", ["no", "yes"]
    )
    rows = task.encode([Example("a b", "yes", "r:1"), Example("c", "no", "r:2")])
    run = started(task, rows, tmp_path)
    assert rows_to_protect(run, RowOptions(passages=5)) == rows


def test_passages_are_neither_what_forgetting_is_measured_on_nor_its_probes():
    """No six words in a row of theirs stand in general text or in a probe."""

    def sixes(texts):
        words = [re.findall(r"[a-z']+", text.lower()) for text in texts]
        return {tuple(w[i : i + 6]) for w in words for i in range(len(w) - 5)}

    assert len(set(passages())) == MOST_PASSAGES
    assert all(text.isascii() and 300 <= len(text) <= 440 for text in passages())
    asked = [f"{item.context}{option}" for item in items() for option in item.options]
    assert not sixes(passages()) & sixes([*general_text(), *asked])


@pytest.mark.parametrize(("dose", "rows"), [(0.25, 8), (0.1, 8), (0.3, 1), (1.0, 3), (2.5, 2)])
def test_a_dose_is_met_on_average(dose, rows):
    drawn = [how_many(dose, rows, 0, update) for update in range(4000)]
    assert set(drawn) <= {math.floor(dose * rows), math.ceil(dose * rows)}
    # The standard error of the mean is at most 0.5 / √4000 = 0.008.
    assert sum(drawn) / 4000 == pytest.approx(dose * rows, abs=0.03)


def test_samples_are_drawn_once_and_are_a_function_of_the_seed(generation, tmp_path):
    task, rows = generation
    first = sampled(task, rows, tmp_path / "a")
    (kept,) = (tmp_path / "a" / "checkpoints").glob("base-samples-*.json")
    assert sampled(task, rows, tmp_path / "b") == first
    # What lies beside the checkpoints is taken as it is.
    drawn = json.loads(kept.read_text())
    drawn[0] = [5, 6, 7]
    kept.write_text(json.dumps(drawn))
    again = sampled(task, rows, tmp_path / "a")
    assert again[0].ids[1:] == (5, 6, 7)
    assert again[1:] == first[1:]
    # A damaged file is drawn anew.
    kept.write_text(kept.read_text()[:-3])
    assert sampled(task, rows, tmp_path / "a") == first


def test_samples_begin_with_the_begin_token_and_supervise_the_rest(generation, tmp_path):
    task, rows = generation
    for row in sampled(task, rows, tmp_path):
        assert row.ids[0] == task.tokenizer.bos_token_id
        assert row.labels == (IGNORED, *row.ids[1:])
        assert len(row.ids) <= 10
        assert not set(row.ids[1:-1]) & set(task.end_ids)
        assert len(task.collate([row]).targets) == len(row.ids) - 1


def test_samples_go_on_from_training_prompts(generation, tmp_path):
    task, rows = generation
    found = sampled(task, rows, tmp_path, prompts="training", length=60)
    prompts = {row.example.input for row in rows}
    for row in found:
        given = row.ids[: row.labels.count(IGNORED)]
        text = task.tokenizer.decode(given)
        assert any(text.strip().endswith(prompt[-15:]) for prompt in prompts)


def test_samples_come_from_the_start_whatever_the_model_is_now(generation, tmp_path):
    task, rows = generation
    first = sampled(task, rows, tmp_path / "a")
    run = started(task, rows, tmp_path / "b")
    with torch.no_grad():
        for parameter in run.model.parameters():
            parameter.normal_()
    now = run.weights()
    assert base_samples(run, RowOptions(samples=6, length=10)) == first
    assert all(torch.equal(value, now[name]) for name, value in run.weights().items())


def test_samples_follow_the_models_own_distribution_at_each_temperature(generation, tmp_path):
    # The first token's frequencies against the probabilities that the model gives it.
    task, rows = generation
    run = started(task, rows, tmp_path)
    with torch.no_grad():
        run.model.get_input_embeddings().weight.mul_(40)
    run.start = trained_state(run.model)
    found = base_samples(run, RowOptions(samples=6000, length=2), Drawing((1.0, 2.0)))
    begin = torch.tensor([[task.tokenizer.bos_token_id]], device=run.device)
    with torch.no_grad():
        logits = run.model(begin).logits[0, -1].cpu()
    for turn, temperature in enumerate((1.0, 2.0)):
        expected = (logits / temperature).softmax(dim=-1)
        first = torch.tensor([row.ids[1] for row in found[turn::2]])
        seen = torch.bincount(first, minlength=len(expected))
        error = (expected * (1 - expected) / 3000).sqrt()
        assert ((seen / 3000 - expected).abs() < 5 * error + 1e-3).all()
        assert expected.max() > 0.02 / temperature


def test_a_token_is_drawn_by_its_share_and_one_without_a_share_never():
    shares = torch.tensor([[0.0, 0.5, 0.0, 0.25, 0.25, 0.0]]).expand(8000, -1)
    drawn = _drawn(shares, torch.Generator().manual_seed(0))
    assert drawn.shape == (8000, 1)
    counts = torch.bincount(drawn[:, 0], minlength=6) / 8000
    # The standard error of a half is √(1/4/8000) = 0.0056.
    assert counts.tolist() == pytest.approx([0, 0.5, 0, 0.25, 0.25, 0], abs=0.02)
    assert counts[0] == counts[2] == counts[5] == 0


def test_samples_that_may_not_end_are_all_of_full_length(generation, tmp_path):
    task, rows = generation
    run = started(task, rows, tmp_path)
    found = base_samples(run, RowOptions(samples=40, length=60), Drawing(ends=False))
    assert {row.length for row in found} == {60}
    assert not any(set(row.ids[1:]) & set(task.end_ids) for row in found)
    ending = base_samples(run, RowOptions(samples=40, length=60))
    assert any(set(row.ids[1:]) & set(task.end_ids) for row in ending)


def test_replay_mixes_the_dose_in_and_repeats_itself(tmp_path):
    task, model = BigramTask(), Bigrams([[0.0, 1.0], [1.0, 0.0]])
    rows = task.rows((0, 1), (1, 1), (1, 0), (0, 0))
    replay = REGULARIZERS.load("replay")({"dose": 0.5, "weight": 2.0})
    run = training(task, model, rows, tmp_path)
    replay._pool = task.rows((1, 0, 1), (0, 0, 1), (0, 1, 1))
    first = replay.rows(run, rows)
    assert list(first[:4]) == list(rows)
    assert len(first) == 6
    assert replay.rows(run, rows) == first
    run.update = 1
    assert replay.rows(run, rows) != first


def test_a_replayed_row_has_the_weight_it_is_given(generation, tmp_path):
    task, rows = generation
    replay = REGULARIZERS.load("replay")(
        {"dose": 1.0, "weight": 0.5, "samples": 3, "length": 6, "prompts": "none"}
    )
    run = started(task, rows, tmp_path, replay)
    mixed = replay.rows(run, rows[:2])
    batch = task.collate(mixed)
    own = batch.owners < 2
    assert set(batch.weights[own].tolist()) == {1.0}
    assert set(batch.weights[~own].tolist()) == {0.5}


def test_replay_of_a_file_of_another_shape(generation, tmp_path):
    task, rows = generation
    file = tmp_path / "old.txt"
    file.write_text("The clinic opens at eight.\n\nThe lift is to your right.\n")
    replay = REGULARIZERS.load("replay")({"file": str(file), "dose": 1.0})
    run = started(task, rows, tmp_path, replay)
    found = {row.example.target or row.example.input for row in replay.rows(run, rows)[6:]}
    assert "The clinic opens at eight." in found


def test_a_classifiers_replay_wants_labels(encoder, tmp_path):
    labels = ["billing", "booking", "results"]
    task = TextClassification(Source("tiny", str(encoder)), TaskSettings(), labels=labels)
    rows = task.encode([Example(a, b, "c") for a, b in made_data.labelled(2, seed=5)])
    file = tmp_path / "old.csv"
    file.write_text("text,label\nWhen may I come?,booking\nWhat do I owe?,billing\n")
    replay = REGULARIZERS.load("replay")({"file": str(file), "dose": 1.0})
    run = started(task, rows, tmp_path, replay)
    assert {row.label for row in replay.rows(run, rows[:2])[2:]} == {0, 1}
    file.write_text("text,label\nWhen may I come?,other\nWhat do I owe?,billing\n")
    with pytest.raises(DataError, match=r"'other'.*old\.csv:2"):
        started(task, rows, tmp_path, REGULARIZERS.load("replay")({"file": str(file)}))


def test_replay_is_unfit_for_a_classifier_without_a_file():
    replay = REGULARIZERS.load("replay")
    assert "options.file" in replay().unfit("text_classification")
    assert not replay({"file": "old.csv"}).unfit("text_classification")
    assert not replay().unfit("generation")


def test_holding_lends_weights_and_takes_them_back(tmp_path):
    model = TwoParameters(1.0, 2.0)
    loss = (model.w**2).sum()
    with holding(model, {"w": torch.tensor([5.0, 6.0])}):
        assert model.w.tolist() == [5.0, 6.0]
    assert model.w.tolist() == [1.0, 2.0]
    # A graph that was begun before is not disturbed: the slope is that of the own weights.
    loss.backward()
    assert model.w.grad.tolist() == [2.0, 4.0]


def test_labels_are_not_needed_to_compare_answers(tmp_path):
    task, model = TwoParameterTask(), TwoParameters()
    run = training(task, model, task.rows((1, 2, -1), (3, 0, -1)), tmp_path, batch_size=2)
    kl = REGULARIZERS.load("kl_to_base")({})
    run.regularizers = [kl]
    begun(run)
    assert kl.penalty(run).item() == pytest.approx(0.0, abs=1e-7)
