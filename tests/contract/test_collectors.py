"""What every collector keeps, for each file of the folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fewtune.data.collectors.base import COLLECTORS, Document, Options
from fewtune.errors import DataError

NAMES = COLLECTORS.names()
DOCUMENTS = Path(__file__).parents[2] / "examples" / "front_desk" / "documents"
OWN = {
    "docx": "policies.docx",
    "faq": "faq.html",
    "markdown": "handbook.md",
    "pdf": "price_list.pdf",
    "transcript": "call_0414.txt",
    "web_page": "about.html",
}


def test_every_collector_has_a_document_here():
    assert set(OWN) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_does(name):
    assert re.match(r"[A-Z].*\.$", COLLECTORS.help(name))
    assert COLLECTORS.load(name)().shape in ("text", "prompt", "chat")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", [b"", b"\n \n", bytes(range(256)) * 20, b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_document_is_refused_by_name(name, content, tmp_path):
    suffix = (*COLLECTORS.load(name).suffixes, ".txt")[0]
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    collector = COLLECTORS.load(name)()
    assert collector.accepts(Document(path, path.name)) <= 0.3
    with pytest.raises(DataError, match=f"x{suffix}"):
        collector.collect(Document(path, path.name), Options())


@pytest.mark.skipif(not DOCUMENTS.is_dir(), reason="the examples are not here")
@pytest.mark.parametrize("shape", [None, "text", "prompt", "chat"])
@pytest.mark.parametrize("name", NAMES)
def test_rows_are_whole_in_every_shape(name, shape):
    document = Document(DOCUMENTS / OWN[name], OWN[name])
    collector = COLLECTORS.load(name)()
    scores = {n: COLLECTORS.load(n)().accepts(document) for n in NAMES}
    assert max(scores, key=lambda n: scores[n]) == name
    data = collector.collect(document, Options(shape))
    assert data.shape == (shape or collector.shape)
    sources = [example.source for example in data]
    assert len(set(sources)) == len(sources) > 0
    for example in data:
        assert re.match(rf"{re.escape(OWN[name])}(:\d|#(page|paragraph)\d)", example.source)
        assert example.group.startswith(OWN[name])
        assert example.target and example.target.strip()
        assert bool(example.input) == (data.shape != "text")
        assert bool(example.messages) == (data.shape == "chat")
    again = collector.collect(Document(DOCUMENTS / OWN[name], OWN[name]), Options(shape))
    assert again == data
