"""Labels that are too few, too rare, uneven, or no classes at all."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from fewtune.checks._rows import count, share, sources
from fewtune.checks.base import Check, Context
from fewtune.records import Dataset, Finding

__all__ = ["ClassBalance"]

UNEVEN = 3.0
VERY_UNEVEN = 10.0


class ClassBalance(Check):
    """Finds one-class data, classes of one row, numbers used as labels, and uneven classes."""

    shapes = frozenset({"labelled_text", "labelled_image"})

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return what stands between these labels and a classifier."""
        data = context.data
        sizes = Counter(
            e.target for e in data.examples if e.target is not None and e.target.strip()
        )
        if not sizes:
            return
        if len(sizes) == 1:
            yield Finding(
                "class_balance",
                "error",
                tuple(e.source for e in data.examples),
                f"All {len(data):,} rows are labelled {next(iter(sizes))!r}: "
                "there is nothing to tell apart.",
                "Add rows of at least one other class",
            )
            return
        not_classes = _not_classes(data, sizes)
        if not_classes is not None:
            yield not_classes
            return
        yield from _lonely(data, sizes)
        yield from _uneven(data, sizes)


def _not_classes(data: Dataset, sizes: Counter[str]) -> Finding | None:
    rows = sum(sizes.values())
    if len(sizes) <= 20 or len(sizes) * 2 <= rows:
        return None
    kind = "numbers" if all(_is_number(label or "") for label in sizes) else "texts of their own"
    cure = "Choose another label column with --columns"
    if kind == "numbers":
        cure += ", or put the numbers into a few named ranges"
    return Finding(
        "class_balance",
        "error",
        tuple(e.source for e in data.examples),
        f"{rows:,} rows have {len(sizes):,} different labels: these are {kind}, not classes.",
        cure,
    )


def _is_number(label: str) -> bool:
    try:
        float(label)
    except ValueError:
        return False
    return True


def _lonely(data: Dataset, sizes: Counter[str]) -> Iterable[Finding]:
    alone = {label for label, n in sizes.items() if n == 1}
    if not alone:
        return
    rows = [i for i, e in enumerate(data.examples) if e.target in alone]
    names = ", ".join(repr(label) for label in sorted(str(a) for a in alone)[:5])
    more = ", …" if len(alone) > 5 else ""
    yield Finding(
        "class_balance",
        "error",
        sources(data, rows),
        f"{count(len(alone), 'class has', 'classes have')} a single row ({names}{more}): "
        "one row cannot both teach and judge.",
        "Add rows of the class, or take it out",
    )


def _uneven(data: Dataset, sizes: Counter[str]) -> Iterable[Finding]:
    (largest, most), (smallest, fewest) = sizes.most_common(1)[0], sizes.most_common()[-1]
    ratio = most / fewest
    if ratio < UNEVEN:
        return
    rows_of: dict[str | None, list[int]] = defaultdict(list)
    for index, example in enumerate(data.examples):
        rows_of[example.target].append(index)
    rare = [label for label, n in sizes.items() if most / n >= UNEVEN]
    share_of_largest = most / sum(sizes.values())
    # F1 of always saying the largest class: its precision is its share, its recall 1.
    macro = 2 * share_of_largest / (1 + share_of_largest) / len(sizes)
    yield Finding(
        "class_balance",
        "warning" if ratio >= VERY_UNEVEN else "note",
        sources(data, (i for label in rare for i in rows_of[label])),
        f"{largest!r} has {count(most, 'row')}, {smallest!r} has {fewest:,} ({ratio:.0f} times "
        f"fewer). To answer {largest!r} always would score {share(share_of_largest, 1)} accuracy, "
        f"{macro:.2g} macro-F1.",
        "Add rows of the rare classes, and judge by macro-F1",
    )
