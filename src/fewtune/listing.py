"""What a package folder holds, told without importing any of it."""

from __future__ import annotations

import ast
from importlib import resources

__all__ = ["module_help", "module_names"]


def module_names(package: str) -> list[str]:
    """Return the names of a package's own modules, sorted; those with a leading _ are left out."""
    files = (entry.name for entry in resources.files(package).iterdir())
    stems = {name.removesuffix(".py") for name in files if name.endswith(".py")}
    return sorted(stem for stem in stems if not stem.startswith("_"))


def module_help(package: str, name: str) -> str:
    """Return the first line of the docstring of a package's module."""
    source = resources.files(package).joinpath(f"{name}.py").read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(source)) or ""
    return docstring.split("\n", 1)[0]
