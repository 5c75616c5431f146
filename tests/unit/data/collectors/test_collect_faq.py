"""Questions with their answers, counted by hand."""

from __future__ import annotations

import json

import pytest
from collector_files import collect_with

from fewtune.errors import DataError


def pairs(data):
    return [(e.input, e.target, e.source.split(":")[1]) for e in data]


def test_labelled_lines(put):
    path = put(
        "f.txt",
        "Our answers\n\nQ: Where\nare you?\nA: Here.\n\nSecond part.\n\nQ2. A flu shot?\n"
        "A2. $30 without insurance.\n\n\nBye all\n",
    )
    data = collect_with("faq", path)
    assert pairs(data) == [
        ("Where are you?", "Here.\n\nSecond part.", "3"),
        ("A flu shot?", "$30 without insurance.", "9"),
    ]
    assert data.shape == "prompt"
    # "Our answers" and "Bye all" belong to no pair.
    assert "4 words outside of questions and answers left out." in data.notes


def test_halves_are_named(put):
    data = collect_with("faq", put("f.txt", "A: lost.\nQ: One?\nQ: Two?\nA: Yes.\n"))
    assert pairs(data) == [("Two?", "Yes.", "3")]
    assert any("Line 1: the answer 'lost.' has no question" in note for note in data.notes)
    assert any("Line 2: 'One?' has no answer" in note for note in data.notes)


def test_page_with_data_details_terms_and_headings(put):
    marked = {
        "@graph": [
            {
                "@type": ["FAQPage"],
                "mainEntity": [
                    {
                        "@type": "Question",
                        "name": "Marked?",
                        "acceptedAnswer": {"text": "<p>By <b>JSON</b> &amp; co.</p>"},
                    },
                    {"@type": "Question", "name": "Twice?", "acceptedAnswer": {"text": "Same."}},
                ],
            }
        ]
    }
    page = (
        f'<html><head><script type="application/ld+json">{json.dumps(marked)}</script></head>\n'
        "<body><nav><h3>Menu?</h3>no</nav><h1>Help</h1><p>Welcome here.</p>\n"
        "<h2>Money</h2><h3>Headed?</h3>Bare <i>text</i>,<ul><li>one</li><li>two</li></ul>\n"
        "<h3>Twice?</h3><p>Same.</p>\n"
        "<details><summary>Folded?</summary><p>Yes.</p></details>\n"
        "<dl><dt>Term?</dt><dd>Told.</dd></dl></body></html>"
    )
    data = collect_with("faq", put("f.html", page))
    assert pairs(data) == [
        ("Marked?", "By JSON & co.", "1"),
        ("Twice?", "Same.", "1.2"),
        ("Headed?", "Bare text,\n\n- one\n- two", "3"),
        ("Folded?", "Yes.", "5"),
        ("Term?", "Told.", "6"),
    ]
    assert any("1 question with one answer in two places" in note for note in data.notes)


def test_two_answers_to_one_question_are_said(put):
    text = "# Open?\n\nYes.\n\n# Far?\n\nNo.\n\n# Open?\n\nNo.\n"
    data = collect_with("faq", put("f.md", text))
    assert pairs(data) == [("Open?", "Yes.", "1"), ("Far?", "No.", "5")]
    assert any("'Open?' (lines 1 and 9)" in note for note in data.notes)


def test_markdown_bold_questions_and_folded_ones(put):
    bold = "**Open?**\n\nYes.\n\nDaily.\n\n**Far?**\n\nNo.\n"
    assert pairs(collect_with("faq", put("b.md", bold))) == [
        ("Open?", "Yes.\n\nDaily.", "1"),
        ("Far?", "No.", "7"),
    ]
    folded = "# Help\n\n<details>\n<summary>Open?</summary>\n\nYes.\n\n</details>\n"
    assert pairs(collect_with("faq", put("d.md", folded))) == [("Open?", "Yes.", "3")]


def test_plain_text_whose_paragraphs_start_with_a_question(put):
    data = collect_with("faq", put("f.txt", "Open?\nYes.\n\nFar?\n\nNo.\n"))
    assert pairs(data) == [("Open?", "Yes.", "1"), ("Far?", "No.", "4")]


@pytest.mark.parametrize(
    ("shape", "row"), [("text", ("", "Open?\nYes.")), ("chat", ("user: Open?", "Yes."))]
)
def test_other_shapes(put, shape, row):
    data = collect_with("faq", put("f.txt", "Q: Open?\nA: Yes.\n"), shape=shape)
    assert (data[0].input, data[0].target) == row
    assert len(data[0].messages) == (2 if shape == "chat" else 0)


def test_broken_data_is_named_and_the_page_still_read(put):
    page = '<script type="application/ld+json">{"@type": "FAQPage",</script><h2>Open?</h2>Yes.'
    data = collect_with("faq", put("f.html", page))
    assert pairs(data) == [("Open?", "Yes.", "1")]
    assert any("JSON-LD is broken" in note for note in data.notes)


def test_no_pairs_says_what_would_be_some(put):
    with pytest.raises(DataError, match="lines that start with Q: and A:"):
        collect_with("faq", put("f.txt", "Only some words.\n"))


def test_questions_on_buttons_are_kept_and_other_buttons_are_not(put):
    page = "<h1>FAQ</h1>" + "".join(
        f"<h3><button>How do I pay {what}?</button></h3><p>With {what}.</p><button>Share</button>"
        for what in ("cash", "a card")
    )
    data = collect_with("faq", put("a.html", page))
    assert [(e.input, e.target) for e in data] == [
        ("How do I pay cash?", "With cash."),
        ("How do I pay a card?", "With a card."),
    ]
