"""Files of a run folder as they are read for a report: what is damaged is told, not raised."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fewtune.errors import RunError

__all__ = ["as_mapping", "as_number", "lines_of", "object_of", "yaml_of"]


def as_mapping(value: object) -> dict[str, Any]:
    """Return ``value`` where it is a mapping with its keys as text, else an empty one."""
    return {str(k): v for k, v in value.items()} if isinstance(value, Mapping) else {}


def as_number(value: object) -> float | None:
    """Return ``value`` as a finite float, or ``None`` where it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _text(path: Path) -> str | None:
    if not path.exists():
        return None
    try:
        # Damaged bytes must not hide the rest of the file: the report is where they are told.
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise RunError("a run that can be read", error.strerror or str(error), str(path)) from error


def yaml_of(path: Path, faults: list[str]) -> dict[str, Any]:
    """Return the mapping in a YAML file; empty where there is none."""
    import yaml

    text = _text(path)
    if text is None:
        return {}
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        faults.append(f"{path.name} cannot be read: {' '.join(str(error).split())}.")
        return {}
    return as_mapping(content)


def object_of(path: Path, faults: list[str]) -> dict[str, Any]:
    """Return the object in a JSON file; empty where there is none."""
    text = _text(path)
    if text is None:
        return {}
    try:
        content = json.loads(text)
    except ValueError as error:
        faults.append(f"{path.name} cannot be read: {error}.")
        return {}
    return as_mapping(content)


def lines_of(path: Path, faults: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file of JSON lines; nothing where there is no file."""
    damaged: list[int] = []
    # Only newlines end a line: user text may hold other separators, such as U+2028.
    for number, line in enumerate((_text(path) or "").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if isinstance(record, dict):
            yield record
        else:
            damaged.append(number)
    if damaged:
        places = ", ".join(f"{path.name}:{n}" for n in damaged[:5])
        more = f" and {len(damaged) - 5} more" if len(damaged) > 5 else ""
        faults.append(f"Not readable and left out: {places}{more}.")
