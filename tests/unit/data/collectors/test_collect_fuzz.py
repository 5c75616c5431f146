"""Mutated files of every kind end in rows or in an error that says what is wrong."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import pytest
from collector_files import pdf_bytes, with_body
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fewtune.data.collectors.base import COLLECTORS, Document, Options
from fewtune.data.collectors.markup import parse_html
from fewtune.data.collectors.run import collect
from fewtune.errors import FewtuneError

SEEDS = {
    "a.pdf": pdf_bytes([[("Fees", 72, 700, 18), ("Some words.", 72, 670, 10)]] * 2),
    "a.docx": with_body("<w:p><w:r><w:t>Some words.</w:t></w:r></w:p>"),
    "a.html": b'<html><script type=\'application/ld+json\'>{"@type": "FAQPage"}</script><body>'
    b"<h1>A?</h1><p>b <i>c</i></p><details><summary>D?</summary>e</details><dl><dt>F?<dd>g</dl>"
    b"<table><tr><td>h</td></tr></table></body></html>",
    "a.md": b"---\ntitle: x\n---\n# A?\n\nb **c** [d](e)\n\n1. f\n   - g\n\n| h | i |\n|--|--|\n"
    b"| j | k |\n\n<details><summary>L?</summary>m</details>\n\n```\nn\n```\n",
    "a.txt": b"Call 1\nDate: 2026-01-01\n[00:01] Agent: a\n**Bob:** b\nBob (00:03): c\nAgent: d\n"
    b"---\nQ: e?\nA: f\n",
    "a.vtt": b"WEBVTT\n\n1\n00:01.000 --> 00:02.000\n<v Agent>a &amp; <i>b</i>\n\n"
    b"00:03.000 --> 00:04.000\nCaller: c\n",
    "a.srt": b"1\n00:00:01,000 --> 00:00:02,000\nAgent: a\n\n2\n00:00:03,000 --> 00:00:04,000\n"
    b"Caller: b\n",
}
PIECES = st.one_of(
    st.binary(max_size=6),
    st.sampled_from(b"< > &#0; ]]> --> <v ( endobj Amy: Q: ? <table> / ``` [".split()),
    st.sampled_from([b"\x00", b"\xff\xfe", b"\n\n", b"\r", b"\xe9", b"\xed\xa0\x80", b"9" * 30]),
)
CHANGES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), PIECES), min_size=1, max_size=6)


def changed(data, changes):
    for place, gone, piece in changes:
        at = int(place * len(data))
        data = data[:at] + piece + data[at + gone :]
    return data


@pytest.mark.parametrize("name", SEEDS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=CHANGES, shape=st.sampled_from([None, "text", "prompt", "chat"]))
def test_mutated_files_never_crash(name, changes, shape):
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        path = Path(folder) / name
        path.write_bytes(changed(SEEDS[name], changes))
        try:
            found = collect([str(path)], Options(shape))
        except FewtuneError as error:
            assert name in str(error)
        else:
            sources = [example.source for example in found.dataset]
            assert len(set(sources)) == len(sources) > 0
            assert all(example.target and example.target.strip() for example in found.dataset)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    text=st.text(max_size=200), name=st.sampled_from(["faq", "markdown", "transcript", "web_page"])
)
def test_any_text_never_crashes_any_collector_of_text(text, name):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.md"
        path.write_text(text, encoding="utf-8", errors="replace")
        try:
            COLLECTORS.load(name)().collect(Document(path, "x.md"), Options())
        except FewtuneError:
            pass


@pytest.mark.parametrize("mark", ["\x01", "\x0b", "&#1;", "&#xFFFE;"])
def test_what_xml_cannot_hold_is_no_text_of_a_page(mark):
    page = f"<body><dl><dt>Open?</dt><dd>a{mark}b</dd></dl>tail{mark}end<p>more</p></body>"
    tree = parse_html(page, Document("p.html", b""), [])
    assert tree.find(".//dd").text == "a b"
    tree.find(".//dl").drop_tree()
    assert "tail end" in tree.text_content()
