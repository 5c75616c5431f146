"""Files, folders and addresses to one file of data, through the command."""

from __future__ import annotations

import gzip
import json
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import typer
from collector_files import DOCUMENTS, pdf_bytes
from typer.testing import CliRunner

from fewtune.cli.collect import collect as verb
from fewtune.data.collectors.base import Options
from fewtune.data.collectors.fetch import fetch
from fewtune.data.collectors.run import collect
from fewtune.data.load import load
from fewtune.errors import DataError, PlanError

app = typer.Typer()
app.command()(verb)

FAQ = "Q: Open?\nA: Yes.\n\nQ: Far?\nA: No.\n"
CALL = "Agent: Hi.\nCaller: A.\nAgent: B.\n"
GUIDE = "# Guide\n\nSome words here.\n"


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_folder_is_read_whole_and_every_file_is_accounted_for(put, tmp_path):
    put("in/a.md", GUIDE)
    put("in/sub/b.txt", "Only one plain paragraph.\n")
    put("in/c.png", b"\x89PNG\r\n\x1a\n123")
    put("in/d.csv", "text,label\na,b\n")
    put("in/.hidden.md", GUIDE)
    put("in/e.pdf", pdf_bytes([[]]))
    put("in/f.md", "")
    os.symlink(put("outside.md", GUIDE), tmp_path / "in" / "link.md")
    os.mkfifo(tmp_path / "in" / "pipe.md")
    found = collect([str(tmp_path / "in")])
    assert [e.target for e in found.dataset] == [
        "Guide\n\nSome words here.",
        "Only one plain paragraph.",
    ]
    reasons = {os.path.basename(entry.name): entry.reason for entry in found.left_out}
    expected = {
        "c.png": "PNG",
        "d.csv": "data already",
        ".hidden.md": "hidden",
        "e.pdf": "OCR",
        "f.md": "empty file",
        "link.md": "leads out",
        "pipe.md": "no regular file",
    }
    assert reasons.keys() == expected.keys()
    assert all(word in reasons[name] for name, word in expected.items())
    assert [os.path.basename(e.name) for e in found.left_out if e.failed] == ["e.pdf", "f.md"]


def test_what_is_written_loads_again_with_its_groups(put, tmp_path):
    out = tmp_path / "data.jsonl"
    result = run(put("f.txt", FAQ), put("g.txt", "Q: New?\nA: Old.\n\nQ: B?\nA: C.\n"), "-o", out)
    assert result.exit_code == 0, result.output
    assert "Wrote 4 rows with prompt and completion in 4 groups, from 2 documents" in result.stdout
    data = load(out)
    assert (data.shape, [(e.input, e.target) for e in data][:2]) == (
        "prompt",
        [("Open?", "Yes."), ("Far?", "No.")],
    )
    assert data[0].group == f"{tmp_path / 'f.txt'}:1"


def test_it_refuses_to_overwrite_and_force_replaces(put, tmp_path):
    out = put("data.jsonl", "precious\n")
    source = put("f.txt", FAQ)
    result = run(source, "-o", out)
    assert (result.exit_code, out.read_text()) == (2, "precious\n")
    assert "--force" in result.stderr
    assert run(source, "-o", out, "--force").exit_code == 0
    assert len(load(out)) == 2


def test_questions_and_calls_become_chats_together(put, tmp_path):
    out = tmp_path / "data.jsonl"
    result = run(put("f.txt", FAQ), put("c.txt", CALL), "-o", out, "--json")
    said = json.loads(result.stdout)
    assert (said["shape"], said["rows"], said["groups"]) == ("chat", 3, 3)
    assert [s["collector"] for s in said["sources"]] == ["faq", "transcript"]
    assert [len(e.messages) for e in load(out)] == [2, 2, 3]


def test_running_text_and_calls_ask_for_a_shape(put, tmp_path):
    out = tmp_path / "data.jsonl"
    sources = put("g.md", GUIDE), put("c.txt", CALL)
    result = run(*sources, "-o", out)
    assert result.exit_code == 2
    assert "chat (1 rows of c.txt); text (1 rows of g.md)" in result.stderr
    assert not out.exists()
    for shape in ("text", "prompt", "chat"):
        assert run(*sources, "-o", out, "--force", "--as", shape).exit_code == 0
        assert load(out).shape == shape


def test_every_named_source_that_fails_is_told_and_nothing_written(put, tmp_path):
    out = tmp_path / "data.jsonl"
    result = run(put("g.md", GUIDE), put("e.md", ""), tmp_path / "none.md", "-o", out)
    assert result.exit_code == 2
    assert "2 of 3 that cannot" in result.stderr
    assert "e.md" in result.stderr and "none.md" in result.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--as", "texts"], "Did you mean text"),
        (["--roles", "Amy"], "Amy=assistant"),
        (["--collector", "pfd"], "Did you mean pdf"),
        (["--words", "3"], "20 to 100,000"),
        (["--collector", "docx"], "Leave --collector out"),
    ],
)
def test_wrong_options(put, tmp_path, arguments, words):
    result = run(put("f.txt", FAQ), "-o", tmp_path / "d.jsonl", *arguments)
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.mark.parametrize("name", ["d.xyz", "none/d.jsonl", "."])
def test_a_place_that_cannot_be_written_is_told_before_the_work(put, tmp_path, name):
    result = run(put("f.txt", FAQ), "-o", tmp_path / name)
    assert result.exit_code == 2
    assert result.stderr.startswith("Expected ")


