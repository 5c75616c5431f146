"""What the chat template does to the rows: lost turns, a missing end, a doubled beginning."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from fewtune.checks._rows import TURN_SHAPES, count, quote, sample, sources, squeeze
from fewtune.checks.base import Check, Context
from fewtune.records import Finding

__all__ = ["ChatTemplate"]

MOST_RENDERED = 200
SPECIAL = r"<[^<>\s]{1,40}>|\[[A-Z_]{2,20}\]"
DOUBLED = re.compile(rf"\s*({SPECIAL})\s*\1")


class ChatTemplate(Check):
    """Renders rows as they would be trained, and compares them with what they say."""

    shapes = TURN_SHAPES
    needs_model = True

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return an error where answers have no end or are lost, a warning for other faults."""
        if context.model is None:
            return
        endless, doubled = [], []
        dropped: dict[str, list[int]] = defaultdict(list)
        rendered = {}
        for index in sample(context, MOST_RENDERED):
            example = context.data.examples[index]
            text = rendered[index] = context.model.render(example)
            target = (example.target or "").strip()
            place = text.rfind(target) if target else -1
            if place >= 0 and not text[place + len(target) :].strip():
                endless.append(index)
            if DOUBLED.match(text):
                doubled.append(index)
            plain = squeeze(text)
            turns = [(m.role, m.content) for m in example.messages]
            turns = turns or [("user", example.input), ("assistant", target)]
            for role in {r for r, content in turns if squeeze(content) not in plain}:
                dropped[role].append(index)
        name = context.model.name
        for role, rows in sorted(dropped.items()):
            yield Finding(
                "chat_template",
                "error" if role in ("user", "assistant") else "warning",
                sources(context.data, rows),
                f"The chat template of {name} drops or changes {role} turns in "
                f"{count(len(rows), 'row')} of {len(rendered):,}.",
                "Choose a model whose template has this role, or fold its turns into user turns",
            )
        if endless:
            end = quote(rendered[endless[0]][-60:])
            yield Finding(
                "chat_template",
                "error",
                sources(context.data, endless),
                f"Nothing follows the answer in the chat template of {name}: {end}. "
                "A model tuned so never learns to stop.",
                "Choose a model whose template ends each answer with a token",
            )
        if doubled:
            yield Finding(
                "chat_template",
                "warning",
                sources(context.data, doubled),
                f"{count(len(doubled), 'row begins', 'rows begin')} with the same special token "
                f"twice: {quote(rendered[doubled[0]], 40)}.",
                "Take the begin token out of the rows or of the tokenizer's settings",
            )
