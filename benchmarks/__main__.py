"""Lists the benchmarks, or runs all of them: ``python -m benchmarks [--list]``."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent


def modules() -> list[tuple[str, str]]:
    """Return (module, first line of its docstring) of every benchmark."""
    found = []
    for path in sorted(HERE.rglob("*.py")):
        if path.name.startswith("_") or path.parent == HERE:
            continue
        name = ".".join(("benchmarks", *path.relative_to(HERE).with_suffix("").parts))
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        found.append((name, docstring.split("\n", 1)[0]))
    return found


if __name__ == "__main__":
    for name, help_line in modules():
        print(f"{name}: {help_line}", flush=True)
        if "--list" not in sys.argv:
            sys.argv = [name]
            runpy.run_module(name, run_name="__main__")
