"""Checks that read what is written: format, spelling, terms, languages, boilerplate, outliers."""

from __future__ import annotations

import random

import pytest
from check_data import chats, found, labelled, lines, prompts, texts
from PIL import Image

from fewtune.checks.languages import language_of
from fewtune.records import Dataset, Example

NAME = "format_consistency"


def test_labels_written_in_two_ways_are_named_by_the_rarer_way():
    data = labelled(("a b", "Card lost"), ("c d", "Card lost"), ("e f", "card_lost"), ("g", "x"))
    (finding,) = found(NAME, data)
    assert (finding.severity, lines(finding)) == ("warning", [4])


def test_spaces_at_the_ends_are_noted_and_mended():
    data = labelled(("fine", "a"), ("not fine ", "a"), ("\tnor this", "b"))
    (finding,) = found(NAME, data)
    assert (finding.severity, lines(finding)) == ("note", [3, 4])
    assert finding.replace["a.csv:3"].input == "not fine"
    assert finding.replace["a.csv:4"] == Example("nor this", "b", "a.csv:4")


def test_leading_spaces_in_nearly_all_completions_are_meant():
    assert not found(NAME, prompts(*[(f"q{i}", f" answer {i}") for i in range(10)]))


def test_markup_leftovers_are_found_and_angle_brackets_are_not_markup():
    rows = [f"plain text number {i}" for i in range(9)]
    (finding,) = found(NAME, texts(*rows, "cards &amp; cash", "see <br> below"))
    assert (finding.severity, lines(finding)) == ("warning", [10, 11])
    assert not found(NAME, texts(*rows, "if a < b and b > c", "R&D; x & y", "<3 you"))


def test_mixed_quotes_name_the_rarer_kind():
    (finding,) = found(NAME, texts("it's", "don't", 'say "x"', "it’s", "plain"))
    assert (finding.severity, lines(finding)) == ("note", [4])
    assert "3 rows" in finding.evidence
    assert not found(NAME, texts("it's", "don't", "rock 'n' roll – fine"))


def test_answers_that_begin_in_another_case_are_noted():
    rows = [(f"q{i}", f"Answer {i}") for i in range(9)]
    (finding,) = found(NAME, prompts(*rows, ("q", "small answer")))
    assert lines(finding) == [10]
    assert not found(NAME, prompts(*rows))


def test_roles_out_of_order():
    good = [("system", "be kind"), ("user", "hi"), ("assistant", "hello")]
    twice = [("system", "be kind"), ("user", "hi"), ("user", "you?"), ("assistant", "hello")]
    first = [("system", "be kind"), ("assistant", "hi"), ("user", "yes"), ("assistant", "hello")]
    tools = [
        ("system", "be kind"),
        ("user", "hi"),
        ("assistant", "look"),
        ("tool", "1"),
        ("tool", "2"),
        ("assistant", "hello"),
    ]
    (finding,) = found(NAME, chats(good, twice, first, tools))
    assert (finding.severity, lines(finding)) == ("warning", [2, 3])


def test_a_missing_and_a_second_system_prompt():
    def talk(prompt, i):
        turns = [("user", f"hi {i}"), ("assistant", f"Hello {i}")]
        return [("system", prompt), *turns] if prompt else turns

    data = chats(*[talk("be kind", i) for i in range(10)], talk("", 10), talk("be rude", 11))
    missing, varies = found(NAME, data)
    assert lines(missing) == [11] and "1 chat has no system prompt" in missing.evidence
    assert lines(varies) == [12] and "2 system prompts" in varies.evidence
    assert not found(NAME, chats(*[talk("be kind", i) for i in range(8)]))


FREQUENT = [f"please cancel the appointment on day {i}" for i in range(25)]


def test_spelling_takes_the_frequent_word_for_right():
    (finding,) = found("spelling", texts(*FREQUENT, "move my apointment", "an appiontment"))
    assert lines(finding) == [26, 27]
    assert "apointment → appointment" in finding.evidence


@pytest.mark.parametrize(
    "other",
    ["two appointments", "Appointmant Ltd is a firm, ask Appointmant", "she appointed him", "day"],
)
def test_spelling_leaves_inflections_and_names(other):
    assert not found("spelling", texts(*FREQUENT, f"so {other} now"))


def test_terminology_finds_three_ways_and_two_nations():
    data = texts(
        *[f"the check-in is open {i}" for i in range(3)],
        *[f"use checkin here {i}" for i in range(2)],
        *[f"please check in now {i}" for i in range(4)],
        *[f"a colour print {i}" for i in range(2)],
        *[f"a color print {i}" for i in range(2)],
    )
    (finding,) = found("terminology", data)
    assert "check in (4) / check-in (3) / checkin (2)" in finding.evidence
    assert "colour" in finding.evidence
    assert set(range(1, 6)) <= set(lines(finding)) and 6 not in lines(finding)


