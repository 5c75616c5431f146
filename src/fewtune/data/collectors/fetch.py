"""One web page or file from an http or https address, within a size and a time."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from pathlib import Path
from typing import IO, Any

from fewtune.data.collectors.base import Document
from fewtune.errors import DataError

__all__ = ["MAX_BYTES", "fetch", "is_address"]

MAX_BYTES = 64 * 1024**2
TIMEOUT = 20.0
"""Seconds without an answer after which it ends."""
DEADLINE = 120.0
"""Seconds for the whole of one address."""
MAX_REDIRECTS = 5
CHUNK = 64 * 1024
AGENT = "fewtune-collect/1"
SCHEMES = ("http", "https")
SUFFIXES = {
    "application/pdf": ".pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
}


def is_address(source: str) -> bool:
    """Return whether a source is written as an address rather than as a path.

    Examples
    --------
    >>> is_address("https://example.org/faq"), is_address("C:/faq.html"), is_address("faq.html")
    (True, False, False)
    """
    scheme, found, _ = source.partition("://")
    return bool(found) and scheme.isalnum()


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few redirects, to http and https only."""

    max_redirections = MAX_REDIRECTS

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        _check_scheme(newurl, f"{req.full_url}, which leads on to it")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check_scheme(url: str, where: str) -> None:
    scheme = url.partition("://")[0].lower()
    if scheme not in SCHEMES:
        raise DataError(
            "an address that starts with http:// or https://",
            f"one of {scheme}",
            where,
            "Save the file, and give its path",
        )


def _opener() -> urllib.request.OpenerDirector:
    """Return an opener that knows http and https, and neither files nor ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        _Redirects(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def fetch(
    url: str,
    folder: Path,
    most: int = MAX_BYTES,
    timeout: float = TIMEOUT,
    deadline: float = DEADLINE,
) -> Document:
    """Return what stands at an address, saved in ``folder``.

    Parameters
    ----------
    most
        Bytes, after unpacking.
    timeout, deadline
        Seconds without an answer, and for everything.

    Raises
    ------
    DataError
        If the address is wrong, the server refuses, or it is too large or too slow.
    """
    name = _plain_name(url)
    _check_scheme(url, name)
    begun = time.monotonic()
    request = urllib.request.Request(
        urllib.parse.quote(name, safe="%/:?&=#+,;@!$'()*~[]"),
        headers={"User-Agent": AGENT, "Accept-Encoding": "identity", "Accept": "*/*"},
    )
    target = folder / f"page{len(list(folder.iterdir()))}"
    try:
        with _opener().open(request, timeout=timeout) as response:
            with target.open("wb") as file:
                _copy(response, file, name, most, begun + deadline)
            kind = response.headers.get_content_type() if "Content-Type" in response.headers else ""
            charset = response.headers.get_content_charset() or ""
    except urllib.error.HTTPError as error:
        error.close()
        raise DataError(
            "a page",
            f"the answer {error.code} {error.reason}",
            name,
            "Open it in a browser to see why",
        ) from error
    except urllib.error.URLError as error:
        raise _unreachable(name, error.reason) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _unreachable(name, error) from error
    return Document(target, name, kind, charset)


def _unreachable(name: str, reason: object) -> DataError:
    words = str(reason) or type(reason).__name__
    return DataError(
        "an address that answers", words[:200], name, "Check it, and whether there is a network"
    )


def _plain_name(url: str) -> str:
    """Return the address without password and fragment, as sources and messages show it."""
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError as error:
        raise DataError("an address", str(error), url, "Check the address") from error
    if not host and parts.scheme in SCHEMES:
        raise DataError("an address with a host", "none", url, "Check the address")
    host = f"[{host}]" if ":" in host else host
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise DataError("an address with a host", host, url, "Check the address") from error
    return urllib.parse.urlunsplit((parts.scheme, host + port, parts.path, parts.query, ""))


def _copy(response: Any, file: IO[bytes], name: str, most: int, until: float) -> None:
    """Write what the server sends, unpacked, as long as it is not too much or too late."""
    packed = (response.headers.get("Content-Encoding") or "identity").strip().lower()
    if packed not in ("identity", "gzip", "x-gzip", ""):
        raise DataError("a page that is not packed", f"one packed as {packed}", name, "Save it")
    unpack = zlib.decompressobj(31) if "gzip" in packed else None
    total = 0
    while data := response.read1(CHUNK):
        if time.monotonic() > until:
            raise DataError(
                f"an answer within {DEADLINE:.0f} s",
                "a slower one",
                name,
                "Save it, and give its path",
            )
        while data:
            try:
                part = unpack.decompress(data, CHUNK) if unpack else data
            except zlib.error as error:
                raise DataError(
                    "a page that can be unpacked", str(error), name, "Save it"
                ) from error
            data = unpack.unconsumed_tail if unpack else b""
            total += len(part)
            if total > most:
                raise DataError(
                    f"a page of at most {most / 1024**2:.0f} MiB",
                    "a larger one",
                    name,
                    "Save the part that is needed, and give its path",
                )
            file.write(part)
