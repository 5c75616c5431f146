"""E-mail addresses, phone, card and social security numbers, IBANs and postal addresses.

A tuned model repeats what it was shown; what must not be repeated must not be trained on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from fewtune.checks._rows import TEXT_SHAPES, count, segments, sources
from fewtune.checks.base import Check, Context
from fewtune.data.personal import find, mask
from fewtune.records import Finding

__all__ = ["PersonalData"]


class PersonalData(Check):
    """Finds rows with personal data, by pattern, checksum and the words around."""

    shapes = TEXT_SHAPES

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return one warning that counts each kind; instances are masked."""
        data = context.data
        pieces: dict[str, list[str]] = defaultdict(list)
        rows = []
        for index, example in enumerate(data.examples):
            for _, text in segments(example, data.shape):
                for place in find(text):
                    pieces[place.kind].append(text[place.start : place.end])
                    rows.append(index)
        if not rows:
            return
        kinds = ", ".join(
            count(len(found), kind, f"{kind}es" if kind.endswith("s") else "")
            + f" ({mask(found[0])})"
            for kind, found in sorted(pieces.items(), key=lambda item: -len(item[1]))
        )
        named = sources(data, rows)
        yield Finding(
            "personal_data",
            "warning",
            named,
            f"{count(len(named), 'row has', 'rows have')} personal data: {kinds}.",
            "Put placeholders in its place with --write CLEAN --redact",
        )
