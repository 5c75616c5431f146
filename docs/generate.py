"""Write the generated parts of the documents: members, options, settings, measured figures.

    python docs/generate.py            write what has changed
    python docs/generate.py --check    write nothing; exit code 1 where a page is out of date

What stands between the two markers of a page is made from the code; the rest is written by hand.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

DOCS = Path(__file__).resolve().parent
BEGIN = "<!-- made by docs/generate.py from here -->"
END = "<!-- to here -->"

FAMILIES = {
    "checks": ("fewtune.checks.base", "CHECKS"),
    "methods": ("fewtune.methods.base", "METHODS"),
    "regularizers": ("fewtune.regularizers.base", "REGULARIZERS"),
    "monitors": ("fewtune.train.monitors.base", "MONITORS"),
    "measures": ("fewtune.measures.base", "MEASURES"),
    "diagnoses": ("fewtune.diagnoses.base", "DIAGNOSES"),
    "tasks": ("fewtune.tasks.base", "TASKS"),
    "collectors": ("fewtune.data.collectors.base", "COLLECTORS"),
    "augmentations": ("fewtune.augmentations.base", "AUGMENTATIONS"),
}
EVERY_TASK = frozenset({"generation", "text_classification", "image_classification"})
EVERY_SHAPE = frozenset({"labelled_text", "labelled_image", "prompt", "chat", "text"})


def pages() -> dict[Path, str]:
    """Return every page that has a generated part, as it should be."""
    made: dict[Path, str] = {}
    for name, (module, attribute) in FAMILIES.items():
        family = getattr(importlib.import_module(module), attribute)
        path = DOCS / "families" / f"{name}.md"
        made[path] = _between(path, "\n".join(_family(name, family)))
    for path in sorted((DOCS / "verbs").glob("*.md")):
        lines = [*_verb(path.stem)]
        if path.stem == "plan":
            from fewtune.plan.plan import Plan

            lines += ["", "### Settings of the plan", "", *_settings(Plan)]
        made[path] = _between(path, "\n".join(lines))
    readme = DOCS.parent / "README.md"
    made[readme] = _between(readme, "\n".join(_measured()))
    return made


def _between(path: Path, part: str) -> str:
    """Return the page with ``part`` between its markers."""
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path}: expected the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{part.strip()}\n\n{END}{after}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return a table; what Markdown would read as a bar or a tag is escaped."""
    columns = list(head)
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    for row in rows:
        cells = [re.sub(r"<(?=[a-z/])", "&lt;", cell.replace("|", "\\|")) for cell in row]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _family(name: str, family: Any) -> Iterator[str]:
    """Yield the members: a table of all, then what each may be told."""
    members = family.load_all()
    yield f"{len(members)} members: the files of `{family.package.replace('.', '/')}/`."
    yield ""
    rows = [(f"`{n}`", family.help(n), FACTS[name](m)) for n, m in members.items()]
    yield from _table(("name", "what it is", "facts"), rows)
    for member, kind in members.items():
        options = getattr(kind, "Options", None)
        if options is not None and options.model_fields:
            yield from ("", f"### Options of `{member}`", "")
            yield from _options(options)


def _options(model: type[BaseModel]) -> list[str]:
    rows = (
        (f"`{name}`", _default(field), _allowed(field), field.description or "")
        for name, field in model.model_fields.items()
    )
    return _table(("option", "default", "allowed", "meaning"), rows)


def _settings(model: type[BaseModel]) -> list[str]:
    return _table(("key", "default", "allowed", "meaning"), _rows_of(model, ""))


def _rows_of(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if inspect.isclass(inner) and issubclass(inner, BaseModel):
            yield from _rows_of(inner, f"{prefix}{name}.")
        else:
            default = _default(field)
            yield f"`{prefix}{name}`", default, _allowed(field), field.description or ""


def _default(field: Any) -> str:
    """Return the default as YAML writes it; members by their names."""
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "needed"
    if isinstance(value, list):
        inner = ", ".join(str(getattr(item, "name", item)) for item in value)
        return f"`[{inner}]`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value is not None and value != "" else "empty"


def _allowed(field: Any) -> str:
    """Return the type and the range: ``integer ≥ 1``."""
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(field.annotation))
    found = re.sub(r"<class '(\w+)'>", r"\1", str(field.annotation))
    kind = re.sub(r"[\w.]*\.(\w+)", r"\1", found)
    for python, word in {
        "int": "integer",
        "float": "number",
        "str": "text",
        "bool": "yes or no",
        "NoneType": "empty",
        "None": "empty",
        "Any": "anything",
    }.items():
        kind = re.sub(rf"(?<!\w){re.escape(python)}(?!\w)", word, kind)
    kind = kind.replace(" | ", " or ")
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    bounds = [
        f"{sign} {getattr(limit, name):g}"
        for limit in field.metadata
        for name, sign in signs.items()
        if getattr(limit, name, None) is not None
    ]
    return f"{kind} {' and '.join(bounds)}".strip()


