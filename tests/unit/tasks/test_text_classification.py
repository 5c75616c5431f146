"""A sentence state does not depend on its neighbours; labels are numbered by name."""

from __future__ import annotations

import json
import shutil

import made_data
import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertModel,
    MPNetConfig,
    MPNetModel,
    RobertaConfig,
    RobertaModel,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from fewtune.errors import DataError
from fewtune.models.load import resolve
from fewtune.models.tiny import word_tokenizer
from fewtune.models.view import view
from fewtune.records import Example
from fewtune.tasks.base import TaskSettings, inference
from fewtune.tasks.outcomes import group_numbers
from fewtune.tasks.text_classification import TextClassification

LABELS = ("billing", "booking", "results")
ROWS = [Example(t, label, f"made:{i}") for i, (t, label) in enumerate(made_data.labelled(3))]


def make(encoder, **settings):
    return TextClassification(resolve(str(encoder)), TaskSettings(**settings), labels=LABELS)


def states(task, rows):
    model = task.load_model()
    with inference(model):
        return task.hidden(model, task.collate(rows))


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_a_state_is_that_of_the_row_alone(encoder, pooling):
    task = make(encoder, pooling=pooling)
    rows = task.encode(ROWS)
    assert len({row.length for row in rows}) > 1
    together = states(task, rows)
    alone = torch.cat([states(task, [row]) for row in rows])
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.allclose(together.norm(dim=1), torch.ones(len(rows)), atol=1e-5)


def test_pooling_by_hand(encoder):
    row = make(encoder).encode(ROWS[:1])[0]
    model = make(encoder).load_model()
    with torch.no_grad():
        tokens = model.encoder(input_ids=torch.tensor([row.ids])).last_hidden_state[0]
    expected = {"mean": tokens.mean(dim=0), "first": tokens[0], "last": tokens[-1]}
    for pooling, state in expected.items():
        found = states(make(encoder, pooling=pooling), [row])[0]
        assert torch.allclose(found, state / state.norm(), atol=1e-5)


def test_the_models_own_pooling_is_taken(encoder, tmp_path):
    folder = tmp_path / "declared"
    shutil.copytree(encoder, folder)
    assert make(folder).pooling == "mean"
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    assert make(folder).pooling == "first"
    assert make(folder, pooling="last").pooling == "last"


def test_classes_are_numbered_in_the_order_of_the_labels(encoder):
    rows = make(encoder).encode(ROWS)
    assert [LABELS[row.label] for row in rows] == [row.example.target for row in rows]


def test_a_label_that_was_never_trained_is_named(encoder):
    with pytest.raises(DataError, match="'bilings'") as refused:
        make(encoder).encode([Example("a", "bilings", "made:7")])
    assert refused.value.where == "made:7"
    assert "Did you mean billing" in str(refused.value)


def test_long_texts_are_cut_at_the_limit(encoder):
    long = Example("clinic " * 300, "billing", "made:1")
    assert make(encoder).encode([long])[0].length == 128
    assert make(encoder, max_length=9).encode([long])[0].length == 9


SMALL = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
    "vocab_size": 400, "pad_token_id": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "config", "positions", "longest"),
    [
        (BertModel, BertConfig, 40, 40),
        (RobertaModel, RobertaConfig, 42, 40),
        (XLMRobertaModel, XLMRobertaConfig, 42, 40),
        (MPNetModel, MPNetConfig, 42, 40),
    ],
)
@pytest.mark.parametrize("told", [None, 512, 9])
@pytest.mark.parametrize("wanted", [0, 60, 7])
def test_no_text_is_longer_than_the_model_has_places(
    tmp_path, model, config, positions, longest, told, wanted
):
    """Whatever the tokenizer says, which may be nothing; RoBERTa's first two places are unused."""
    tokenizer = word_tokenizer(made_data.every_text())
    tokenizer.model_max_length = told or 10**30
    tokenizer.save_pretrained(tmp_path)
    made = model(config(max_position_embeddings=positions, **SMALL))
    made.save_pretrained(tmp_path)
    task = make(tmp_path, max_length=wanted)
    (row,) = task.encode([Example("clinic " * 100, "billing", "made:1")])
    assert row.length == min(told or longest, wanted or longest, longest)
    assert states(task, [row]).isfinite().all()
    if not told and not wanted:
        assert view(str(tmp_path), "labelled_text").embed(["clinic " * 100]).shape == (1, 16)
        with pytest.raises((IndexError, RuntimeError)):
            made(input_ids=torch.full((1, longest + 1), 9))


def test_where_nothing_tells_a_limit_it_is_512(tmp_path):
    from transformers import T5Config, T5EncoderModel

    tokenizer = word_tokenizer(made_data.every_text())
    tokenizer.model_max_length = 10**30
    tokenizer.save_pretrained(tmp_path)
    T5EncoderModel(
        T5Config(d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    ).save_pretrained(tmp_path)
    assert make(tmp_path).max_length() == 512
    assert make(tmp_path, max_length=700).max_length() == 700


def test_probabilities_sum_to_one_and_the_answer_is_the_largest(encoder):
    task = make(encoder)
    model = task.load_model()
    torch.nn.init.normal_(model.head.weight)
    found = task.outcomes(model, task.encode(ROWS))
    assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(len(ROWS)))
    right = found.probabilities[range(len(ROWS)), found.truth]
    assert found.losses == pytest.approx(-np.log(right), rel=1e-5)
    answers = task.predict(model, ROWS)
    assert [a["label"] for a in answers] == [LABELS[i] for i in found.predicted]
    for answer in answers:
        assert answer["probability"] >= answer["second_probability"]


def test_rows_of_a_group_share_its_number():
    assert group_numbers(["x", "", "y", "x", ""]).tolist() == [0, 1, 2, 0, 3]


def test_an_empty_text_is_answered_where_the_tokenizer_makes_nothing_of_it():
    task = make("builtin")
    assert task.tokenizer("")["input_ids"] == []
    answers = task.predict(task.load_model(), [Example("", None, "a"), Example("hi", None, "b")])
    alone = task.predict(task.load_model(), [Example("", None, "a")])
    assert alone[0]["probability"] == pytest.approx(answers[0]["probability"], abs=1e-5)
