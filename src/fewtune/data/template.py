"""Chats and prompts to text, with the spans that are trained: the one rendering for fit and serve.

The supervised spans are found by incremental prefixes: the text of the turns before an assistant's,
with the generation prompt, must begin the text that includes it, and the rest is what that turn
taught. Marker strings are never searched for, so a user who writes a marker changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fewtune.errors import DataError, ModelError
from fewtune.records import Example, Message, Shape

__all__ = [
    "CHAT_FALLBACK",
    "PROMPT_FALLBACK",
    "Rendered",
    "messages_of",
    "prompt_text",
    "render",
    "with_template",
]

CHAT_FALLBACK = (
    "{{ bos_token or '' }}"
    "{% for m in messages %}"
    "{% if m.role == 'assistant' %}Assistant: {{ m.content }}{{ eos_token }}\n"
    "{% else %}{{ m.role | capitalize }}: {{ m.content }}\n{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""For chats on a model without a chat template: one named line a turn."""

PROMPT_FALLBACK = (
    "{{ bos_token or '' }}"
    "{% for m in messages %}"
    "{% if m.role == 'assistant' %}{{ m.content }}{{ eos_token }}"
    "{% else %}{{ m.content }}\n{% endif %}"
    "{% endfor %}"
)
"""For prompt and completion on a model without a chat template: the two, a newline between."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text and the half-open character spans of it that are trained."""

    text: str
    spans: tuple[tuple[int, int], ...]


def with_template(tokenizer: Any, shape: Shape) -> str:
    """Give a tokenizer without a chat template the plain one for ``shape``.

    Returns
    -------
    str
        ``model`` where the tokenizer had its own, ``plain`` where one was given.
    """
    if tokenizer.eos_token is None:
        raise ModelError(
            "a tokenizer with an end token, without which no answer ends",
            "no end token",
            getattr(tokenizer, "name_or_path", ""),
            "Set eos_token in tokenizer_config.json",
        )
    if tokenizer.chat_template:
        return "model"
    tokenizer.chat_template = PROMPT_FALLBACK if shape == "prompt" else CHAT_FALLBACK
    return "plain"


def messages_of(example: Example) -> tuple[Message, ...]:
    """Return the turns of an example, those of a prompt and its completion included."""
    if example.messages:
        return example.messages
    turns = [Message("user", example.input)]
    if example.target is not None:
        turns.append(Message("assistant", example.target))
    return tuple(turns)


def _text(tokenizer: Any, messages: Sequence[Message], prompt: bool, source: str) -> str:
    plain = [{"role": m.role, "content": m.content} for m in messages]
    try:
        return str(
            tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=prompt)
        )
    except Exception as error:  # templates are programs of strangers: they raise what they like
        raise DataError(
            "turns that the model's chat template accepts",
            f"{', '.join(m.role for m in messages)}: {error}",
            source,
            "Change the roles or their order",
        ) from error


def prompt_text(tokenizer: Any, example: Example) -> str:
    """Return the text after which the model is to go on; a last assistant turn is left out."""
    messages = list(messages_of(example))
    if messages and messages[-1].role == "assistant":
        messages.pop()
    return _text(tokenizer, messages, prompt=True, source=example.source)


def render(tokenizer: Any, example: Example, shape: Shape) -> Rendered:
    """Return the text of an example and the spans that are trained.

    Every assistant turn is trained, its end token included; plain text is trained whole.

    Raises
    ------
    DataError
        If there is no assistant turn, or the template refuses the turns.
    ModelError
        If the template is not incremental, so that what a turn taught cannot be told.
    """
    if shape == "text":
        begin = tokenizer.bos_token or ""
        plain = example.target if example.target is not None else example.input
        text = f"{begin}{plain}{tokenizer.eos_token}"
        return Rendered(text, ((len(begin), len(text)),))
    messages = messages_of(example)
    whole = _text(tokenizer, messages, prompt=False, source=example.source)
    spans = []
    for turn, message in enumerate(messages):
        if message.role != "assistant":
            continue
        before = _text(tokenizer, messages[:turn], prompt=True, source=example.source)
        until = _text(tokenizer, messages[: turn + 1], prompt=False, source=example.source)
        if not (whole.startswith(until) and until.startswith(before)):
            raise ModelError(
                "a chat template that adds text turn by turn",
                f"one that rewrites earlier turns at turn {turn + 1}",
                example.source,
                "Keep one answer per example, or give the model another template",
            )
        spans.append((len(before), len(until.rstrip())))
    if not spans:
        raise DataError(
            "an assistant turn to learn from",
            "none",
            example.source,
            "Add the answer, or leave the row out",
        )
    return _ended(tokenizer, Rendered(whole, tuple(spans)))


def _ended(tokenizer: Any, rendered: Rendered) -> Rendered:
    """Return ``rendered`` with an end token after its last turn, should the template add none."""
    start, end = rendered.spans[-1]
    taught = rendered.text[start:end]
    if any(taught.endswith(token) for token in tokenizer.all_special_tokens):
        return rendered
    text = rendered.text[:end] + tokenizer.eos_token
    return Rendered(text, (*rendered.spans[:-1], (start, len(text))))