def test_content_decides_before_the_name(put):
    found = collect(
        [str(put("page.pdf", "<html><body><h1>Gone</h1><p>No file.</p></body></html>"))]
    )
    assert found.taken[0].collector == "web_page"
    assert "Its name ends in .pdf" in found.taken[0].notes[-1]
    for name, content in (("b.md", bytes(range(256)) * 9), ("b.docx", b"no zip"), ("b.pdf", b"x")):
        with pytest.raises(DataError, match=r"b\."):
            collect([str(put(name, content))])


@pytest.mark.parametrize("name", ["big.md", "big.html", "big.vtt", "big.txt"])
def test_fifty_megabytes_are_refused_by_size(put, name):
    head = {"big.html": b"<html><p>", "big.vtt": b"WEBVTT\n"}.get(name, b"# A\n\n")
    with pytest.raises(DataError, match=r"at most \d+ MiB. Got one of 50.0 MiB"):
        collect([str(put(name, head + b"word " * (10 * 1024**2)))])


class Site(BaseHTTPRequestHandler):
    """A small site: a page, a packed one, a large one, and ways elsewhere."""

    def do_GET(self):
        page = b"<html><body><h1>Caf\xe9</h1><p>Open daily, all year.</p></body></html>"
        routes = {
            "/page": (200, {"Content-Type": "text/html; charset=latin-1"}, page),
            "/packed": (
                200,
                {"Content-Type": "text/html; charset=latin-1", "Content-Encoding": "gzip"},
                gzip.compress(page),
            ),
            "/bomb": (200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(3_000_000))),
            "/large": (200, {}, b"x" * 2_000_000),
            "/file": (302, {"Location": "file:///etc/passwd"}, b""),
            "/ftp": (302, {"Location": "ftp://127.0.0.1/x"}, b""),
            "/loop": (302, {"Location": "/loop"}, b""),
            "/on": (302, {"Location": "/page"}, b""),
        }
        status, headers, body = routes.get(self.path, (404, {}, b"none"))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass  # The client had enough.

    def log_message(self, *_):
        pass


@pytest.fixture
def site(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("route", ["/page", "/packed", "/on"])
def test_an_address_is_fetched(site, route):
    found = collect([site.replace("//", "//me:secret@") + route + "#top"])
    assert [e.target for e in found.dataset] == ["Café\n\nOpen daily, all year."]
    # The password is no part of the source.
    assert found.dataset[0].source == f"{site}{route}:1"


@pytest.mark.parametrize(
    ("route", "words"),
    [
        ("/none", "404"),
        ("/file", "not allowed"),
        ("/ftp", "http:// or https://"),
        ("/loop", "infinite loop|302"),
        ("/large", "at most 1 MiB"),
        ("/bomb", "at most 1 MiB"),
    ],
)
def test_addresses_that_fail(site, route, words, tmp_path):
    with pytest.raises(DataError, match=words):
        fetch(site + route, tmp_path, most=1024**2)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://a.b/c", "http://", "http://a:xx/", "http://127.0.0.1:1/"]
)
def test_addresses_that_are_none(url, tmp_path):
    with pytest.raises(DataError):
        fetch(url, tmp_path, timeout=2)


def test_a_server_that_does_not_answer_is_given_up(tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(DataError, match="timed out"):
            fetch(f"http://127.0.0.1:{port}/", tmp_path, timeout=0.2)


def test_words_are_in_range():
    with pytest.raises(PlanError):
        collect(["x"], Options(words=5))


# Counted by hand from the files.
FRONT_DESK = {
    "about.html": ("web_page", 5),
    "call_0413.srt": ("transcript", 1),
    "call_0414.txt": ("transcript", 1),
    "faq.html": ("faq", 11),
    "faq.txt": ("faq", 10),
    "handbook.md": ("markdown", 9),
    "policies.docx": ("docx", 8),
    "price_list.pdf": ("pdf", 6),
}


@pytest.mark.skipif(not DOCUMENTS.is_dir(), reason="the examples are not here")
@pytest.mark.parametrize("name", FRONT_DESK)
def test_front_desk_documents(name):
    found = collect([str(DOCUMENTS / name)])
    assert (found.taken[0].collector, len(found.dataset)) == FRONT_DESK[name]


@pytest.mark.skipif(not DOCUMENTS.is_dir(), reason="the examples are not here")
def test_front_desk_as_a_newcomer(tmp_path):
    out = tmp_path / "data.jsonl"
    result = run(DOCUMENTS, "-o", out, "--as", "chat", "--roles", "Joan=assistant")
    assert result.exit_code == 0, result.output
    assert "scanned.pdf: Expected a PDF with text" in result.stdout
    data = load(out)
    # 51 of the files above, and call 0412.
    assert len(data) == sum(count for _, count in FRONT_DESK.values()) + 1 == 52
    texts = [example.target for example in data]
    assert any("Standard visit, 15 minutes | $95\nLong visit" in text for text in texts)
    assert "$30 without insurance. All four plans that we take cover it in full." in texts
    (call,) = [e for e in data if e.group.endswith("call_0412.vtt")]
    assert [m.role for m in call.messages] == ["assistant", "user"] * 4
    assert call.messages[5].content == "Half past one, please. (laughs) Will I be charged for this?"