def _only(kinds: Iterable[str], every: frozenset[str]) -> str:
    """Return ``for a, b``, or nothing where it is for all."""
    some = sorted(kinds)
    return "" if set(some) == every else f"for {', '.join(some)}"


def _joined(*facts: str) -> str:
    return "; ".join(fact for fact in facts if fact)


def _check(kind: Any) -> str:
    return _joined(
        _only(kind.shapes, EVERY_SHAPE),
        "needs `--test`" if kind.needs_test else "",
        "needs `--model`" if kind.needs_model else "",
        "slow: not before a fit" if kind.slow else "",
    )


def _method(kind: Any) -> str:
    solved = ", ".join(sorted(kind.solves))
    return _joined(
        _only(kind.tasks, EVERY_TASK),
        f"learning rate × {kind.rate_factor:g}" if kind.rate_factor != 1 else "",
        f"fitted by a solver for {solved}" if solved else "",
        _refuses(kind),
    )


def _refuses(kind: Any) -> str:
    return f"not with {', '.join(f'`{n}`' for n in sorted(kind.refuses))}" if kind.refuses else ""


def _regularizer(kind: Any) -> str:
    owner = "does the update itself: one such per plan" if kind.owns_update else ""
    return _joined(_only(kind.tasks, EVERY_TASK), owner, _refuses(kind))


def _measure(kind: Any) -> str:
    return _joined(
        f"{kind.direction} is better",
        kind.unit,
        f"version {kind.version}",
        _only(kind.tasks, EVERY_TASK),
    )


FACTS: dict[str, Callable[[Any], str]] = {
    "checks": _check,
    "methods": _method,
    "regularizers": _regularizer,
    "monitors": lambda kind: "",
    "measures": _measure,
    "diagnoses": lambda kind: "holds the model back" if kind.holds else "",
    "tasks": lambda kind: _joined(
        f"rows: {', '.join(sorted(kind.shapes))}", f"decided by `{kind.headline}`"
    ),
    "augmentations": lambda kind: _joined(
        _only(kind.shapes, EVERY_SHAPE),
        "changes the target" if kind.changes == "target" else "",
        "takes its parent's place" if kind.replaces else "",
    ),
    "collectors": lambda kind: _joined(", ".join(kind.suffixes), f"makes {kind.shape} rows"),
}


def _verb(name: str) -> Iterator[str]:
    """Yield how the verb is called and its options, as ``--help`` has them."""
    import typer

    from fewtune.cli.main import app

    group: Any = typer.main.get_command(app)
    command = group.get_command(None, name)
    if command is None:
        yield f"`fewtune {name}` is not a command of this version yet."
        return
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    words = " ".join(str(p.metavar or p.name.upper()) for p in arguments)
    yield from ("```", f"fewtune {name} {words} [OPTIONS]".replace("  ", " "), "```", "")
    rows = [
        (", ".join(f"`{flag}`" for flag in p.opts), p.help or "")
        for p in command.params
        if p.param_type_name == "option" and "--help" not in p.opts
    ]
    yield from _table(("option", "meaning"), rows) if rows else ["No options."]


def _measured() -> list[str]:
    """Return the table of figures, read from the results that the benchmarks wrote."""
    from benchmarks.figures import figures

    linked = [
        (what, figure, f"[{name.rsplit('/', 1)[-1]}](benchmarks/{name})")
        for what, figure, name in figures()
    ]
    return _table(("what", "figure", "from"), linked)


def main() -> int:
    """Write the pages that have changed, or only say which; return the exit code."""
    sys.path.insert(0, str(DOCS.parent))
    stale = {p: t for p, t in pages().items() if p.read_text(encoding="utf-8") != t}
    for path, text in stale.items():
        print(path.relative_to(DOCS.parent))
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
