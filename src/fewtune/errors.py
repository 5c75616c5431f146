"""The exceptions of fewtune: each says what was expected, what came, where, and what to do.

::

    FewtuneError
    ├── DataError          a file or a row is not usable
    ├── PlanError          a setting is unknown, out of range, or contradicts another
    ├── ModelError         a model cannot be found, read, or does not fit the task
    ├── RunError           a run folder is missing, full, read-only or not a run
    ├── MissingExtra       an optional dependency is not installed
    ├── OutOfMemory        there was no more memory
    └── TrainingStopped    training was ended by a monitor because its result would be worthless
"""

from __future__ import annotations

import re

__all__ = [
    "DataError",
    "FewtuneError",
    "MissingExtra",
    "ModelError",
    "OutOfMemory",
    "PlanError",
    "RunError",
    "TrainingStopped",
]


class FewtuneError(Exception):
    """Anything that fewtune itself found wrong.

    Parameters
    ----------
    expected
        What a working input looks like, without a full stop: ``"a column named label"``.
    got
        What was found instead: ``"columns text, category"``.
    where
        ``file:line``, a setting's name or a path. May be empty.
    cure
        What to do, as an imperative sentence without a full stop. May be empty.

    Examples
    --------
    >>> print(FewtuneError("2 classes or more", "1 class", "calls.csv", "Add another class"))
    Expected 2 classes or more. Got 1 class (calls.csv). Add another class.
    """

    exit_code = 2

    def __init__(self, expected: str, got: str, where: str = "", cure: str = "") -> None:
        self.expected = expected
        self.got = got
        self.where = where
        self.cure = cure
        super().__init__(expected, got, where, cure)

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        cure = f" {self.cure}." if self.cure else ""
        return f"Expected {self.expected}. Got {self.got}{place}.{cure}"


class DataError(FewtuneError):
    """A file or a row that cannot be used as it is."""


class PlanError(FewtuneError):
    """Settings that are unknown, out of range, or contradict each other."""


class ModelError(FewtuneError):
    """A model that cannot be found, cannot be read, or does not fit the task."""


class RunError(FewtuneError):
    """A run folder that is missing, full, read-only, or not a run."""


class MissingExtra(FewtuneError):
    """An optional dependency that is needed here and is not installed.

    Examples
    --------
    >>> print(MissingExtra.named("pyarrow", "hub", "parquet"))
    Expected the package pyarrow for parquet. Got no such package. Run: pip install 'fewtune[hub]'.
    """

    @classmethod
    def named(cls, package: str, extra: str, purpose: str) -> MissingExtra:
        """Return the error for a missing ``package`` that ``extra`` would bring."""
        return cls(
            f"the package {package} for {purpose}",
            "no such package",
            cure=f"Run: pip install 'fewtune[{extra}]'",
        )


class OutOfMemory(FewtuneError):
    """The device, or the machine, had no more memory to give.

    Examples
    --------
    >>> print(OutOfMemory.of(MemoryError(), "Free some"))
    Expected enough memory. Got no more of it. Free some.
    >>> OutOfMemory.of(ValueError("no"), "Free some") is None
    True
    """

    @classmethod
    def of(cls, error: BaseException, cure: str) -> OutOfMemory | None:
        """Return what ``error`` of Python, numpy or torch says, if that is its reason."""
        words = str(error)
        told = type(error).__name__ == "OutOfMemoryError" or any(w in words for w in _NO_MEMORY)
        if not told and not isinstance(error, MemoryError):
            return None
        asked = re.search(r"allocate ([\d.,]+ ?[A-Za-z]+)", words)
        more = f", for another {asked[1]}" if asked else ""
        return cls("enough memory", f"no more of it{more}", cure=cure)


_NO_MEMORY = ("DefaultCPUAllocator: ", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
"""Words of torch's errors where they have no class of their own."""


class TrainingStopped(FewtuneError):
    """Training that a monitor ended because what it would have saved is worthless."""

    exit_code = 1
