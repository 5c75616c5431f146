"""The figures of ``benchmarks.quality.few_shot`` that the README shows: accuracy and time."""

from __future__ import annotations

from typing import Any

from benchmarks.quality._few_shot_judged import RESULTS, Runs, kept, spent

__all__ = ["Figures", "count", "few_shot_figures"]

Figures = list[tuple[str, str, str]]
"""What was measured, what it came to, and the results it is read from, without their ending."""

CELLS = {
    "banking77-4": "Banking77, 4 rows a class",
    "banking77-8": "Banking77, 8 rows a class",
    "banking77-16": "Banking77, 16 rows a class",
    "front_desk": "front desk, 645 rows of 12 classes",
}
RIVALS = {
    "frozen10": "the frozen encoder with logistic regression",
    "frozencv": "with its strength by cross-validation",
    "setfit": "SetFit",
    "trainer": "the transformers Trainer at the best of",
}


def few_shot_figures() -> Figures:
    """Return accuracy on each kind of machine, and the time beside SetFit's where it was alone."""
    return [*_accuracy("cpu"), *_accuracy("cuda"), *_seconds()]


def _accuracy(device: str) -> Figures:
    """Return `fit` beside its rivals, each over the seeds that both have."""
    found = kept(RESULTS[device])
    rows = []
    for cell, what in CELLS.items():
        there = found.get(cell, {})
        ours = there.get("quick", {})
        if not ours:
            continue
        told, used = [], list(ours.values())
        for rival, words in RIVALS.items():
            theirs, rates = _rival(there, rival)
            seeds = sorted(set(ours) & set(theirs))
            if seeds:
                few = "" if len(seeds) == len(ours) else f" ({count(len(seeds), 'seed')})"
                words += f" {count(rates, 'rate')}" if rival == "trainer" else ""
                told.append(f"{words} {_mean(theirs, seeds)}{few}")
                used += [theirs[seed] for seed in seeds]
        cards = sorted({run["accelerator"] for run in ours.values()} - {""})
        where = f" on a GPU ({', '.join(cards)})" if cards else ""
        rows.append(
            (
                f"{what}, all-MiniLM-L6-v2, `fit --effort quick`{where}, "
                f"{count(len(ours), 'seed')}",
                f"{_mean(ours, sorted(ours))}; {', '.join(told)}; {used[0]['n']:,} test rows"
                f"{_without_versions(used)}",
                f"quality/results/{RESULTS[device].name}",
            )
        )
    return rows


def _rival(there: dict[str, Runs], name: str) -> tuple[Runs, int]:
    """Return a rival's fits, and of how many settings each is the best on the test rows.

    Those are the Trainer's rates; the best of them counts, in its favour.
    """
    runs: Runs = {}
    settings = [some for key, some in there.items() if key.partition("-")[0] == name]
    for seed, one in (item for some in settings for item in some.items()):
        if seed not in runs or runs[seed]["accuracy"] < one["accuracy"]:
            runs[seed] = one
    return runs, len(settings)


def _without_versions(used: list[dict[str, Any]]) -> str:
    """Return of how many fits it is not known what versions they ran with."""
    without = sum(run["environment"] is None for run in used)
    if not without:
        return ""
    some = "" if without == len(used) else f"{count(without, 'fit')} "
    return f"; {some}kept without versions"


def _seconds() -> Figures:
    """Return the processor seconds of `fit` beside those of SetFit."""
    found = kept(RESULTS["cpu"])
    told: list[str] = []
    used: list[dict[str, Any]] = []
    for cell, what in CELLS.items():
        there = found.get(cell, {})
        if took := spent(there, "quick"):
            used += [there[name][seed] for name in ("quick", "setfit") for seed in took.seeds]
            told.append(
                f"{what.partition(', 645')[0]} {took.own:.0f} for {took.setfit:.0f} "
                f"({took.share:.2f}, {count(len(took.seeds), 'seed')})"
            )
    if not told:
        return []
    return [
        (
            "processor seconds of `fit --effort quick` for SetFit's on the same seeds, one thread, "
            "loading and answering included (aim: a third)",
            f"{'; '.join(told)}{_without_versions(used)}",
            f"quality/results/{RESULTS['cpu'].name}",
        )
    ]


def _mean(runs: Runs, seeds: list[int]) -> str:
    return f"{100 * sum(runs[seed]['accuracy'] for seed in seeds) / len(seeds):.2f}%"


def count(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
