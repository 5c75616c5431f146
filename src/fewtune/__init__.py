"""Fine-tune a pretrained model on little data, and prove what the tuning changed.

The verbs are imported when they are first used: ``import fewtune`` loads no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fewtune.verbs.augment import augment
    from fewtune.verbs.check import check
    from fewtune.verbs.compare import compare
    from fewtune.verbs.fit import fit
    from fewtune.verbs.measure import measure
    from fewtune.verbs.prepare import prepare
    from fewtune.verbs.result import Run
    from fewtune.verbs.result import open_run as open
    from fewtune.verbs.served import Served

__version__ = "0.1.0"

__all__ = ["Run", "Served", "augment", "check", "compare", "fit", "measure", "open", "prepare"]

_HOMES = {
    "augment": ("fewtune.verbs.augment", "augment"),
    "check": ("fewtune.verbs.check", "check"),
    "compare": ("fewtune.verbs.compare", "compare"),
    "fit": ("fewtune.verbs.fit", "fit"),
    "measure": ("fewtune.verbs.measure", "measure"),
    # Not "plan": the room of that name would take its place once it is imported.
    "prepare": ("fewtune.verbs.prepare", "prepare"),
    "open": ("fewtune.verbs.result", "open_run"),
    "Run": ("fewtune.verbs.result", "Run"),
    "Served": ("fewtune.verbs.served", "Served"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'fewtune' has no attribute {name!r}")
    import importlib

    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)
