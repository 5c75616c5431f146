"""The choice: which of the fitted candidates is kept, and why."""

from __future__ import annotations

from collections.abc import Sequence

from fewtune.measures.base import row_measure
from fewtune.select.material import Material
from fewtune.select.near import behind, calibrated_losses, stays, surest, tolerance
from fewtune.select.trials import Trial
from fewtune.train.agreement import first_says

__all__ = ["choose"]

FLATTERY = 2.0
"""Standard errors by which a trained candidate must lead a solved one. Its snapshot and its dial
were picked on the validation rows, which alone is worth about one (benchmarks/LOG.md)."""

UNFLATTERED = 0.0
"""The same for one whose last weights are kept, whatever validation says of them. On few rows a
standard error would mostly leave the head, of which it is the successor at the same size and cost
of an answer."""

FEW_EACH = 8
"""Training rows a class below which a compared encoder stays before a head unless this is surely
better, however few rows judge. At four a class the 5 to 9 validation rows named the head in every
second fit, and on draws of their own the encoder was 1.5 to 8.5 points better in four of four (12
classes) and as good (10 classes; benchmarks/LOG.md)."""

ERRORS = {2.0: "two standard errors", 1.0: "one standard error"}
"""Standard errors in words."""


def choose(material: Material, trials: Sequence[Trial]) -> tuple[Trial, str]:
    """Return the cheapest trial within one standard error of the best, and the reason in words.

    A classifier is near only if both its headline and its loss at its best temperature are. Where
    the best was trained and the cheaper one solved, two standard errors are asked for; where the
    best's last weights were kept, none, and where many rows judge or few of a class train a head
    must surely lead it (``near.stays``).

    A trial whose kept weights are surely beyond the budget of general loss would not be shipped: it
    is left out while any other is there.

    Parameters
    ----------
    material
        For the headline measure.
    trials
        Cheapest first, all judged on the same rows.
    """
    beyond = first_says(material.accelerator, [trial.kept_rise.beyond for trial in trials])
    if all(beyond) or not any(beyond):
        return _nearest(material, trials)
    inside = [trial for trial, is_out in zip(trials, beyond, strict=True) if not is_out]
    out = [trial for trial, is_out in zip(trials, beyond, strict=True) if is_out]
    chosen, reason = _nearest(material, inside)
    return chosen, f"{reason}; {_left_out(material, out)}"


def _left_out(material: Material, out: Sequence[Trial]) -> str:
    """Return which trials were left out for what they cost, in words."""
    costs = " and ".join(f"{t.name} ({100 * (t.kept_rise.value or 0):.1f}%)" for t in out)
    budget = f"{100 * material.plan.budget.general_loss:.1f}%"
    is_out = "is left out, its" if len(out) == 1 else "are left out, their"
    return f"{costs} {is_out} rise of the loss on general text surely beyond the budget of {budget}"


def _nearest(material: Material, trials: Sequence[Trial]) -> tuple[Trial, str]:
    """Return the cheapest trial that is near enough to the best, and the reason in words."""
    measure = material.headline
    sign = 1 if measure.direction == "higher" else -1
    # The cheaper of equals.
    dearest = list(reversed(trials))
    ahead = surest(measure, [trial.validation for trial in dearest])
    best = dearest[first_says(material.accelerator, ahead)]
    kept = best.head is not None and _kept(material, best, dearest)
    best = kept or best
    calibrated = calibrated_losses(best.validation)
    for trial in trials:
        if kept and trial.head is not None:
            continue
        gap, error = behind(measure, best.validation, trial.validation)
        errors = 1.0
        if best.head is None and trial.head is not None:
            errors = UNFLATTERED if best.method.solves_after else FLATTERY
        near = sign * gap <= errors * error
        if near and best.validation.labels:
            other = calibrated_losses(trial.validation)
            more, spread = behind(row_measure("log_loss"), calibrated, other)
            near = -more <= errors * spread
        if first_says(material.accelerator, trial is best or near):
            break
    rows = f"{best.score.n} {'known rows, out of fold' if best.crossfitted else 'validation rows'}"
    if trial is best:
        headline = measure.name.replace("_", " ")
        reason = f"best {headline} on the {rows}"
        others = [sign * one.score.value for one in trials if one is not best]
        if others and sign * best.score.value < max(others):
            within = ERRORS[tolerance(len(best.validation))]
            reason = f"lowest loss on the {rows} of those within {within} in {headline}"
        elif others and sign * best.score.value == max(others) and best.validation.labels:
            reason = f"lowest loss on the {rows} of those with the best {headline}"
        if kept:
            reason = f"none is surely better in {headline} or loss on the {rows}"
        elif len(trials) > 1:
            reason += ", and no cheaper candidate is near enough"
    else:
        within = ERRORS.get(errors, "nothing")
        reason = (
            f"the cheapest within {within} of the best: {best.name} is ahead by "
            f"{abs(gap):.4f} ± {error:.4f} on {rows}"
        )
    return trial, reason


def _kept(material: Material, head: Trial, dearest: Sequence[Trial]) -> Trial | None:
    """Return the trial whose head was fitted after training, if it stays before a base's head."""
    for trial in dearest:
        if trial.method.solves_after:
            few = len(material.train) < FEW_EACH * len(material.task.labels)
            stay = stays(material.headline, trial.validation, head.validation, few=few)
            return trial if first_says(material.accelerator, stay) else None
    return None
