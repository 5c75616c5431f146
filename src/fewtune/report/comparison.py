"""The tuned model beside its controls: what is better, by how much, and what else was measured."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fewtune.records import Score
from fewtune.report import words
from fewtune.report.folder import RunContents
from fewtune.report.names import TITLES

__all__ = [
    "Axis",
    "Bar",
    "Difference",
    "Measured",
    "axis",
    "contest",
    "differences",
    "lead",
    "others",
    "shared_scores",
    "unmeasured",
]

GROUPS = {
    "forgetting": ("forget", "drift", "kl", "general_", "probe", "flip", "neighbour", "backward"),
    "memorization": ("memor", "extract", "canary", "exposure"),
    "robustness": ("robust", "typo", "perturb", "paraphrase", "sharp"),
    "calibration": ("calib", "ece", "conformal", "temperature", "coverage", "brier"),
    "answers": ("exact_match", "chrf", "ends_by"),
    "diversity": ("distinct", "divers", "repetition"),
    "generalization": ("gap", "train_"),
}
"""What a boss asks of a tuned model, and the names by which a score is known to answer it."""

OF_BASE = {
    "exact_match": "exact_match_base",
    "chrf": "chrf_base",
    "diversity_distinct_2": "diversity_base_distinct_2",
    "ends_by_itself": "ends_by_itself_base",
    "sharpness": "sharpness_base",
}
"""Scores of the base that a measure gives beside the tuned model's, by the latter's names."""

MOST_WIDTHS = 6
"""Controls further from the tuned model than this many interval widths are told by an arrow."""


@dataclass(frozen=True)
class Axis:
    """A scale shared by several bars: its bounds, and its ticks as (percent, label)."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    def off(self, score: Score) -> str:
        """Return ``left`` or ``right`` where a score lies beyond the scale, else an empty text."""
        slack = 1e-6 * (self.high - self.low)  # ticks are multiples, so bounds carry rounding
        if score.value < self.low - slack:
            return "left"
        return "right" if score.value > self.high + slack else ""

    def place(self, value: float) -> float:
        """Return where ``value`` lies, in percent of the width, kept inside the track."""
        share = (value - self.low) / (self.high - self.low)
        return round(2 + 96 * min(max(share, 0.0), 1.0), 2)


@dataclass(frozen=True)
class Bar:
    """One contestant on the shared axis; ``key`` is its name in the run, ``name`` in words."""

    key: str
    name: str
    score: Score
    tuned: bool

    @property
    def has_interval(self) -> bool:
        """Whether both bounds are known."""
        return math.isfinite(self.score.low) and math.isfinite(self.score.high)


@dataclass(frozen=True)
class Difference:
    """Tuned minus one control on the same rows; ``sense`` is better, worse or unclear."""

    control: str
    score: Score
    unit: str
    sense: str

    @property
    def has_interval(self) -> bool:
        """Whether both bounds are known."""
        return math.isfinite(self.score.low) and math.isfinite(self.score.high)

    @property
    def sentence(self) -> str:
        """The difference in words."""
        size = words.amount(self.score.value, self.unit)
        if self.sense == "unclear":
            return "cannot be told apart on these rows"
        return f"{self.sense} by {size}"


@dataclass(frozen=True)
class Measured:
    """A score that answers whether something broke, before and after."""

    group: str
    name: str
    meaning: str
    after: Score
    before: Score | None


def axis(scores: Sequence[Score], zero: bool = False) -> Axis:
    """Return an axis with round ticks for ``scores``, the tuned model or hardest control first.

    It holds the first two with their bounds, and every other that is not so far off that the
    difference between the first two could no longer be seen.
    """
    near = [s for s in scores if _is_near(s, scores)]
    ends = [x for s in near for x in (s.value, s.low, s.high) if math.isfinite(x)]
    if zero:
        ends.append(0.0)
    low, high = min(ends), max(ends)
    spread = (high - low) or abs(high) or 1.0
    # The least number there is has no fourth.
    step = _round_step(max(spread / 4, 1e-12))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if first == last:  # all figures are the same
        first, last = first - 1, last + 1
    bottom, top = first * step, last * step
    unit = scores[0].unit
    # A share outside 0–100% does not exist, so the axis never offers one.
    if unit in words.SHARES and not zero:
        bottom, top = max(bottom, 0.0), min(top, 1.0)
    made = Axis(bottom, top, ())
    ticks = [i * step for i in range(first, last + 1) if bottom - 1e-9 <= i * step <= top + 1e-9]
    return Axis(bottom, top, tuple((made.place(t), _tick(t, unit, step)) for t in ticks))


def _is_near(score: Score, scores: Sequence[Score]) -> bool:
    widths = [s.high - s.low for s in scores[:2] if math.isfinite(s.high - s.low)]
    core = [abs(s.value - scores[0].value) for s in scores[:2]]
    reach = max([MOST_WIDTHS * w for w in widths] + [3 * gap for gap in core])
    return reach == 0 or abs(score.value - scores[0].value) <= reach


def _round_step(rough: float) -> float:
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)


def _tick(value: float, unit: str, step: float) -> str:
    scale = 100 if unit in words.SHARES else 1
    shown, step = value * scale, step * scale
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(step - round(step, decimals)) > 1e-9 * step:
        decimals += 1
    return f"{shown + 0.0:.{decimals}f}".replace("-", words.MINUS)


