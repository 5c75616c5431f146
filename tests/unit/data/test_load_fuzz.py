"""Valid files of every format, damaged at random: rows or an error of ours, and nothing else."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import lzma
import tempfile
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewtune.data.load import load
from fewtune.errors import FewtuneError

_TABLE = 'text,label,group,weight,time\n"one, two",a,g,1,2025-01-01\nthree,b,g,2.5,2025-01-02\n'
_ROWS = [{"text": "één", "label": "a"}, {"text": "two\nlines", "label": "b"}]
_CHAT = {
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}],
    "group": "g",
}
_SHARE = {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Yes?"}]}
_ALPACA = {"instruction": "Add", "input": "1", "output": "2"}


def _lines(*rows: object) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


@cache
def _parquet() -> bytes:
    pyarrow = pytest.importorskip("pyarrow", reason="parquet needs pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet", reason="parquet needs pyarrow")
    file = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(_ROWS), file)
    return file.getvalue()


FILES = {
    "a.csv": _TABLE.encode(),
    "b.csv": _TABLE.encode("utf-16"),
    "c.csv": "text;label\nCafé;a\n".encode("cp1252"),
    "a.tsv": _TABLE.replace(",", "\t").encode(),
    "a.jsonl": _lines(*_ROWS),
    "b.jsonl": _lines(_CHAT, _CHAT),
    "c.jsonl": _lines(_SHARE),
    "d.jsonl": _lines(_ALPACA),
    "a.json": json.dumps(_ROWS, indent=1).encode(),
    "a.txt": b"one\n\ntwo\nthree\n",
    "a.csv.gz": gzip.compress(_TABLE.encode()),
    "a.jsonl.xz": lzma.compress(_lines(*_ROWS)),
}


@contextlib.contextmanager
def _file(name: str, content: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path


@st.composite
def _damage(draw: st.DrawFn, content: bytes) -> bytes:
    """Cut, repeat, overwrite or insert pieces of the file."""
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        end = draw(st.integers(at, min(len(content), at + 12)))
        kind = draw(st.sampled_from(["cut", "insert", "overwrite", "repeat", "truncate"]))
        piece = draw(
            st.one_of(
                st.binary(max_size=8),
                st.sampled_from(
                    [b'"', b",", b"\n", b"\r", b"\0", b"{", b"[", b"}", b"null", b"1e999", b"-1",
                     b"NaN", b"\\ud800", b"\xff\xfe", b"\xef\xbb\xbf", b"text", b"[[[", b"\t"]
                ),
            )
        )  # fmt: skip
        content = {
            "cut": content[:at] + content[end:],
            "insert": content[:at] + piece + content[at:],
            "overwrite": content[:at] + piece + content[at + len(piece) :],
            "repeat": content[:end] + content[at:],
            "truncate": content[:at],
        }[kind]
    return content


def _survives(name: str, content: bytes, need_target: bool) -> None:
    with _file(name, content) as path, warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            data = load(path, need_target=need_target)
        except FewtuneError as error:
            assert len(str(error)) < 3000
            return
    assert len(data) > 0
    for example in data:
        assert example.fingerprint  # every text can be encoded
        assert example.source.startswith(str(path))


@pytest.mark.parametrize("name", sorted(FILES))
@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(data=st.data(), need_target=st.booleans())
def test_damaged_files(name: str, data: st.DataObject, need_target: bool) -> None:
    _survives(name, data.draw(_damage(FILES[name])), need_target)


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_damaged_parquet(data: st.DataObject) -> None:
    _survives("a.parquet", data.draw(_damage(_parquet())), True)


_JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["role", "content", "from", "value", "text", "tool_calls", "path", "x"]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=12,
)
_KEYS = st.sampled_from(
    "text label messages conversations prompt completion instruction input output image group "
    "weight time system other".split()
)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    rows=st.lists(st.dictionaries(_KEYS, _JUNK, max_size=5), min_size=1, max_size=3),
    need_target=st.booleans(),
)
def test_junk_under_known_keys(rows: list[dict[str, object]], need_target: bool) -> None:
    _survives("a.jsonl", _lines_safe(rows), need_target)


def _lines_safe(rows: list[dict[str, object]]) -> bytes:
    """Return the rows as jsonl; escapes keep half characters writable."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()
