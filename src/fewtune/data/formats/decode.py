"""Files to characters: decompression with a bound, and encodings found and said."""

from __future__ import annotations

import codecs
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from fewtune.data.formats.base import MAX_LINE
from fewtune.errors import DataError

__all__ = [
    "MAX_BYTES",
    "MAX_RATIO",
    "Encoding",
    "find_encoding",
    "open_bytes",
    "open_text",
    "read_lines",
]

MAX_BYTES = 2 * 1024**3
"""Bytes of the largest file that is read, after decompression."""

MAX_RATIO = 200
"""Times that a file may grow when decompressed, once it is past ``FREE_BYTES``. Text packs 3 to 20
times; only a file made to fill memory packs 1,000 times."""

FREE_BYTES = 32 * 1024**2
CHUNK = 1024**2
XZ_MEMORY = 256 * 1024**2

GZIP_MAGIC = b"\x1f\x8b"
XZ_MAGIC = b"\xfd7zXZ\x00"
BINARY_MAGICS = {
    b"PK\x03\x04": "a zip archive (xlsx and docx are such)",
    b"%PDF": "a PDF",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x7fELF": "a program",
    b"PAR1": "a parquet file",
    b"SQLite format 3": "a SQLite database",
    b"BZh": "a bzip2 archive",
    b"(\xb5/\xfd": "a zstandard archive",
    b"\x80\x04\x95": "a Python pickle",
    b"\xd0\xcf\x11\xe0": "an old Office document",
}
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
BAD_BYTES = re.compile("[\udc80-\udcff]")
NOT_ASCII = re.compile("[^\x00-\x7f]")


class _Bounded(io.RawIOBase):
    """Reads through a decompressor and refuses what grows past every measure."""

    def __init__(self, source: IO[bytes], name: str, packed_size: int) -> None:
        self._source = source
        self._name = name
        self._packed_size = packed_size
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._source.read(len(buffer))
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise DataError(
                "a compressed file that can be unpacked to its end",
                f"{str(error) or type(error).__name__} after {self._read:,} bytes",
                self._name,
                "Fetch or compress the file again",
            ) from error
        self._read += len(data)
        self._refuse_bombs()
        buffer[: len(data)] = data
        return len(data)

    def _refuse_bombs(self) -> None:
        if self._read > MAX_BYTES:
            raise DataError(
                f"a file of at most {MAX_BYTES // 1024**3} GiB",
                "a larger one",
                self._name,
                "Train on a sample of it",
            )
        if self._read > FREE_BYTES and self._read > MAX_RATIO * self._packed_size:
            raise DataError(
                f"a compressed file that grows at most {MAX_RATIO} times",
                f"{self._packed_size:,} bytes that grow past {self._read:,}",
                self._name,
                "Unpack it yourself if you trust it, and give the unpacked file",
            )


class _XzSource(io.RawIOBase):
    """Unpacks xz with a bound on the memory that the file may ask for."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._unpacker = lzma.LZMADecompressor(memlimit=XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def read(self, size: int = -1) -> bytes:
        while True:
            if self._unpacker.eof:
                rest = self._unpacker.unused_data.lstrip(b"\0") or self._file.read(CHUNK)
                if not rest:
                    return b""
                self._unpacker = lzma.LZMADecompressor(memlimit=XZ_MEMORY)
            elif self._unpacker.needs_input:
                rest = self._file.read(CHUNK)
                if not rest:
                    raise EOFError("the file ends too early")
            else:
                rest = b""
            data = self._unpacker.decompress(rest, max_length=size)
            if data:
                return data


@contextmanager
def open_bytes(path: Path, name: str) -> Iterator[IO[bytes]]:
    """Yield the file's bytes, unpacked if it is gzip or xz by content, within ``MAX_BYTES``.

    Raises
    ------
    DataError
        While reading: if the file is too large, packed to fill memory, or ends too early.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(
            "a file that can be read", error.strerror or str(error), name, "Mend its permissions"
        ) from error
    with file:
        magic = file.read(6)
        file.seek(0)
        source: IO[bytes] = file
        if magic.startswith(GZIP_MAGIC):
            source = cast(IO[bytes], gzip.GzipFile(fileobj=file))
        elif magic == XZ_MAGIC:
            source = cast(IO[bytes], _XzSource(file))
        elif path.suffix.lower() in (".gz", ".xz") and magic:
            raise DataError(
                f"a file packed as {path.suffix}",
                "other bytes than such a file starts with",
                name,
                "Give the file its true suffix",
            )
        # A file that is not packed may be as large as its size says, so its ratio is 1.
        with io.BufferedReader(_Bounded(source, name, path.stat().st_size), CHUNK) as reader:
            yield cast(IO[bytes], reader)


