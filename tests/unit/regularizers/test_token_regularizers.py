"""Token mask, EAFT and FLOW on a table of three or more tokens, against values by hand."""

from __future__ import annotations

import math

import pytest
import torch
from trainings import Bigrams, BigramTask, begun, training

from fewtune.regularizers.base import REGULARIZERS

LN = math.log
# Logits are log-probabilities: after token 1 comes 0, 1, 2 with 1/2, 1/4, 1/4, and so on.
TABLE = [
    [LN(1 / 3), LN(1 / 3), LN(1 / 3)],
    [LN(1 / 2), LN(1 / 4), LN(1 / 4)],
    [LN(1 / 8), LN(3 / 4), LN(1 / 8)],
]


def weights_of(tmp_path, name, texts, table=TABLE, extra=(), **options):
    """Return the weights of the units of ``texts``, then of the rows mixed in."""
    task, model = BigramTask(), Bigrams(table)
    regularizer = REGULARIZERS.load(name)(options)
    rows = task.rows(*texts)
    run = begun(training(task, model, rows, tmp_path, regularizers=[regularizer]))
    batch = task.collate([*rows, *task.rows(*extra)]).to(run.device)
    return regularizer.batch(run, batch).weights.tolist()


def test_flow_by_hand(tmp_path):
    # Losses of 1→1, 1→2, 2→2: ln 4, ln 4, ln 8; τ = ln 4. Weights e⁻¹, e⁻¹, e^(-3/2).
    found = weights_of(tmp_path, "token_weight", [(1, 1, 2, 2)], kind="flow")
    assert found == pytest.approx([math.exp(-1), math.exp(-1), math.exp(-1.5)], rel=1e-5)


def test_flow_by_rows(tmp_path):
    # Mean losses ln 4 (1→1), ln 8 (2→2) and ln(4/3) (2→1); their median is ln 4.
    texts = [(1, 1), (2, 2), (2, 1)]
    found = weights_of(tmp_path, "token_weight", texts, kind="flow", per="row")
    expected = [math.exp(-1), math.exp(-1.5), math.exp(-LN(4 / 3) / LN(4))]
    assert found == pytest.approx(expected, rel=1e-5)


def test_eaft_by_hand(tmp_path):
    # The entropy after 1 is 1/2 ln 2 + 1/2 ln 4, after 2 it is 3/4 ln 4/3 + 1/4 ln 8; of at most
    # ln 3, for there are but three tokens.
    after_one = (LN(2) + LN(4)) / 2 / LN(3)
    after_two = (0.75 * LN(4 / 3) + 0.25 * LN(8)) / LN(3)
    found = weights_of(tmp_path, "token_weight", [(1, 2, 1)], kind="eaft")
    assert found == pytest.approx([after_one, after_two], rel=1e-5)


def test_eaft_takes_the_twenty_likeliest(tmp_path):
    # 24 tokens: 20 equally likely, 4 hardly: the entropy over the top 20 is its largest.
    table = [[0.0] * 20 + [-30.0] * 4] * 24
    found = weights_of(tmp_path, "token_weight", [(1, 5)], table=table, kind="eaft")
    assert found == pytest.approx([1.0], rel=1e-5)


def test_eaft_follows_the_model_as_it_is_now(tmp_path):
    task, model = BigramTask(), Bigrams(TABLE)
    eaft = REGULARIZERS.load("token_weight")({"kind": "eaft"})
    rows = task.rows((1, 2))
    run = begun(training(task, model, rows, tmp_path, regularizers=[eaft]))
    with torch.no_grad():
        model.table[1] = torch.tensor([0.0, 0.0, 20.0])
    found = eaft.batch(run, task.collate(rows).to(run.device)).weights.tolist()
    assert found == pytest.approx([0.0], abs=1e-6)


def test_mask_leaves_out_the_share_that_surprises_most(tmp_path):
    # Losses: 1→2 ln 4, 2→1 ln 4/3 (twice), 2→2 ln 8: of five tokens at 20% one goes, the 2→2.
    found = weights_of(tmp_path, "token_mask", [(1, 2, 1, 2, 2, 1)], share=0.2)
    assert found == [1.0, 1.0, 1.0, 0.0, 1.0]


def test_mask_by_a_larger_share(tmp_path):
    # At 60% three of five go: 2→2 and both 1→2.
    found = weights_of(tmp_path, "token_mask", [(1, 2, 1, 2, 2, 1)], share=0.6)
    assert found == [0.0, 1.0, 0.0, 0.0, 1.0]


def test_mask_leaves_something_of_every_row(tmp_path):
    # The only token of the second row is the most surprising of all, and stays.
    found = weights_of(tmp_path, "token_mask", [(1, 1, 1, 1), (2, 2)], share=0.25)
    assert found == [1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("token_mask", {"share": 0.5}),
        ("token_weight", {"kind": "eaft"}),
        ("token_weight", {"kind": "flow"}),
    ],
)
def test_the_end_of_a_text_is_always_taught(tmp_path, name, options):
    # 2→0 is as surprising as 2→2.
    found = weights_of(tmp_path, name, [(2, 2, 1, 2, 0)], **options)
    assert found[-1] == 1.0
    assert found[0] < 1.0


@pytest.mark.parametrize("name", ["token_mask", "token_weight"])
def test_rows_mixed_in_keep_their_weight(tmp_path, name):
    found = weights_of(tmp_path, name, [(1, 2, 1, 2, 2, 1)], extra=[(2, 2, 2)])
    assert found[-2:] == [1.0, 1.0]
    assert min(found) < 1.0
