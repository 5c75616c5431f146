"""The dial, the one-standard-error rule and the verdict, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from outcomes import classified, generated
from trainings import TwoParameters, TwoParameterTask, training

from fewtune.measures.base import row_measure
from fewtune.plan.plan import Part, Plan, TrainingPlan
from fewtune.records import Score
from fewtune.select.candidates import Candidate
from fewtune.select.choice import choose
from fewtune.select.dial import Rise, turn
from fewtune.select.fitting import evaluation
from fewtune.select.material import Material
from fewtune.select.trials import Trial
from fewtune.select.verdict import decide


def material(headline, validation=(), train=range(100), **settings):
    if isinstance(headline, str):
        task = SimpleNamespace(headline=headline, labels=("a", "b", "c", "d"))
    else:
        task = headline
    heard = []
    journal = SimpleNamespace(write=lambda kind, *a, **values: heard.append((kind, values)))
    made = Material(
        plan=Plan(model="none").changed(settings), task=task, data=None, train=train,
        validation=validation, test=(), places=(), journal=journal, folder=None,
        accelerator=SimpleNamespace(num_processes=1),
    )  # fmt: skip
    made.heard = heard
    return made


# The dial: from w = (1, 0) to w = (-1, 2), so at alpha w = (1 - 2 alpha, 2 alpha).


def dialled(tmp_path, points, dial, *, solves_after=False):
    task = TwoParameterTask()
    rows = task.rows(*points)
    made = material(task, rows, **{"select.dial": dial})
    run = training(task, TwoParameters(), rows, tmp_path)
    run.start = {"w": torch.tensor([1.0, 0.0])}
    run.best = {"w": torch.tensor([-1.0, 2.0])}
    run.method.solves_after = solves_after
    return turn(made, run), run.model.w.tolist(), made.heard


def test_the_dial_stands_where_validation_is_best(tmp_path):
    """(10, 3) is yes up to alpha 0.71, (10, -3) is no from 0.38 on: both only in the middle."""
    found, w, heard = dialled(tmp_path, [(10, 3, 1), (10, -3, 0)], [0.25, 0.5, 0.75])
    assert found.alpha == 0.5
    assert w == pytest.approx([0.0, 1.0])
    curve = {values["alpha"]: values["value"] for _, values in heard}
    assert curve == {0.25: 0.5, 0.5: 1.0, 0.75: 0.5, 1.0: 0.5}
    assert [values["alpha"] for _, values in heard if values["chosen"]] == [0.5]
    assert found.outcomes.predicted.tolist() == [1, 0]


def test_the_last_weights_stay_where_a_blend_leads_by_noise(tmp_path):
    """Half of the dial is right on three rows that the whole has wrong, and wrong on two that it
    has right: one row more, of standard error sqrt(5)."""
    few, more = 3 * [(10, 3, 1)], 2 * [(-10, -3, 1)]
    rows = [*few, *more, *(35 * [(-3, -3, 0)])]
    for solves_after in (True, False):
        found, w, heard = dialled(tmp_path, rows, [0.5], solves_after=solves_after)
        assert found.alpha == 1.0
        assert w == pytest.approx([-1.0, 2.0])
        assert [values["alpha"] for _, values in heard if values["chosen"]] == [1.0]
        # Nine for nothing are three standard errors.
        surely = [*(3 * few), *rows[5:]]
        assert dialled(tmp_path, surely, [0.5], solves_after=solves_after)[0].alpha == 0.5
    # One row fewer are too few to stay by where a head is fitted after training.
    assert dialled(tmp_path, rows[:-1], [0.5], solves_after=True)[0].alpha == 0.5
    assert dialled(tmp_path, rows[:-1], [0.5])[0].alpha == 1.0


def test_of_equally_good_blends_the_one_with_the_lower_loss(tmp_path):
    """(-1, 1) is yes from alpha 0.25 on, and ever more surely: the dial stays at 1."""
    found, w, _ = dialled(tmp_path, [(-1, 1, 1)], [0.5, 0.75])
    assert found.alpha == 1.0
    assert w == pytest.approx([-1.0, 2.0])


def test_the_dial_may_go_back_to_the_base(tmp_path):
    found, w, _ = dialled(tmp_path, [(1, -1, 1), (1, -2, 1)], [0.0, 0.5])
    assert found.alpha == 0.0
    assert w == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize(("count", "few"), [(39, True), (40, False)])
def test_below_forty_rows_the_loss_of_a_classifier_is_to_choose(count, few):
    task = TwoParameterTask()
    rows = task.rows(*(count * [(1, -1, 1)]))
    found = evaluation(material(task, rows), task.outcomes(TwoParameters(), rows), 3)
    assert (found.update, found.few) == (3, few)


# One standard error


def trial(name, outcomes, headline="accuracy"):
    candidate = Candidate(name, Part(name=name), TrainingPlan())
    score = row_measure(headline).of(outcomes)
    method = SimpleNamespace(solves_after=name == "contrastive")
    return Trial(candidate, method, None, outcomes, score, 1.0)


def right(count, of=40):
    """Return outcomes whose first ``count`` rows are right."""
    truth = [0] * of
    return classified(truth, [0] * count + [1] * (of - count))


def test_the_cheapest_within_one_standard_error_of_the_best():
    """Of 40 rows, 30 and 28 right, nested: behind 2/40 = 0.05, its error sqrt(2)/40 ≈ 0.0345."""
    made = material("accuracy", validation=range(40))
    chosen, reason = choose(made, [trial("cheap", right(28)), trial("dear", right(30))])
    assert chosen.name == "dear"
    assert "no cheaper candidate is near enough" in reason
    # 30 and 29: behind 1/40 = 0.025, its error sqrt(1 · 39/40)/40 ≈ 0.0247: still more.
    # Rows on which they differ both ways widen the error: 29 of other rows is within.
    other = classified([0] * 40, [1] * 5 + [0] * 29 + [1] * 6)
    chosen, reason = choose(made, [trial("cheap", other), trial("dear", right(30))])
    assert chosen.name == "cheap"
    assert "dear is ahead by 0.0250 ± " in reason
    error = float(reason.split("± ")[1].split(" ")[0])
    # 5 rows for one, 4 for the other: variance (9 - 1/40) / 40².
    assert error == pytest.approx(np.sqrt(9 - 1 / 40) / 40, rel=0.08)


def test_a_trained_candidate_must_lead_a_solved_one_by_two_standard_errors():
    """30 and 28 of 40 right, nested: ahead by 0.05, which is 1.45 standard errors of 0.0345."""
    made = material("accuracy", validation=range(40))
    solved, trained = trial("head", right(28)), trial("lora", right(30))
    solved.head = object()
    chosen, reason = choose(made, [solved, trained])
    assert chosen.name == "head"
    assert "within two standard errors of the best: lora is ahead by 0.0500 ± " in reason
    # 30 and 25: ahead by 0.125, its error sqrt(5 · 35/40)/40 = 0.0523: 2.4 of them.
    solved = trial("head", right(25))
    solved.head = object()
    assert choose(made, [solved, trained])[0].name == "lora"
    # Where the last weights are kept, no snapshot was picked on these rows: 1.45 are enough.
    solved, kept = trial("head", right(28)), trial("contrastive", right(30))
    solved.head = object()
    assert choose(made, [solved, kept])[0].name == "contrastive"
    # Two solved ones are not flattered: one standard error is enough.
    solved, better = trial("head", right(28)), trial("head+varied", right(30))
    solved.head = better.head = object()
    assert choose(made, [solved, better])[0].name == "head+varied"


def test_where_lower_is_better_too():
    made = material("loss_per_byte", validation=range(30))
    draw = np.random.default_rng(0)
    base = draw.normal(2.0, 0.5, 30)
    # Behind by 0.01 on average, with a standard error of 0.2 / sqrt(30) = 0.037.
    near = base + 0.01 + 0.2 * (-1.0) ** np.arange(30)
    far = base + 0.5
    names = {
        "near": trial("near", generated(near, [1] * 30), "loss_per_byte"),
        "far": trial("far", generated(far, [1] * 30), "loss_per_byte"),
        "best": trial("best", generated(base, [1] * 30), "loss_per_byte"),
    }
    assert choose(made, [names["far"], names["near"], names["best"]])[0].name == "near"
    assert choose(made, [names["far"], names["best"]])[0].name == "best"


def test_what_is_surely_beyond_the_budget_is_left_out_while_another_is_within():
    """The rival is a tenth better and its kept blend costs 60% of general text; of the plan's own
    the whole tuning would cost as much, and the blend that is kept 1%."""
    made = material("loss_per_byte", validation=range(40))
    own = trial("full", generated([1.0] * 40, [1] * 40), "loss_per_byte")
    rival = trial("full@0.006", generated([0.9] * 40, [1] * 40), "loss_per_byte")
    own.rise, own.kept_rise = Rise(0.6, True), Rise(0.01, False)
    rival.rise = rival.kept_rise = Rise(0.6, True)
    chosen, reason = choose(made, [own, rival])
    assert chosen is own
    assert reason == (
        "best loss per byte on the 40 validation rows; full@0.006 (60.0%) is left out, its rise of "
        "the loss on general text surely beyond the budget of 5.0%"
    )
    # Where none is within, the best is taken, and the verdict says what it costs.
    own.kept_rise = Rise(0.2, True)
    chosen, reason = choose(made, [own, rival])
    assert chosen is rival and "left out" not in reason
    rival.kept_rise = Rise(0.04, False)
    assert choose(made, [rival])[0] is rival


def test_the_cheaper_of_two_equals_and_the_only_one():
    made = material("accuracy", validation=range(40))
    chosen, _ = choose(made, [trial("cheap", right(30)), trial("dear", right(30))])
    assert chosen.name == "cheap"
    chosen, reason = choose(made, [trial("only", right(3))])
    assert (chosen.name, reason) == ("only", "best accuracy on the 40 validation rows")


def test_of_equal_accuracy_the_lower_loss_is_the_reason():
    """Both are right on 30 of 40 rows, the same ones; one is ten times as sure where it is right
    and doubts where it is wrong, at whatever temperature."""
    made = material("accuracy", validation=range(40))
    truth, answers = [0] * 40, [0] * 30 + [1] * 10
    blind = classified(truth, answers, classes=2, sure=0.7)
    seeing = replace(blind, probabilities=np.array([[0.99, 0.01]] * 30 + [[0.45, 0.55]] * 10))
    seeing = replace(seeing, losses=-np.log(seeing.probabilities[:, 0]))
    solved = trial("head", blind)
    solved.head = object()
    chosen, reason = choose(made, [solved, trial("contrastive", seeing)])
    assert chosen.name == "contrastive"
    assert reason.startswith("lowest loss on the 40 validation rows of those with the best acc")


def test_a_head_must_surely_lead_what_has_its_head_fitted_after_training():
    """31 and 30 of 40 right: one row, which is one standard error. 35 are 2.4 of them."""
    made = material("accuracy", validation=range(40))

    def tried(right_ones):
        solved, after = trial("head", right(right_ones)), trial("contrastive", right(30))
        solved.head = object()
        return choose(made, [solved, after])

    chosen, reason = tried(31)
    assert chosen.name == "contrastive"
    assert reason == "none is surely better in accuracy or loss on the 40 validation rows"
    assert tried(35)[0].name == "head"


def test_of_few_rows_a_class_a_head_must_surely_lead_however_few_rows_judge():
    """4 and 3 of 7 right: one row, which is one standard error. All 7 are more than two."""

    def tried(right_ones, each):
        made = material("accuracy", validation=range(7), train=range(each * 4))
        solved, after = trial("head", right(right_ones, 7)), trial("contrastive", right(3, 7))
        solved.head = object()
        return choose(made, [solved, after])[0].name

    assert tried(4, each=7) == "contrastive"
    assert tried(7, each=7) == "head"
    assert tried(4, each=8) == "head"


# The verdict


def score(value, low, high, direction="higher", unit="share", n=100):
    name = "accuracy" if direction == "higher" else "loss_per_byte"
    return Score(name, value, low, high, n, direction, unit)


HIGHER = score(0.9, 0.85, 0.95)
LOWER = score(1.0, 0.9, 1.1, "lower", "nats/byte")


def test_ships_what_is_clearly_better_than_every_control():
    verdict = decide(HIGHER, {"majority": score(0.5, 0.4, 0.6), "tfidf": score(0.1, 0.01, 0.2)})
    assert verdict.decision == "ship"
    assert len(verdict.reasons) == 2
    assert all(reason.startswith("better than") for reason in verdict.reasons)
    assert "+10.0 points of accuracy, 95% interval [+1.0, +20.0], 100 rows" in verdict.reasons[1]
    assert verdict.cures == ()


def test_lower_is_better_for_losses():
    better = score(-0.3, -0.4, -0.2, "lower", "nats/byte")
    worse = score(0.3, 0.2, 0.4, "lower", "nats/byte")
    assert decide(LOWER, {"base": better}).decision == "ship"
    assert decide(LOWER, {"base": worse}).decision == "hold"


def test_one_control_that_is_not_beaten_holds():
    verdict = decide(HIGHER, {"majority": score(0.5, 0.4, 0.6), "tfidf": score(-0.1, -0.2, 0)})
    assert verdict.decision == "hold"
    assert verdict.reasons[0].startswith("not better than TF-IDF")
    assert verdict.reasons[1].startswith("better than always answering the commonest label")
    assert verdict.cures == (
        "Use TF-IDF with logistic regression itself, or bring more training rows",
    )


def test_of_two_controls_that_are_not_beaten_the_better_is_to_be_used_and_it_alone():
    behind, further = score(-0.1, -0.2, 0), score(-0.3, -0.4, -0.2)
    verdict = decide(HIGHER, {"tfidf": behind, "frozen": further})
    assert [reason[:15] for reason in verdict.reasons] == ["not better than"] * 2
    (cure,) = verdict.cures
    assert cure.startswith("Use the frozen base with logistic regression itself")
    # The mirror of a loss: where lower is better, the control that leads by more is the better one.
    worse, worst = score(0.1, 0.05, 0.2, "lower"), score(0.3, 0.2, 0.4, "lower")
    (cure,) = decide(LOWER, {"base": worst, "few_shot": worse}).cures
    assert cure.startswith("Do not tune")


def test_where_all_rows_could_judge_that_is_said_once_and_only_where_it_is_open():
    open_, closed = score(0.0, -0.3, 0.3), score(-0.3, -0.4, -0.2)
    words = "--set data.rotations=5 lets all 45 judge"
    verdict = decide(HIGHER, {"tfidf": open_, "frozen": open_}, otherwise=words)
    assert verdict.cures[-1] == f"100 test rows are too few to tell; {words}"
    assert sum(words in cure for cure in verdict.cures) == 1
    better = decide(HIGHER, {"tfidf": open_, "frozen": score(0.05, -0.1, 0.2)}, otherwise=words)
    assert sum(words in cure for cure in better.cures) == 1
    assert not any(words in c for c in decide(HIGHER, {"tfidf": closed}, otherwise=words).cures)
    assert not any("too few" in c for c in decide(HIGHER, {"tfidf": open_}).cures)


def test_better_but_not_surely_says_how_many_rows_would_tell():
    """Gain 0.05, half width 0.1, 100 rows: 100 · (1.4 · 0.1 / 0.05)² = 784, rounded up 790."""
    verdict = decide(HIGHER, {"frozen": score(0.05, -0.05, 0.15)})
    assert verdict.decision == "hold"
    assert verdict.reasons[0].startswith("not surely better than the frozen base")
    assert verdict.cures[0].startswith("About 790 test rows")


def test_an_interval_that_touches_zero_does_not_ship():
    assert decide(HIGHER, {"frozen": score(0.05, 0.0, 0.1)}).decision == "hold"
    nan = float("nan")
    assert decide(HIGHER, {"frozen": score(nan, nan, nan)}).decision == "hold"


def test_without_controls_nothing_is_proved():
    assert decide(HIGHER, {}).decision == "hold"


def test_as_good_as_plain_fine_tuning_is_enough_and_surely_worse_is_not():
    base = {"frozen": score(0.1, 0.05, 0.15)}
    same = decide(HIGHER, {**base, "vanilla": score(-0.01, -0.05, 0.03)})
    assert same.decision == "ship"
    assert "not to be told from plain fine-tuning" in same.reasons[1]
    worse = decide(HIGHER, {**base, "vanilla": score(-0.06, -0.1, -0.02)})
    assert worse.decision == "hold"
    assert "worse than plain fine-tuning" in worse.reasons[0]
    assert "select.dial" in worse.cures[0]
