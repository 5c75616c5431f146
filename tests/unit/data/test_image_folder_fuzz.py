"""Folders of images, damaged at random: rows or an error of ours, then findings, never a crash."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import tempfile
import tracemalloc
import warnings
import zlib
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewtune.checks.base import Context
from fewtune.checks.run import run
from fewtune.data.images import open_image
from fewtune.data.load import load
from fewtune.data.split import split
from fewtune.errors import DataError, FewtuneError

FORMATS = {"PNG": "png", "JPEG": "jpg", "GIF": "gif", "BMP": "bmp", "WEBP": "webp", "TIFF": "tif"}


@cache
def picture(kind: str, shade: int) -> bytes:
    from PIL import Image

    image = Image.new("RGB", (20, 16), (shade % 256, 80, 255 - shade % 256))
    for at in range(12):
        image.putpixel((at, (at * shade) % 16), (255, shade % 256, 0))
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def png_of(width: int, height: int) -> bytes:
    """Return a PNG whose head claims a size and whose pixels are hardly any."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def fill(folder: Path, classes: int = 2, each: int = 6) -> None:
    kinds = list(FORMATS)
    for label in range(classes):
        (folder / f"class {label}").mkdir()
        for number in range(each):
            kind = kinds[number % len(kinds)]
            path = folder / f"class {label}" / f"{number}.{FORMATS[kind]}"
            path.write_bytes(picture(kind, 40 * number + 7 * label + 1))


def survives(folder: Path, need_target: bool = True) -> str:
    """Load, look and split; return the error's words, if one of ours came."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            data = load(folder, need_target=need_target)
        except FewtuneError as error:
            assert len(str(error)) < 3000
            str(error).encode()
            return str(error)
        assert len(data)
        for example in data:
            assert example.fingerprint
            with contextlib.suppress(DataError):
                open_image(example.input, example.source).load()
        if need_target:
            report = run(Context(data))
            known = {example.source for example in data}
            assert all(set(finding.rows) <= known for finding in report.findings)
            with contextlib.suppress(DataError):
                split(data)
    return ""


@st.composite
def damage(draw: st.DrawFn) -> tuple[str, int, int, bytes]:
    kind = draw(
        st.sampled_from(
            "truncate zero overwrite rename giant text link loop folder name empty_class hidden "
            "wrong_kind drop_class".split()
        )
    )
    return kind, draw(st.integers(0, 11)), draw(st.integers(0, 3000)), draw(st.binary(max_size=9))


def apply(folder: Path, change: tuple[str, int, int, bytes]) -> None:
    kind, which, at, piece = change
    files = sorted(f for f in folder.glob("class */*") if f.is_file() and not f.is_symlink())
    if not files:
        return
    file = files[which % len(files)]
    content = file.read_bytes()
    at = at % (len(content) + 1)
    home = file.parent
    if kind in ("truncate", "zero", "overwrite", "giant", "text", "wrong_kind"):
        file.write_bytes(
            {
                "truncate": content[:at],
                "zero": b"",
                "overwrite": content[:at] + piece + content[at + len(piece) :],
                "giant": png_of(60_000, 60_000 + which),
                "text": b"<html>" + piece,
                "wrong_kind": picture("JPEG", which),
            }[kind]
        )
    elif kind == "rename":
        file.rename(file.with_suffix(".txt"))
    elif kind == "link":
        (home / "link.png").unlink(missing_ok=True)
        os.symlink("/etc/hostname", home / "link.png")
    elif kind == "loop":
        (home / "loop.png").unlink(missing_ok=True)
        os.symlink(home / "loop.png", home / "loop.png")
    elif kind == "folder":
        (home / "album.png").mkdir(exist_ok=True)
    elif kind == "name":
        Path(os.fsdecode(os.fsencode(home) + b"/\xff\xfe\x80.png")).write_bytes(content)
    elif kind == "empty_class":
        (folder / "nothing").mkdir(exist_ok=True)
    elif kind == "hidden":
        (home / ".cache.png").write_bytes(piece)
    elif kind == "drop_class":
        for other in home.iterdir():
            if other.is_file() or other.is_symlink():
                other.unlink()


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(changes=st.lists(damage(), min_size=1, max_size=3), need_target=st.booleans())
def test_damaged_folders(changes: list[tuple[str, int, int, bytes]], need_target: bool) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "pets"
        folder.mkdir()
        fill(folder)
        for change in changes:
            apply(folder, change)
        survives(folder, need_target)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("zero", 0, 0, b""), "an empty file"),
        (("text", 0, 0, b""), "cannot identify image file"),
        (("giant", 0, 0, b""), "more than 89 million pixels"),
        (("link", 0, 0, b""), "a link that leaves the folder"),
        (("loop", 0, 0, b""), "loop"),
        (("folder", 0, 0, b""), "album.png"),
        (("name", 0, 0, b""), "a name that is not UTF-8"),
    ],
)
def test_what_is_said(tmp_path: Path, change: tuple[str, int, int, bytes], says: str) -> None:
    fill(tmp_path)
    apply(tmp_path, change)
    error = survives(tmp_path)
    assert says in error
    assert "class 0/" in error


def test_sound_images_under_another_suffix_and_odd_neighbours_load(tmp_path: Path) -> None:
    fill(tmp_path)
    for kind in ("wrong_kind", "empty_class", "hidden"):
        apply(tmp_path, (kind, 3, 0, b"x"))
    (tmp_path / "class 0" / "notes.txt").write_text("bring more cats")
    assert not survives(tmp_path)
    data = load(tmp_path)
    assert len(data) == 12
    assert any("notes.txt" in note for note in data.notes)
    assert any("nothing" in note for note in data.notes)


def test_one_class_loads_and_the_check_refuses_it(tmp_path: Path) -> None:
    fill(tmp_path, classes=1)
    report = run(Context(load(tmp_path)))
    assert any(f.check == "class_balance" and f.severity == "error" for f in report.findings)


def test_a_truncated_image_is_named_before_training(tmp_path: Path) -> None:
    fill(tmp_path)
    file = tmp_path / "class 1" / "0.png"
    file.write_bytes(file.read_bytes()[:-40])
    report = run(Context(load(tmp_path)))
    assert [f.rows for f in report.findings if f.severity == "error"] == [
        (f"{tmp_path}/class 1/0.png",)
    ]


def test_a_bomb_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "class 0" / "bomb.png").write_bytes(png_of(2**31 - 1, 2**31 - 1))
    tracemalloc.start()
    with pytest.raises(DataError, match=r"bomb\.png"):
        load(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