def test_terminology_leaves_words_of_two_meanings_and_single_uses():
    data = texts(
        *[f"every day is an everyday thing {i}" for i in range(3)], "pick-up once", "pickup once"
    )
    assert not found("terminology", data)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Ich möchte bitte einen Termin für morgen", "German"),
        ("Je voudrais un rendez-vous avec le docteur pour mon fils", "French"),
        ("Quiero cambiar mi cita para el lunes, por favor", "Spanish"),
        ("Can I change my appointment to Monday?", "English"),
        ("No problem, have a wonderful day ahead!", ""),
        ("Visa card", ""),
        ("Здравствуйте, можно записаться?", "Cyrillic script"),
        ("予約を変更したいです", "Japanese"),
    ],
)
def test_language_of(text, language):
    assert language_of(text) in ((language, "English") if language == "" else (language,))


def test_a_strayed_language_warns_and_names_in_english_text_do_not():
    english = [f"Can you tell me where the office number {i} is?" for i in range(10)]
    (finding,) = found("languages", texts(*english, "Wo ist bitte das Büro und wann ist es auf?"))
    assert (finding.severity, lines(finding)) == ("warning", [11])
    assert not found("languages", texts(*english, "Is La Casa de las Flores on the Via del Corso?"))


def test_an_answer_in_another_language_than_asked():
    answer = "It is on the floor {}, by the lift."
    rows = [(f"Can you tell me where room {i} is?", answer.format(i)) for i in range(9)]
    crossed = ("Can you tell me where it is?", "Das ist bitte im dritten Stock, bei der Treppe.")
    (finding,) = found("languages", prompts(*rows, crossed))
    assert lines(finding) == [10]
    assert not found("languages", prompts(*[(q, crossed[1]) for q, _ in rows]))  # a translation


def test_boilerplate_finds_one_answer_to_many_inputs():
    stock = [(f"question {i}", "Please call us.") for i in range(6)]
    rest = [(f"other {i}", f"Answer number {i} is quite its own") for i in range(14)]
    repeated, *_ = found("boilerplate", prompts(*stock, *rest))
    assert (repeated.severity, lines(repeated)) == ("warning", [1, 2, 3, 4, 5, 6])  # 30%
    assert not found("boilerplate", prompts(*[(f"q{i}", f"{i} is it") for i in range(20)]))


def test_boilerplate_finds_the_opening_of_most_answers():
    rows = [(f"q{i}", f"Thank you for calling about {i} today friend {i * 7}") for i in range(12)]
    (finding,) = found("boilerplate", prompts(*rows))
    assert finding.severity == "note" and "“thank you for” opens 100%" in finding.evidence


def test_outliers_finds_the_long_row_and_the_stranger():
    words = "card bank money loan rate fee cash".split()
    draw = random.Random(0)
    rows = [" ".join(draw.sample(words, 5)) for _ in range(60)]
    rows[7] = " ".join(words * 40)
    rows[9] = "zebras gallop northwards tonight"
    size, stranger = found("outliers", texts(*rows))
    assert lines(size) == [8] and lines(stranger) == [10]
    rows[7], rows[9] = rows[0], rows[1]
    assert not found("outliers", texts(*rows))


def test_outliers_finds_the_image_of_another_size(tmp_path):
    rows = []
    for i in range(30):
        size = (400, 400) if i == 3 else (32, 32)
        Image.new("L", size, i).save(tmp_path / f"{i}.png")
        rows.append(Example(str(tmp_path / f"{i}.png"), "a", f"{i}.png:1"))
    (finding,) = found("outliers", Dataset(tuple(rows), "labelled_image", "images"))
    assert finding.rows == ("3.png:1",) and "160,000" in finding.evidence


TOPICS = {
    "garden": "rose tulip spade soil water weed seed bloom".split(),
    "kitchen": "knife stove pan bake flour oven spice boil".split(),
}


def topic_rows(topic, rows, seed=0):
    draw = random.Random(seed)
    return [(" ".join(draw.sample(TOPICS[topic], 5)), topic) for _ in range(rows)]


def test_coverage_names_test_rows_far_from_all_training_rows():
    train = labelled(*topic_rows("garden", 40), *topic_rows("kitchen", 40))
    near = topic_rows("garden", 18, seed=1)
    test = labelled(*near, ("orbit rocket comet", "x"), ("galaxy lunar probe", "x"), name="b.csv")
    far = [f for f in found("coverage", train, test) if f.rows and f.rows[0].startswith("b.csv")]
    (finding,) = far
    assert (finding.severity, sorted(lines(finding))) == ("warning", [20, 21])
    only_near = found("coverage", train, labelled(*near, name="b.csv"))
    assert not [f for f in only_near if f.severity != "note"]


def test_coverage_names_the_thin_region():
    odd = ("orbit rocket comet launch moon", "space")
    data = labelled(*topic_rows("garden", 60), *topic_rows("kitchen", 60), odd, odd)
    (finding,) = found("coverage", data)
    assert finding.severity == "note" and lines(finding) == [122, 123]
    assert not found("coverage", labelled(*topic_rows("garden", 20)))  # too few to say


def test_signs_and_numbers_tell_labels_apart_and_joints_do_not():
    told = ["1", "-1", "C", "C++", "C#", "1 2", "12"]
    assert not found(
        "format_consistency", labelled(*((f"text {i}", t) for i, t in enumerate(told)))
    )
    pairs = [("a", "lost card"), ("b", "Lost_Card"), ("c", "top-10"), ("d", "top 10"), ("e", "x")]
    (finding,) = found("format_consistency", labelled(*pairs))
    assert finding.evidence.startswith("2 labels are written in more than one way")
