"""A language model behind an OpenAI-compatible address, asked with the standard library alone."""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

from fewtune.errors import ModelError
from fewtune.records import Message

__all__ = ["KEY", "URL", "Endpoint"]

URL = "OPENAI_BASE_URL"
KEY = "OPENAI_API_KEY"

SECONDS = 120.0
"""Longest wait for an answer."""

PAUSES = (1.0, 4.0, 15.0)
"""Seconds before each further try where the server is busy or gone."""

PASSING = frozenset({408, 429, 500, 502, 503, 504})


class Endpoint:
    """Asks a server for chat completions.

    Parameters
    ----------
    model
        Name of the model on the server.
    environment
        Where address (``OPENAI_BASE_URL``, with its ``/v1``) and key (``OPENAI_API_KEY``, which
        local servers do without) are found.
    pauses
        Seconds before each further try.
    max_tokens
        Longest answer.

    Raises
    ------
    ModelError
        If there is no address, or it is none of http or https.
    """

    def __init__(
        self,
        model: str,
        environment: Mapping[str, str] | None = None,
        pauses: Sequence[float] = PAUSES,
        max_tokens: int = 512,
    ) -> None:
        known = os.environ if environment is None else environment
        self.model = model
        self.max_tokens = max_tokens
        self._url = known.get(URL, "").rstrip("/")
        self._key = known.get(KEY, "")
        self._pauses = pauses
        if not self._url.startswith(("http://", "https://")):
            raise ModelError(
                f"the address of a server in the environment variable {URL}",
                repr(self._url) if self._url else "none",
                f"endpoint:{model}",
                f"Set it, as in {URL}=http://localhost:8000/v1 (and {KEY} if it asks for a key)",
            )

    def generate(
        self, messages: Sequence[Message], *, count: int, temperature: float, seed: int
    ) -> list[str]:
        """Return ``count`` answers; servers that give one at a time are asked again.

        Raises
        ------
        ModelError
            If the server cannot be reached, refuses, or answers with something else.
        """
        found: list[str] = []
        while len(found) < count:
            body = {
                "model": self.model,
                "messages": [{"role": m.role, "content": m.content} for m in messages],
                "n": count - len(found),
                "temperature": temperature,
                "seed": seed + len(found),
                "max_tokens": self.max_tokens,
            }
            found += self._texts(self._ask(body))
        return found[:count]

    def _ask(self, body: Mapping[str, Any]) -> bytes:
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(
            f"{self._url}/chat/completions", json.dumps(body).encode(), headers, method="POST"
        )
        problem = ""
        for pause in (0.0, *self._pauses):
            time.sleep(pause)
            try:
                with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                    content: bytes = answer.read()
                    return content
            except urllib.error.HTTPError as error:
                with error:
                    said = error.read(300).decode(errors="replace")
                problem = f"status {error.code}: {' '.join(said.split())}"
                if error.code not in PASSING:
                    break
            except (OSError, http.client.HTTPException) as error:
                problem = f"{type(error).__name__}: {error}"
        raise ModelError(
            "an answer of the server", problem, self._url, "Check the address, the key and the name"
        )

    def _texts(self, content: bytes) -> list[str]:
        try:
            choices = json.loads(content)["choices"]
            texts = [
                # What was cut off at the longest answer is none.
                ""
                if choice.get("finish_reason") == "length"
                else choice["message"]["content"] or ""
                for choice in choices
            ]
            if texts and all(isinstance(text, str) for text in texts):
                return texts
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
        start = content[:120].decode(errors="replace")
        raise ModelError(
            "choices with messages, as OpenAI-compatible servers answer",
            " ".join(start.split()) or "an empty answer",
            self._url,
            "Check that the address ends where /chat/completions begins, mostly in /v1",
        )
