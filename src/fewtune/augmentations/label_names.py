"""One row for each label, made from the label's name, such as “reschedule appointment”.

For text classification. On Banking77 with 8 rows a class it was worth half a point
(``benchmarks/LOG.md``); where names mean nothing (``class_3``) no row is made.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence

from pydantic import Field

from fewtune.augmentations._rows import with_asked
from fewtune.augmentations.base import Augmentation, Rejected, Work
from fewtune.family import Options
from fewtune.records import Example

__all__ = ["LabelNames", "spoken"]

_JOINT = re.compile(r"[_\-/.]+|(?<=[a-z])(?=[A-Z])")
_EMPTY = frozenset("class label category intent cat type group topic id lbl other none".split())


class LabelNamesOptions(Options):
    """How a name becomes a text."""

    template: str = Field("{name}", pattern=r"\{name\}", description="text with {name} in it")


class LabelNames(Augmentation):
    """Makes a row from the name of each label; its parent is one row of the label."""

    Options = LabelNamesOptions
    shapes = frozenset({"labelled_text"})
    own_meaning = True
    doubtful = False
    most = 1

    def parents(self, work: Work) -> Sequence[Example]:
        """Return one row of each label."""
        first: dict[str, Example] = {}
        for row in work.rows:
            first.setdefault(row.target or "", row)
        return list(first.values())

    def variants(
        self, example: Example, draw: random.Random, work: Work
    ) -> Iterable[Example | Rejected]:
        """Yield the row of the label's name, should it say something."""
        name = spoken(example.target or "")
        if name:
            yield with_asked(example, self.options.template.replace("{name}", name))
        else:
            yield Rejected("the label's name says nothing")


def spoken(label: str) -> str:
    """Return a label's name as words; empty where it says nothing.

    Examples
    --------
    >>> spoken("reschedule_appointment"), spoken("CardArrival"), spoken("class_3"), spoken("17")
    ('reschedule appointment', 'card arrival', '', '')
    """
    words = _JOINT.sub(" ", label).lower().split()
    telling = [w for w in words if w not in _EMPTY and sum(map(str.isalpha, w)) > 1]
    return " ".join(words) if telling else ""
