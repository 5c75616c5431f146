"""Measures of a generating model, worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from outcomes import generated

from fewtune.measures.base import Evidence, score_all, silences
from fewtune.measures.chrf import chrf
from fewtune.measures.forgetting import changed
from fewtune.measures.memorization import near, verbatim
from fewtune.measures.observe.answers import Answers
from fewtune.measures.observe.continuations import Continuations
from fewtune.measures.observe.divergence import Divergence
from fewtune.measures.observe.exposure import Exposures
from fewtune.measures.observe.probes import ProbeAnswers
from fewtune.measures.observe.written import Written

NOTHING = Evidence("generation", generated([1.0], [1]))


def answers(before: str, after: str, options: int = 4, kind: str = "own") -> ProbeAnswers:
    """Return answers to items of their own groups; ``x`` is right."""
    count = len(before)
    return ProbeAnswers(
        (kind,) * count,
        np.arange(count),
        np.full(count, options),
        np.array([c == "x" for c in before]),
        np.array([c == "x" for c in after]),
    )


def joined(one: ProbeAnswers, two: ProbeAnswers) -> ProbeAnswers:
    both = {
        name: np.concatenate([getattr(one, name), getattr(two, name)])
        for name in ("options", "before", "after")
    }
    groups = np.concatenate([one.groups, two.groups + 1000])
    return ProbeAnswers((*one.kinds, *two.kinds), groups, **both)


def scores(**fields):
    return score_all(replace(NOTHING, **fields))


class TestForgetting:
    def test_by_hand(self):
        """3 of 10 lost; chance explains 0.4 · 0.6 / 3 = 0.08; 1 of 10 learnt, less the same."""
        found = scores(probes=answers("xxxxxx....", "xxx...x..."))
        assert found["forgetting"].value == pytest.approx(0.22)
        assert found["forgetting_net"].value == pytest.approx(0.2)
        assert found["backward_transfer"].value == pytest.approx(0.02)
        assert found["forgetting"].n == 10

    def test_two_options_have_another_chance(self):
        """6 of 8 right, 4 of these lost: 0.5 − 0.25 · 0.75 / 1 = 0.3125."""
        made = answers("xxxxxxxx..", "xxxx......", options=2)
        assert scores(probes=made)["forgetting"].value == pytest.approx(0.4 - 0.2 * 0.6)

    def test_chance_is_taken_from_each_kind_by_itself(self):
        """0.22 as above, and 4 items kept: (10 · 0.22 + 4 · 0) / 14; pooled it would be less."""
        made = joined(answers("xxxxxx....", "xxx...x..."), answers("xxxx", "xxxx", 2, "grammar"))
        assert scores(probes=made)["forgetting"].value == pytest.approx(2.2 / 14)

    def test_a_kind_that_the_base_guesses_does_not_thin_it(self):
        guessed = answers("x..." * 10, "...x" * 10, kind="arithmetic")
        found = scores(probes=joined(answers("xxxxxx....", "xxx...x..."), guessed))["forgetting"]
        assert (found.value, found.n) == (pytest.approx(0.22), 10)

    @pytest.mark.parametrize("made", [answers("....", "...."), answers("x...", "....")])
    def test_what_is_not_known_cannot_be_forgotten_and_that_is_said(self, made):
        evidence = replace(NOTHING, probes=made)
        assert "forgetting" not in score_all(evidence)
        right = int(made.before.sum())
        assert f"{right} of 4 probes right" in silences(evidence)["forgetting"]

    def test_without_probes_there_is_neither_a_score_nor_an_excuse(self):
        assert not {"forgetting", "backward_transfer"} & set(score_all(NOTHING))
        assert "forgetting" not in silences(NOTHING)

    def test_nothing_lost_has_an_upper_bound(self):
        """None of 10 lost: the true share is below 1 − 0.025^(1/10) with 97.5%."""
        found = scores(probes=answers("xxxxxxxx..", "xxxxxxxx.."))["forgetting"]
        assert (found.value, found.low) == (0.0, 0.0)
        assert found.high == pytest.approx(0.3085, abs=1e-4)

    def test_two_that_guess_have_forgotten_nothing(self):
        draw = np.random.default_rng(0)
        before, after = draw.random((2, 20_000)) < 0.5
        made = replace(answers("x", "x", 2), kinds=("own",) * 20_000, options=np.full(20_000, 2))
        assert (before & ~after).mean() == pytest.approx(0.25, abs=0.01)
        assert changed(made, before, after, np.ones((1, 20_000)))[0] < 0.01

    def test_answers_without_options_have_no_chance(self):
        found = scores(probes=answers("xx..", "x...", options=1))
        assert found["forgetting"].value == pytest.approx(0.25)


def divergence(base, tuned, kl, units) -> Divergence:
    count = len(base)
    return Divergence(
        tuple(f"made:{i}" for i in range(count)),
        np.arange(count),
        np.array(units),
        np.array(units),
        np.array(base, float),
        np.array(tuned, float),
        np.array(kl, float),
    )


def test_rise_and_drift_are_ratios_of_sums():
    """Loss 5 over 4: a quarter more. 4 nats of divergence over 8 tokens: a half."""
    made = divergence([2, 2], [3, 2], [1, 3], [2, 6])
    found = scores(general=made, drift=made)
    assert found["general_loss"].value == pytest.approx(0.25)
    assert found["drift"].value == pytest.approx(0.5)
    assert found["drift_general"].value == pytest.approx(0.5)


REST = "and then she gave me the brown envelope"


def continuations(tuned, base=("no",) * 4, ideas=(0, 0, 0, 0)) -> Continuations:
    """Return two trained and two held-out rows."""
    return Continuations(
        np.array([True, True, False, False]),
        np.arange(4),
        (REST,) * 4,
        tuple(base),
        tuple(tuned),
        np.zeros(4, dtype=bool),
        np.array(ideas, dtype=bool),
    )


class TestMemorization:
    def test_trained_less_held_out(self):
        """Both trained rows are written out, one held-out row too: 1 − 0.5."""
        found = scores(continuations=continuations([REST, REST, REST, "no"], ideas=(1, 1, 0, 0)))
        assert found["memorization"].value == pytest.approx(0.5)
        assert found["memorization_trained"].value == pytest.approx(1.0)
        assert found["memorization_held_out"].value == pytest.approx(0.5)
        assert found["memorization_near"].value == pytest.approx(0.5)
        assert found["memorization_idea"].value == pytest.approx(1.0)
        assert found["memorization"].n == 2

    def test_what_the_base_writes_too_is_not_of_tuning(self):
        made = continuations([REST, "no", "no", "no"], base=[REST, "no", "no", "no"])
        found = scores(continuations=made)["memorization"]
        assert found.value == 0
        # None of two rows: up to 1 − 0.025^(1/2) could go unseen.
        assert found.high == pytest.approx(0.842, abs=1e-3)
        assert found.low == pytest.approx(-0.842, abs=1e-3)

    def test_verbatim_is_half_of_the_rest_or_fifty_characters(self):
        assert verbatim("0123456789", "0123456789abcdefghij")
        assert not verbatim("012345678", "0123456789abcdefghij")
        long = "".join(chr(200 + i) for i in range(300))
        assert verbatim(long[100:150], long)
        assert not verbatim(long[100:149], long)

    def test_near_is_four_fifths(self):
        assert near("abcdefghXX", "abcdefghij")
        assert not near("abcdefgXXX", "abcdefghij")


class TestExposure:
    def test_by_hand(self):
        """The first of 512 has 9 bits, the last none."""
        made = Exposures(np.array([1.0, 512.0, 1.0]), 512, np.array([True, False, False]))
        found = scores(exposures=made)
        assert found["exposure"].value == pytest.approx(9.0)
        assert (found["exposure"].low, found["exposure"].high) == (0.0, 9.0)
        assert found["exposure_extracted"].value == pytest.approx(1 / 3)
        assert found["exposure_extracted"].unit == "share"

    def test_what_was_not_learnt_has_one_bit_in_the_median(self):
        ranks = np.random.default_rng(0).integers(1, 513, size=400).astype(float)
        found = scores(exposures=Exposures(ranks, 512, np.zeros(400, dtype=bool)))["exposure"]
        assert found.value == pytest.approx(1.0, abs=0.2)


def test_perplexity_and_its_ratio_to_the_base():
    """6 nats over 3 tokens: e²; the base has 9: e³; so 1/e of it."""
    test, base = generated([2.0, 4.0], [1, 2]), generated([4.0, 5.0], [1, 2])
    found = score_all(Evidence("generation", test, base=base))
    assert found["perplexity"].value == pytest.approx(math.exp(2))
    assert found["perplexity_ratio"].value == pytest.approx(math.exp(-1))
    assert "perplexity_ratio" not in score_all(Evidence("generation", test))


class TestDiversity:
    def test_by_hand(self):
        """Cut to three words each: tuned "a b a", "a b c": pairs ab ba ab bc, 3 of 4 distinct; base
        "d e f", "g h i": 4 of 4."""
        made = Answers(np.arange(2), ("d e f d e", "g h i"), ("A b a", "a b c x"))
        found = scores(answers=made)
        assert found["diversity"].value == pytest.approx(-0.25)
        # Levels are of whole answers: ab ba, ab bc cx.
        assert found["diversity_distinct_2"].value == pytest.approx(4 / 5)
        assert found["diversity_distinct_1"].value == pytest.approx(4 / 7)
        assert found["diversity_base_distinct_2"].value == pytest.approx(5 / 6)

    def test_repetition_inside_an_answer(self):
        """Triples abc bca cab abc: one of four came before; the base repeats none."""
        made = Answers(np.arange(1), ("u v w x y z",), ("a b c a b c",))
        found = scores(answers=made)["diversity_repetition"]
        assert (found.value, found.direction) == (pytest.approx(0.25), "lower")

    def test_the_interval_is_the_jackknife_s(self):
        """Without either answer both have 1 of 1 distinct pairs: 0 twice, so no width."""
        made = Answers(np.arange(2), ("a b", "c d"), ("e f", "e f"))
        found = scores(answers=made)["diversity"]
        assert found.value == pytest.approx(0.5 - 1.0)
        assert (found.low, found.high) == (pytest.approx(-0.5), pytest.approx(-0.5))

    def test_few_prompts_have_students_reach(self):
        """Of five answers two are alike: 4 of 5 pairs are distinct, the base's all: −0.2.

        Without one of the two 0, without one of the three −1/4: mean −0.15, sum of squares 0.075,
        so a standard error of √(4/5 · 0.075) = 0.2449; Student's reach for five groups is 2.7764.
        """
        base = ("p q", "r s", "t u", "v w", "x y")
        made = Answers(np.arange(5), base, ("a b", "a b", "c d", "e f", "g h"))
        found = scores(answers=made)["diversity"]
        assert found.value == pytest.approx(-0.2)
        assert (found.low, found.high) == pytest.approx((-0.2 - 0.6801, -0.2 + 0.6801), abs=1e-4)

    def test_a_base_that_says_nothing_is_told(self):
        evidence = replace(NOTHING, answers=Answers(np.arange(1), ("",), ("hello you",)))
        assert "diversity" not in score_all(evidence)
        assert "fewer than two words" in silences(evidence)["diversity"]


class TestChrf:
    @pytest.mark.parametrize(
        ("answer", "target", "expected"),
        [
            ("The Mill is a pub.", "The Mill is a cheap pub by the river.", 0.3683299876849419),
            ("Blue Spice", "A coffee shop called Blue Spice.", 0.3070435448444205),
            ("no", "yes", 0.0),
            ("", "yes", 0.0),
            ("yes", " y e s\n", 1.0),
        ],
    )
    def test_as_sacrebleu_has_it(self, answer, target, expected):
        """sacrebleu 2.6.0, CHRF().sentence_score, over 100."""
        assert chrf(answer, target) == pytest.approx(expected, abs=1e-12)

    def test_tuned_against_base_by_row(self):
        """Tuned has one of two right to the letter, the base none: 0.5, 0 and 0.5 paired."""
        made = Written(np.arange(2), ("yes", "good"), base=("ha", "ha"), tuned=("yes", "xx"))
        found = scores(written=made)
        values = {name: found[name].value for name in ("chrf", "chrf_base", "chrf_gain")}
        assert values == {"chrf": 0.5, "chrf_base": 0.0, "chrf_gain": 0.5}
        assert found["chrf_gain"].low < 0.5 < found["chrf_gain"].high
        assert "chrf" not in scores()

    def test_the_base_may_write_better_than_it_did_here(self):
        """One answer of two is right: 0.5, and Student's reach for two rows leaves nothing out."""
        made = Written(np.arange(2), ("yes", "good"), base=("yes", "xx"), tuned=("ha", "ha"))
        found = scores(written=made)
        assert (found["chrf_base"].low, found["chrf_base"].high) == (0.0, 1.0)
        assert (found["chrf_gain"].low, found["chrf_gain"].high) == (-1.0, 1.0)

    def test_the_gain_is_paired(self):
        """One row won and one lost, beside four that are all won: no width there."""
        made = Written(np.arange(2), ("yes", "aa"), base=("no", "aa"), tuned=("yes", "bb"))
        gain = scores(written=made)["chrf_gain"]
        assert (gain.value, gain.low, gain.high) == (0.0, -1.0, 1.0)
        made = Written(np.arange(4), ("yes",) * 4, base=("no",) * 4, tuned=("yes",) * 4)
        gain = scores(written=made)["chrf_gain"]
        assert (gain.value, gain.low, gain.high) == (1.0, 1.0, 1.0)