def contest(run: RunContents, name: str) -> list[Bar]:
    """Return everyone who has the score ``name``: the tuned model, then controls, best first."""
    tuned = run.tuned().get(name)
    bars = [Bar("tuned", words.title("tuned"), tuned, True)] if tuned else []
    rivals = {c: s[name] for c, s in run.controls().items() if name in s}
    better_first = 1 if any(s.direction == "lower" for s in rivals.values()) else -1
    ordered = sorted(rivals.items(), key=lambda item: better_first * item[1].value)
    return bars + [Bar(c, words.title(c), s, False) for c, s in ordered]


def differences(run: RunContents) -> list[Difference]:
    """Return tuned minus control for every control, the hardest to beat first."""
    headline = run.tuned().get(run.headline)
    unit = headline.unit if headline else ""
    found = [
        Difference(words.title(c), s, s.unit or unit, _sense(s)) for c, s in run.paired().items()
    ]
    return sorted(found, key=lambda d: d.score.value * _sign(d.score))


def _sign(score: Score) -> int:
    return 1 if score.direction == "higher" else -1


def _sense(score: Score) -> str:
    if not (math.isfinite(score.low) and math.isfinite(score.high)):
        return "unclear"
    if score.low > 0:
        return "better" if score.direction == "higher" else "worse"
    if score.high < 0:
        return "worse" if score.direction == "higher" else "better"
    return "unclear"


def lead(run: RunContents) -> list[str]:
    """Return the answer to "is it better?" in at most three sentences."""
    score = run.tuned().get(run.headline)
    if score is None:
        return []
    name = words.title(score.name)
    interval = words.bounds(score.low, score.high, score.unit)
    value = words.figure(score.value, score.unit)
    unit = f" {score.unit}" if score.unit and score.unit not in words.SHARES else ""
    rows = f"{words.count(score.n)} test row{'' if score.n == 1 else 's'}"
    better = "" if score.direction == "higher" else " Lower is better."
    span = f"95% interval {interval}" if math.isfinite(score.low + score.high) else interval
    told = [f"{name} on {rows}: {value}{unit} ({span}).{better}"]
    found = differences(run)
    if not found:
        return [*told, "There was no control to compare it with."]
    hardest = found[0]
    told.append(
        f"Against the hardest control ({_lower_first(hardest.control)}): {_against(hardest)}"
    )
    half = (hardest.score.high - hardest.score.low) / 2
    if math.isfinite(half) and half > 0:
        size = words.amount(half, hardest.unit)
        told.append(f"Differences under about {size} cannot be seen with this many rows.")
    return told


def _against(found: Difference) -> str:
    span = _span(found.score, found.unit)
    if found.sense == "unclear":
        sign = "+" if found.score.value >= 0 else words.MINUS
        seen = words.amount(found.score.value, found.unit)
        return f"these rows cannot tell them apart, {sign}{seen} ({span})."
    return f"{found.sentence} ({span})."


def _span(score: Score, unit: str) -> str:
    interval = words.signed_bounds(score.low, score.high, unit)
    return f"95% interval {interval}" if math.isfinite(score.low + score.high) else interval


def _lower_first(name: str) -> str:
    keeps_capital = len(name) > 1 and name[1].isupper()
    return name if keeps_capital else name[:1].lower() + name[1:]


def shared_scores(run: RunContents) -> list[str]:
    """Return names of scores that a control has too, without the headline, in the run's order."""
    of_controls = {name for scores in run.controls().values() for name in scores}
    return [n for n in run.tuned() if n in of_controls and n != run.headline]


def others(run: RunContents) -> list[Measured]:
    """Return every score that asks what tuning cost or broke, or that no control has, by group.

    Beside it stands the base's: what its control scored, or what the measure itself says of it.
    """
    tuned, base = run.tuned(), run.base()
    named = {name: of_base for name, of_base in OF_BASE.items() if name in tuned}
    base |= {name: tuned[of] for name, of in named.items() if of in tuned}
    compared = [name for name in shared_scores(run) if _group(name) == "other"]
    skip = {run.headline, *compared, *named.values()}
    found = [
        Measured(_group(name), words.title(name), words.explain(name), score, base.get(name))
        for name, score in tuned.items()
        if name not in skip
    ]
    order, titled = [*GROUPS, "other"], list(TITLES)

    def place(one: Measured) -> tuple[int, int]:
        name = one.after.name
        return order.index(one.group), titled.index(name) if name in TITLES else len(titled)

    return sorted(found, key=place)


def _group(name: str) -> str:
    return next((g for g, starts in GROUPS.items() if _begins(name, starts)), "other")


def _begins(name: str, starts: Iterable[str]) -> bool:
    return any(name.startswith(s) or f"_{s}" in name for s in starts)


def unmeasured(run: RunContents) -> list[str]:
    """Return the questions a boss asks that no score of this run answers."""
    answered = {_group(name) for name in run.tuned()}
    others = {"answers", "diversity"} if run.classifies else {"calibration"}
    asked = [g for g in GROUPS if g not in others]
    return [g for g in asked if g not in answered]
