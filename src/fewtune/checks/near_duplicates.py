"""Rows that differ from another only by edits, order, case or punctuation.

They carry little that is new, and count in a score as if they were independent. A split by fewtune
keeps each cluster on one side.
"""

from __future__ import annotations

from collections.abc import Iterable

from fewtune.checks._rows import count, question, quote, share, sources, written
from fewtune.checks.base import Check, Context
from fewtune.data.near_images import MOST_REFRAMED, NearPair, near_images
from fewtune.data.similarity import near_duplicate_clusters
from fewtune.data.variations import may_judge
from fewtune.records import Dataset, Finding

__all__ = ["NearDuplicates", "clusters"]

MANY = 0.05


class NearDuplicates(Check):
    """Finds clusters of rows that say almost the same in almost the same words."""

    def findings(self, context: Context) -> Iterable[Finding]:
        """Return one finding with all clusters; a warning from 5% of the rows on, else a note."""
        data = context.data
        if data.shape == "labelled_image":
            yield from _images(data)
            return
        found = []
        judges = may_judge(data)  # that a variation is near to its row is no news
        for cluster in clusters(context):
            cluster = tuple(i for i in cluster if judges[i])
            kinds = {written(data.examples[i], data.shape).strip() for i in cluster}
            if len(kinds) > 1:
                found.append(cluster)
        if not found:
            return
        spare = sum(len(cluster) - 1 for cluster in found)
        first, second = _differing_pair(context, max(found, key=len))
        yield Finding(
            "near_duplicates",
            "warning" if spare > MANY * len(data) else "note",
            sources(data, (i for cluster in found for i in cluster)),
            f"{count(len(found), 'cluster')} of near-duplicates with "
            f"{sum(map(len, found)):,} rows; {share(spare, len(data))} of the rows add little to "
            f"another one, e.g. {quote(first)} and {quote(second)}.",
            "Keep the best row of each cluster, or leave them: a split never parts a cluster",
        )


def _images(data: Dataset) -> Iterable[Finding]:
    """Return one finding with pairs of images that are one picture in two files."""
    judges = may_judge(data)  # that a variation is near to its row is no news
    pairs = [
        pair
        for pair in near_images([example.input for example in data])
        if judges[pair.first]
        and judges[pair.second]
        and data[pair.first].identity != data[pair.second].identity
    ]
    if not pairs:
        return
    rows = sorted({row for pair in pairs for row in (pair.first, pair.second)})
    # A mirrored hand is another hand, and a colour may be the label: those prove no mistake.
    torn = [pair for pair in pairs if _labels_differ(data, pair) and not _may_change_label(pair)]
    shown = (torn or pairs)[0]
    labels = f"; {count(len(torn), 'pair')} with two labels" if torn else ""
    yield Finding(
        "near_duplicates",
        "warning" if torn or len(rows) > MANY * len(data) else "note",
        sources(data, rows),
        f"{count(len(pairs), 'pair')} of images show one picture, scaled, compressed or lit in "
        f"another way{_changes(pairs)}{labels}, e.g. {data.examples[shown.first].source} and "
        f"{data.examples[shown.second].source}{_limits(data)}.",
        "Keep one of each, or leave them: a split never parts them",
    )


def _labels_differ(data: Dataset, pair: NearPair) -> bool:
    return data.examples[pair.first].target != data.examples[pair.second].target


def _may_change_label(pair: NearPair) -> bool:
    return pair.mirrored or pair.recoloured


def _changes(pairs: list[NearPair]) -> str:
    """Return how many of the pairs are also mirrored, cropped or of other colours."""
    kinds = {
        "mirrored": sum(pair.mirrored for pair in pairs),
        "cropped": sum(pair.cropped for pair in pairs),
        "in other colours": sum(pair.recoloured for pair in pairs),
    }
    told = ", ".join(f"{number:,} {kind}" for kind, number in kinds.items() if number)
    return f" ({told})" if told else ""


def _limits(data: Dataset) -> str:
    """Return what was not looked for among so many images."""
    if len(data) <= MOST_REFRAMED:
        return ""
    return f"; cropped copies are not looked for among more than {MOST_REFRAMED:,} images"


def clusters(context: Context) -> list[tuple[int, ...]]:
    """Return the clusters of near-duplicates among the rows' texts, labels aside.

    Prompts and completions must both be near: several references of one prompt are no duplicates.
    """
    return context.shared("near_duplicate_clusters", lambda: _clusters(context))


def _clusters(context: Context) -> list[tuple[int, ...]]:
    data = context.data
    if data.shape != "prompt":
        return near_duplicate_clusters([written(e, data.shape) for e in data.examples])
    found = []
    for rows in near_duplicate_clusters([e.input for e in data.examples]):
        answers = [data.examples[i].target or "" for i in rows]
        found += [tuple(rows[i] for i in near) for near in near_duplicate_clusters(answers)]
    return sorted(found)


def _differing_pair(context: Context, cluster: tuple[int, ...]) -> tuple[str, str]:
    examples = [context.data.examples[i] for i in cluster]
    texts = [written(e, context.data.shape).strip() for e in examples]
    other = next(i for i, text in enumerate(texts) if text != texts[0])
    if examples[0].input.strip() == examples[other].input.strip():
        return examples[0].target or "", examples[other].target or ""
    return question(examples[0]), question(examples[other])
