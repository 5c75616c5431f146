"""PDF, web pages, Markdown and Word to pieces under their headings, counted by hand."""

from __future__ import annotations

import io
import zipfile

import pytest
from collector_files import collect_with, pdf_bytes, with_body

from fewtune.data.collectors.base import words_in
from fewtune.data.collectors.blocks import Block, cut
from fewtune.errors import DataError, MissingExtra


def rows(data):
    return [(example.target, example.source) for example in data]


def paragraph(text, style=""):
    made = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{made}<w:r><w:t>{text}</w:t></w:r></w:p>"


def test_pieces_join_short_paragraphs_and_cut_long_ones_between_sentences():
    long = "One two three. Four five six. Seven eight."
    pieces = cut([Block("T", "1", 1), Block("a b", "2"), Block("c d", "3"), Block(long, "4")], 6)
    assert [(p.text, p.place, p.part) for p in pieces] == [
        ("a b\n\nc d", "2", 1),
        ("One two three. Four five six.", "4", 2),
        ("Seven eight.", "4", 3),
    ]
    assert {p.headings for p in pieces} == {("T",)}


def test_no_word_is_lost_and_no_piece_too_long():
    text = " ".join(f"w{n}{'.' if n % 37 == 0 else ''}" for n in range(1000))
    pieces = cut([Block(text, "1")], 50)
    assert " ".join(p.text for p in pieces).split() == text.split()
    assert max(words_in(p.text) for p in pieces) <= 50


def test_markdown(put):
    path = put(
        "h.md",
        "---\ntitle: X\n---\n# House\n\nIntro *text*\nruns [on](http://a.b).\n\n## Menu\n\n"
        "1. One<br>or\n0. Desk\n\n| A | B |\n|---|---|\n| c | `d` |\n\n<!-- hidden -->\n",
    )
    data = collect_with("markdown", path)
    assert rows(data) == [
        ("House\n\nIntro text runs on.", "h.md:6"),
        ("House\nMenu\n\n1. One\nor\n0. Desk\n\nA | B\nc | d", "h.md:11"),
    ]
    assert [e.group for e in data] == ["h.md:4", "h.md:9"]
    assert any("Lines 1 to 3" in note for note in data.notes)


def test_headings_ask_where_prompts_are_wanted_and_what_has_none_is_said(put):
    text = "Lost words.\n\n# Rooms\n\n" + "Ten words are in this one sentence, as counted. " * 5
    data = collect_with("markdown", put("r.md", text), shape="prompt", words=20)
    assert [e.input for e in data] == ["Rooms", "Rooms (part 2)", "Rooms (part 3)"]
    assert any("1 piece without a heading" in note and "r.md:1" in note for note in data.notes)
    chat = collect_with("markdown", put("r.md", text), shape="chat", words=20)
    assert [m.role for m in chat[0].messages] == ["user", "assistant"]


def test_plain_text_joins_broken_lines_and_keeps_lists(put):
    broken = "The practice began in 1974 on Mill Road with one doctor and\none type-\nwriter.\n\n"
    data = collect_with("markdown", put("p.txt", broken + "Flu shot $30\nSick note $15\n"))
    assert data[0].target == (
        "The practice began in 1974 on Mill Road with one doctor and one type-\nwriter.\n\n"
        "Flu shot $30\nSick note $15"
    )


PAGE = """<html><head><title>About</title><style>p {color: red}</style></head><body>
<nav><ul><li><a href="/">Home</a></li><li>Jobs</li></ul></nav>
<script>var secret = "never shown";</script>
<article><h1>About us</h1>
<p>We are a family practice in the old customs house of the town, and have been for long.</p>
<h2>Hours</h2>
<p>The desk is open from eight in the morning until six in the evening on every day of the week.</p>
<table><tr><th>Day</th><th>Desk</th></tr><tr><td>Monday</td><td>8 to 6</td></tr></table>
</article><footer>All rights reserved</footer></body></html>"""


