"""Which other learning rates are tried beside the usual one."""

from __future__ import annotations

from fewtune.methods.base import METHODS

__all__ = ["other_rates"]

FEW_IMAGES = 160
"""Images that train below which no other rate is tried: fewer than forty judge then. Seven named a
third of the rate, which was 0.3 to 5 points worse for 80 updates in every one of fifteen sweeps of
50 to 200 photos; three times it learnt nothing (benchmarks/LOG.md)."""


def other_rates(
    method: str, task: str, parameters: int, rows: int, reasons: dict[str, str]
) -> list[float]:
    """Return the rates that are tried beside the usual one, and add the reason.

    Parameters
    ----------
    method, task
        What trains, and for what.
    parameters
        Of the base model.
    rows
        Rows that train, about.
    reasons
        Why, which is added here.
    """
    low, _, high = METHODS.load(method)().rates(parameters, task)
    why = "the learning rate is the first lever: the best in short trials is tried in full"
    if task == "generation":
        reasons["select.rates"] = f"{why}; a lower one learns less in each of them"
        return [high]
    if task == "image_classification" and rows < FEW_IMAGES:
        reasons["select.rates"] = (
            f"none: with {rows} images that train too few are left to tell rates apart, and the "
            "usual one has been best (benchmarks/LOG.md)"
        )
        return []
    reasons["select.rates"] = why
    return [low, high]
