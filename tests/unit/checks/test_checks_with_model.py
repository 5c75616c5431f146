"""Checks that ask a model, here a hand-written one: words are tokens, losses are given."""

from __future__ import annotations

from check_data import WordModel, chats, found, prompts, texts

from fewtune.checks.base import Context
from fewtune.checks.run import run


def test_truncation_parts_hopeless_rows_from_cut_ones():
    model = WordModel(context_length=6)  # words of input and target, and one more
    data = prompts(
        ("one two", "three four"),  # 5
        ("one two three", "four five six"),  # 7: cut
        ("a b c d e f", "g"),  # 8, and 7 without the target: hopeless
        ("a b c d e", "f"),  # 7, and 6 without: nothing of the target fits
    )
    error, warning = found("truncation", data, model=model)
    assert (error.severity, error.rows) == ("error", ("p.jsonl:3", "p.jsonl:4"))
    assert (warning.severity, warning.rows) == ("warning", ("p.jsonl:2",))
    assert not found("truncation", data, model=WordModel(context_length=8))


def test_truncation_of_plain_text_is_a_warning():
    (finding,) = found("truncation", texts("a b c", "a b c d e f g"), model=WordModel(5))
    assert (finding.severity, finding.rows) == ("warning", ("t.txt:2",))


def test_truncation_without_a_model_tells_the_longest_row():
    (finding,) = found("truncation", texts("x" * 10, "y" * 400, "z" * 20))
    assert finding.severity == "note" and finding.rows == ("t.txt:2",)
    assert "Half of the rows have 20 characters" in finding.evidence and "about 100 tokens" in (
        finding.evidence
    )


ROWS = prompts(("how are you", "fine thanks"), ("and you", "well enough"))


def test_chat_template_that_ends_its_answers_is_silent():
    assert not found("chat_template", ROWS, model=WordModel())


def test_chat_template_without_an_end_token_is_an_error():
    (finding,) = found("chat_template", ROWS, model=WordModel(template="<s>{q}\n{a}\n"))
    assert finding.severity == "error" and len(finding.rows) == 2
    assert "Nothing follows the answer" in finding.evidence


def test_chat_template_that_begins_twice_warns():
    (finding,) = found("chat_template", ROWS, model=WordModel(template="<s> <s>{q}{a}</s>"))
    assert finding.severity == "warning" and "twice" in finding.evidence


def test_chat_template_that_drops_a_role():
    class NoSystem(WordModel):
        def render(self, example):
            return "".join(f"{m.content}</s>" for m in example.messages if m.role != "system")

    data = chats(
        [("system", "be kind"), ("user", "hi"), ("assistant", "hello")],
        [("user", "hi"), ("assistant", "hello")],
    )
    (finding,) = found("chat_template", data, model=NoSystem())
    assert (finding.severity, finding.rows) == ("warning", ("c.jsonl:1",))
    assert "system" in finding.evidence
    no_user = WordModel(template="{a}</s>")
    assert found("chat_template", ROWS, model=no_user)[0].severity == "error"


# Twenty rows of ten words at 2 nats; three more that cost 0.05, 2 and 9 nats a word.
PLAIN = [(f"question {i}", f"a plain answer of ten words in all number {i}") for i in range(19)]
LOSSES = {"yes": 0.05, "zork": 9.0}


def test_known_targets_are_those_of_low_loss():
    data = prompts(*PLAIN, ("is it", "yes yes yes"))
    (finding,) = found("known_targets", data, model=WordModel(losses=LOSSES))
    assert (finding.severity, finding.rows) == ("note", ("p.jsonl:20",))
    assert "1 target (5%)" in finding.evidence and "0.05 nats" in finding.evidence
    assert not found("known_targets", prompts(*PLAIN), model=WordModel(losses=LOSSES))
    mostly = prompts(*[("is it", "yes")] * 3, PLAIN[0])
    assert found("known_targets", mostly, model=WordModel(losses=LOSSES))[0].severity == "warning"


def test_style_distance_names_the_row_far_above_the_median():
    data = prompts(*PLAIN, ("what", "zork zork"))
    (finding,) = found("style_distance", data, model=WordModel(losses=LOSSES))
    assert finding.rows == ("p.jsonl:20",)
    assert "costs 9.0 nats per token, the median row 2.0" in finding.evidence
    level = prompts(*PLAIN, ("what", "plain words"))
    assert not found("style_distance", level, model=WordModel(losses=LOSSES))


def test_surprise_names_the_dearest_rows_and_tokens():
    data = prompts(*PLAIN, ("what", "zork zork"))
    (finding,) = found("surprise", data, model=WordModel(losses=LOSSES))
    assert finding.rows == ("p.jsonl:20",)  # a twentieth of 20 rows
    # 19 rows of 10 words at 2 nats and two words at 9: (380 + 18) / 192 = 2.07
    assert "2.07 nats per token" in finding.evidence and "'zork' (9.0)" in finding.evidence


def test_a_model_without_losses_is_asked_for_none():
    class Classifier(WordModel):
        def token_losses(self, examples):
            return None

    for name in ("surprise", "known_targets", "style_distance"):
        assert not found(name, prompts(*PLAIN), model=Classifier())


def test_losses_are_computed_once_and_drawn_where_rows_are_many():
    class Counting(WordModel):
        asked = 0

        def token_losses(self, examples):
            type(self).asked += len(examples)
            return super().token_losses(examples)

    data = prompts(*[(f"question {i}", "zork" if i % 9 == 0 else "so so") for i in range(300)])
    report = run(
        Context(data, model=Counting(losses=LOSSES)),
        ["surprise", "known_targets", "style_distance"],
    )
    assert Counting.asked == 256
    assert any("256 rows drawn of 300" in f.evidence for f in report.findings)
