"""Figures and names as a reader sees them: percent, points, intervals, durations, plain words."""

from __future__ import annotations

import math

from fewtune.family import Family
from fewtune.report.names import MEANINGS, TITLES

__all__ = [
    "amount",
    "bounds",
    "clip",
    "count",
    "difference",
    "duration",
    "explain",
    "figure",
    "megabytes",
    "percent",
    "sentence",
    "signed_bounds",
    "title",
]

STAGE_MARKS = {
    "+all": "on all known rows",
    "+train": "on the training rows",
    "+seed": "seed {}",
    "~": "short trial of {} updates",
    "#": "fold {}",
}
"""What the select room adds to a candidate's name, and what it says."""

SHARES = frozenset({"share", "fraction", "probability"})
MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"


def title(name: str) -> str:
    """Return a name in plain words.

    Examples
    --------
    >>> title("majority"), title("token_mask_20"), title("lora@5e-05")
    ('Always the most frequent class', 'Token mask 20', 'LoRA at 5e-05')
    >>> title("full+all"), title("lora@5e-05~40")
    ('Full fine-tuning, on all known rows', 'LoRA at 5e-05, short trial of 40 updates')
    >>> title("lora#2"), title("lora+seed1"), title("full+kl_to_base")
    ('LoRA, fold 2', 'LoRA, seed 1', 'Full fine-tuning + KL to the base')
    >>> title("full+kl_to_base(weight=8.0)")
    'Full fine-tuning + KL to the base, weight 8.0'
    """
    if name in TITLES:
        return TITLES[name]
    for mark, said in STAGE_MARKS.items():
        stem, found, rest = name.rpartition(mark)
        if found and stem and (rest.isdigit() or not rest):
            return f"{title(stem)}, {said.format(rest)}"
    stem, opened, options = name.partition("(")
    if opened and stem and options.endswith(")"):
        return f"{title(stem)}, {options[:-1].replace('=', ' ')}"
    first, plus, second = name.partition("+")
    if plus and first and second:
        return f"{title(first)} + {title(second)}"
    method, at, rate = name.partition("@")
    if at and method in TITLES:
        return f"{TITLES[method]} at {rate}"
    spaced = name.replace("_", " ").strip()
    return spaced[:1].upper() + spaced[1:]


def explain(name: str) -> str:
    """Return one sentence on what a score means, or an empty string where nobody wrote one.

    A new measure explains itself: the first line of its file's docstring is taken, for the measure
    whose name the score's name begins with, without the name it starts with.
    """
    if name in MEANINGS:
        return MEANINGS[name]
    measures: Family[object] = Family(
        "fewtune.measures", object, "measure", ["calibration", "intervals"]
    )
    owners = [n for n in measures.names() if name == n or name.startswith(f"{n}_")]
    if not owners:
        return ""
    first_line = measures.help(max(owners, key=len))
    return sentence(first_line.split(": ", 1)[-1])


def _signed(text: str) -> str:
    return text.replace("-", MINUS)


def _decimals(value: float, unit: str) -> str:
    if unit in SHARES:
        return f"{100 * value:.1f}"
    if "/" in unit or not unit or unit.startswith("nat"):
        # Three decimals, or as many as it takes to show three digits of a small number.
        small = 0 < abs(value) < 0.01
        return f"{value:.3g}" if small or abs(value) >= 1000 else f"{value:.3f}"
    return f"{value:.2f}"


def _suffix(unit: str) -> str:
    return "%" if unit in SHARES else ""


def figure(value: float, unit: str = "") -> str:
    """Return a value as read aloud: shares in percent, other units with three decimals.

    Examples
    --------
    >>> figure(0.8431, "share"), figure(0.61803, "nats/byte"), figure(float("nan"))
    ('84.3%', '0.618', '—')
    """
    if not math.isfinite(value):
        return "\N{EM DASH}"
    return _signed(_decimals(value, unit)) + _suffix(unit)


def bounds(low: float, high: float, unit: str = "") -> str:
    """Return an interval: a dash between, or "to" where a bound is negative.

    Examples
    --------
    >>> bounds(0.81, 0.875, "share"), bounds(-0.02, 0.01, "share")
    ('81.0–87.5%', '−2.0 to 1.0%')
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return "interval unknown"
    joint = " to " if low < 0 or high < 0 else DASH
    return _signed(_decimals(low, unit)) + joint + _signed(_decimals(high, unit)) + _suffix(unit)


def amount(value: float, unit: str = "") -> str:
    """Return the size of a difference without its sign, in points for shares.

    Examples
    --------
    >>> amount(-0.031, "share"), amount(0.02, "nats/byte")
    ('3.1 points', '0.020 nats/byte')
    """
    if unit in SHARES:
        return f"{100 * abs(value):.1f} points"
    return f"{_decimals(abs(value), unit)}{f' {unit}' if unit else ''}"


def difference(value: float, unit: str = "") -> str:
    """Return a difference with its sign: ``+3.1``, in points for shares."""
    return ("+" if value >= 0 else MINUS) + _decimals(abs(value), unit)


def signed_bounds(low: float, high: float, unit: str = "") -> str:
    """Return the interval of a difference: both bounds with their signs, in points for shares.

    Examples
    --------
    >>> signed_bounds(-0.012, 0.05, "share")
    '−1.2 to +5.0'
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return "interval unknown"
    return f"{difference(low, unit)} to {difference(high, unit)}"


def percent(part: float, whole: float) -> str:
    """Return ``part`` of ``whole`` in percent with two digits, and never 100 or 0 for nearly so.

    Examples
    --------
    >>> percent(304128, 22713216), percent(5, 5), percent(9999, 10000), percent(1, 10**6)
    ('1.3%', '100%', '99.99%', '0.0001%')
    """
    share = 100 * part / whole
    if 99 <= share < 100:
        return f"{min(share, 99.99):.2f}%"
    digits = 1 - math.floor(math.log10(share)) if share else 0
    text = f"{share:.{max(digits, 0)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "%"


def duration(seconds: float) -> str:
    """Return seconds as a person says them.

    Examples
    --------
    >>> duration(4.21), duration(75), duration(7260)
    ('4.2 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def megabytes(size: float) -> str:
    """Return bytes in MB or GB of powers of two.

    Examples
    --------
    >>> megabytes(300 * 2**20), megabytes(3 * 2**30)
    ('300 MB', '3.0 GB')
    """
    return f"{size / 2**20:.0f} MB" if size < 2**30 else f"{size / 2**30:.1f} GB"


def count(number: float) -> str:
    """Return a whole number with thousands set off: ``22,713,216``."""
    return f"{round(number):,}"


def sentence(text: object) -> str:
    """Return a clause from elsewhere with a capital and a full stop.

    Examples
    --------
    >>> sentence("better than the base model"), sentence("LoRA won."), sentence("")
    ('Better than the base model.', 'LoRA won.', '')
    """
    said = str(text).strip()
    ended = said.endswith((".", "!", "?", ":", "…", ".”", '."', ".)"))
    return said[:1].upper() + said[1:] + ("" if ended or not said else ".")


def clip(text: str, limit: int = 420, from_end: bool = False) -> str:
    """Return the text, or its beginning (or end) with the whole length told."""
    text = text.replace("\x00", "\N{SYMBOL FOR NULL}")
    if len(text) <= limit:
        return text
    if from_end:
        return f"[{len(text):,} characters] …{text[-limit:].lstrip()}"
    return f"{text[:limit].rstrip()}… [{len(text):,} characters]"