@dataclass(frozen=True)
class Encoding:
    """The name of a codec, and a sentence for the user where it is not plain UTF-8."""

    codec: str
    note: str = ""


def find_encoding(path: Path, name: str) -> Encoding:
    """Return the encoding of the file, found from its first bytes and, without a mark, from all.

    Raises
    ------
    DataError
        If the file is empty, is not text, or is UTF-8 with a few broken bytes (the line is named:
        reading it as Latin-1 would garble every accent in it).
    """
    with open_bytes(path, name) as file:
        head = file.read(65536)
        rest = head
        while rest and not rest.strip(_BLANK):
            rest = file.read(CHUNK)
        if not rest:
            raise DataError("at least one row", "an empty file", name, "Add rows")
    for mark, codec, words in (
        (codecs.BOM_UTF8, "utf-8-sig", ""),
        (codecs.BOM_UTF32_LE, "utf-32", "UTF-32"),
        (codecs.BOM_UTF32_BE, "utf-32", "UTF-32"),
        (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
        (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
    ):
        if head.startswith(mark):
            if codec != "utf-8-sig":
                return Encoding(codec, f"The file is encoded as {words}.")
            return _check_utf8(path, name, codec)
    _refuse_binary(head, name)
    for codec, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[0::2])):
        if zeros.count(0) > 0.4 * len(zeros) and len(head) > 3:
            return Encoding(codec, "The file is encoded as UTF-16 without a byte order mark.")
    if b"\x00" in head:
        raise DataError("a text file", "zero bytes, as binary files have", name, _TEXT_CURE)
    return _check_utf8(path, name, "utf-8")


_BLANK = b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n"
_TEXT_CURE = "Save it as UTF-8 text, or give the file its true suffix"


def _refuse_binary(head: bytes, name: str) -> None:
    for magic, words in BINARY_MAGICS.items():
        if head.startswith(magic):
            raise DataError("a text file", words, name, _TEXT_CURE)


def _check_utf8(path: Path, name: str, codec: str) -> Encoding:
    """Return UTF-8 where the file is, else a one-byte encoding where it can be one."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    line, first_bad, good, bad, controls, total = 1, 0, 0, 0, 0, 0
    undefined = False
    with open_bytes(path, name) as file:
        while True:
            data = file.read(CHUNK)
            total += len(data)
            controls += len(CONTROL.findall(data))
            undefined = undefined or any(byte in data for byte in b"\x81\x8d\x8f\x90\x9d")
            text = decoder.decode(data, final=not data)
            if not text.isascii():
                broken = BAD_BYTES.findall(text)
                if broken and not first_bad:
                    first_bad = line + text.count("\n", 0, text.index(broken[0]))
                bad += len(broken)
                good += len(NOT_ASCII.findall(text)) - len(broken)
            line += text.count("\n")
            if not data:
                break
    if controls > max(8, total // 50):
        raise DataError("a text file", f"{controls:,} control characters", name, _TEXT_CURE)
    if not bad:
        return Encoding(codec)
    if codec == "utf-8-sig" or good > 2 * bad:
        raise DataError(
            "text in UTF-8",
            f"{bad} bytes that are none, in a file that otherwise is UTF-8",
            f"{name}:{first_bad}",
            "Mend the line, or save the whole file as UTF-8 again",
        )
    chosen = "latin-1" if undefined else "cp1252"
    words = "Latin-1" if undefined else "Latin-1 (Windows-1252)"
    return Encoding(chosen, f"The file is not UTF-8 and was read as {words}; check its accents.")


@contextmanager
def open_text(path: Path, name: str) -> Iterator[tuple[IO[str], Encoding]]:
    """Yield the file's characters, line ends untouched, and the encoding found."""
    encoding = find_encoding(path, name)
    with open_bytes(path, name) as raw:
        text = io.TextIOWrapper(raw, encoding.codec, newline="")
        yield text, encoding
        text.detach()


def read_lines(text: IO[str], name: str) -> Iterator[str]:
    """Yield physical lines with their ends, none longer than ``MAX_LINE`` characters.

    Raises
    ------
    DataError
        At a line that is too long, or at bytes that the encoding does not know.
    """
    number = 0
    while True:
        number += 1
        try:
            line = text.readline(MAX_LINE + 1)
        except UnicodeError as error:
            raise DataError(
                "text in one encoding", f"{error}", f"{name}:{number} or after", _TEXT_CURE
            ) from error
        if not line:
            return
        if len(line) > MAX_LINE:
            raise DataError(
                f"lines of at most {MAX_LINE:,} characters",
                "a longer one",
                f"{name}:{number}",
                "Put each row on a line of its own",
            )
        yield line