def test_a_web_page_gives_its_main_text_without_menus(put):
    data = collect_with("web_page", put("a.html", PAGE))
    assert rows(data) == [
        (
            "About us\n\nWe are a family practice in the old customs house of the town, and have "
            "been for long.",
            "a.html:5",
        ),
        (
            "About us\nHours\n\nThe desk is open from eight in the morning until six in the "
            "evening on every day of the week.\n\nDay | Desk\nMonday | 8 to 6",
            "a.html:7",
        ),
    ]
    # Home, Jobs; All rights reserved.
    assert any(note.startswith("5 words of menus") for note in data.notes)


def test_a_short_page_keeps_its_headings_and_its_encoding(put):
    page = '<meta charset="iso-8859-1"><h1>Caf\xe9</h1><p>Ouvert d\x92habitude.</p>'
    data = collect_with("web_page", put("a.html", page.encode("latin-1")))
    assert data[0].target == "Café\n\nOuvert d’habitude."


@pytest.mark.parametrize("sections", [3, 10, 40])
def test_a_page_whose_text_lies_bare_in_its_body_keeps_its_headings_and_lists(put, sections):
    body = "".join(
        f"<h2>Parcel {n}</h2><p>We keep parcel {n} at the counter for some days, and then it goes "
        f"back to its sender.</p><ul><li>Bring card {n}</li></ul>"
        for n in range(sections)
    )
    page = f"<title>Shop</title><body><h1>Guide</h1>{body}</body>"
    text = "\n".join(e.target for e in collect_with("web_page", put("a.html", page)))
    assert [text.count(word) for word in ("\nParcel", "- Bring card")] == [sections, sections]


def test_code_of_a_page_keeps_its_lines_and_their_indentation(put):
    page = "<h1>Setup</h1><pre>if x:\n    y()\n</pre>"
    data = collect_with("web_page", put("a.html", page))
    assert data[0].target == "Setup\n\nif x:\n    y()"


def test_entities_of_a_page_read_no_file(put):
    secret = put("secret.txt", "TOP SECRET")
    page = f'<!DOCTYPE html [<!ENTITY x SYSTEM "file://{secret}">]><body><h1>T</h1><p>a &x; b</p>'
    assert "SECRET" not in str(rows(collect_with("web_page", put("x.html", page))))


def test_pages_without_text_say_so(put):
    page = "<html><head><script>var a = 1;</script></head><body><style>p {}</style></body></html>"
    with pytest.raises(DataError, match="only scripts, styles or menus"):
        collect_with("web_page", put("s.html", page))
    with pytest.raises(DataError, match="headings only"):
        collect_with("web_page", put("s.html", "<html><body><h1>Title</h1></body></html>"))
    with pytest.raises(DataError, match=r"Excessive depth"):
        collect_with("web_page", put("d.html", "<div>" * 2000 + "x"))


def test_pdf_headings_paragraphs_tables_and_running_titles(put):
    title = ("House rules, page", 72, 760, 8)
    full = "Please tell the desk at least one day before, so that an-"
    pages = [
        [
            (f"{title[0]} 1", *title[1:]),
            ("Fees", 72, 700, 18),
            (full, 72, 670, 10),
            ("other patient can have the hour.", 72, 658, 10),
            ("Sick note", 72, 620, 10),
            ("$15", 300, 620, 10),
            ("Flu shot", 72, 602, 10),
            ("$30", 300, 602, 10),
        ],
        [(f"{title[0]} 2", *title[1:]), ("Closing", 72, 700, 18), ("Sundays.", 72, 670, 10)],
    ]
    data = collect_with("pdf", put("f.pdf", pdf_bytes(pages)))
    assert rows(data) == [
        (
            "Fees\n\nPlease tell the desk at least one day before, so that another patient can "
            "have the hour.\n\nSick note $15\n\nFlu shot $30",
            "f.pdf#page1",
        ),
        ("Closing\n\nSundays.", "f.pdf#page2"),
    ]
    assert any("running title 'House rules, page 1' left out, in 2 places" in n for n in data.notes)


