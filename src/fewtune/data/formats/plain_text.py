"""Rows from plain text: a paragraph each where blank lines part them, else a line each."""

from __future__ import annotations

from pathlib import Path

from fewtune.data.formats.base import Record, Table
from fewtune.data.formats.decode import open_text, read_lines

__all__ = ["read_text"]


def read_text(path: Path, name: str) -> Table:
    """Return the paragraphs or lines of a text file under the column ``text``.

    Paragraphs are lines between blank lines; a file in which no blank line stands between others
    gives a row for each line.
    """
    lines: list[tuple[int, str]] = []
    paragraphs: list[tuple[int, list[str]]] = []
    apart = True
    with open_text(path, name) as (text, encoding):
        for number, line in enumerate(read_lines(text, name), 1):
            content = line.rstrip("\r\n")
            if not content.strip():
                apart = True
                continue
            lines.append((number, content))
            if apart:
                paragraphs.append((number, []))
            paragraphs[-1][1].append(content)
            apart = False
    table = Table(name, [], str(path.parent), [encoding.note] if encoding.note else [])
    if len(paragraphs) > 1:
        table.records = [Record(at, {"text": "\n".join(part)}) for at, part in paragraphs]
        table.notes.append("Each paragraph between blank lines is one row.")
    else:
        table.records = [Record(at, {"text": content}) for at, content in lines]
        table.notes.append("Each line is one row.")
    return table