def test_pdf_without_headings_is_grouped_by_page_and_empty_pages_are_named(put):
    pages = [[("First.", 72, 700, 10)], [], [("Third.", 72, 700, 10)]]
    data = collect_with("pdf", put("f.pdf", pdf_bytes(pages)))
    assert [(e.target, e.group) for e in data] == [
        ("First.", "f.pdf#page1"),
        ("Third.", "f.pdf#page3"),
    ]
    assert data.notes == ("1 page (2) without text; if they are scans, run OCR over them.",)


def test_pdfs_that_cannot_be_read(put):
    import pypdf

    with pytest.raises(DataError, match="OCR"):
        collect_with("pdf", put("scan.pdf", pdf_bytes([[], []])))
    with pytest.raises(DataError, match="can be read"):
        collect_with("pdf", put("cut.pdf", pdf_bytes([[("Hi", 72, 700, 10)]])[:200]))
    writer = pypdf.PdfWriter(io.BytesIO(pdf_bytes([[("Hi", 72, 700, 10)]])))
    writer.encrypt("secret", algorithm="RC4-128")
    locked = io.BytesIO()
    writer.write(locked)
    with pytest.raises(DataError, match="locked with a password"):
        collect_with("pdf", put("locked.pdf", locked.getvalue()))


def test_docx_headings_lists_tables_and_tracked_changes(put):
    body = (
        paragraph("Policies", "Title")
        + paragraph("Visits", "Heading1")
        + paragraph("Come early.")
        + paragraph("free once;", "ListBullet")
        + paragraph("free when ill.", "ListBullet")
        + "<w:p><w:ins><w:r><w:t>New words.</w:t></w:r></w:ins>"
        "<w:del><w:r><w:delText>Old words.</w:delText></w:r></w:del></w:p>"
        "<w:sdt><w:sdtContent>" + paragraph("In a control.") + "</w:sdtContent></w:sdt>"
        "<w:tbl><w:tr><w:tc>"
        + paragraph("Copy")
        + "</w:tc><w:tc>"
        + paragraph("$15")
        + "</w:tc></w:tr></w:tbl>"
    )
    data = collect_with("docx", put("p.docx", with_body(body)))
    assert rows(data) == [
        (
            "Policies\nVisits\n\nCome early.\n\n- free once;\n- free when ill.\n\nNew words.\n\n"
            "In a control.\n\nCopy | $15",
            "p.docx#paragraph3",
        )
    ]


def test_docx_that_cannot_be_read(put):
    with pytest.raises(DataError, match="broken archive"):
        collect_with("docx", put("a.docx", with_body(paragraph("x"))[:400]))
    with pytest.raises(DataError, match="no text"):
        collect_with("docx", put("b.docx", with_body("")))
    with pytest.raises(DataError, match="old or locked Office"):
        collect_with("docx", put("c.docx", b"\xd0\xcf\x11\xe0" + bytes(600)))
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", bytes(40 * 1024**2))
    with pytest.raises(DataError, match="unpacks to at most"):
        collect_with("docx", put("bomb.docx", bomb.getvalue()))


def test_docx_entities_read_no_file_and_do_not_grow(put):
    secret = put("secret.txt", "TOP SECRET")
    outside = f'<!DOCTYPE d [<!ENTITY x SYSTEM "file://{secret}">]>'
    data = collect_with("docx", put("x.docx", with_body(paragraph("a&x;b"), outside)))
    assert "SECRET" not in str(rows(data))
    grown = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9))
    laughs = f'<!DOCTYPE d [<!ENTITY e0 "lololol">{grown}]>'
    try:
        data = collect_with("docx", put("l.docx", with_body(paragraph("a&e8;b"), laughs)))
        assert len(str(rows(data))) < 1000
    except DataError as error:
        assert "can be read" in error.expected


def test_missing_libraries_name_the_extra(put, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pypdf", None)
    with pytest.raises(MissingExtra, match=r"fewtune\[collect\]"):
        collect_with("pdf", put("f.pdf", pdf_bytes([[("Hi", 72, 700, 10)]])))
