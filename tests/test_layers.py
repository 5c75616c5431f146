"""The rooms of the house: imports go downward only, and what must start fast starts fast."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOMS = (
    "errors records listing family environment data checks augmentations models tasks methods "
    "regularizers measures plan train select diagnoses store report update serve verbs "
    "integrations cli __main__"
).split()
SOURCE = Path(__file__).resolve().parents[1] / "src" / "fewtune"


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(tree: ast.AST, path: Path) -> Iterator[tuple[int, str]]:
    """Yield line and room of every import of fewtune, those inside functions included.

    What stands under ``if TYPE_CHECKING`` counts too: it is knowledge of another room.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            inside = path.relative_to(SOURCE.parent).with_suffix("").parts
            above = ".".join(inside[: len(inside) - node.level]) if node.level else ""
            module = ".".join(part for part in (above, node.module or "") if part)
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "fewtune" and len(parts) > 1:
                yield node.lineno, parts[1]


def upward(path: Path, text: str) -> list[str]:
    """Return every import of a room that stands above the file's own."""
    own = ROOMS.index(room_of(path))
    found = []
    for line, room in imported(ast.parse(text), path):
        # A name of the package itself (``fewtune.__version__``) is no room.
        if room in ROOMS and ROOMS.index(room) > own:
            found.append(f"{path.relative_to(SOURCE)}:{line} imports {room}")
    return found


def files() -> list[Path]:
    return sorted(p for p in SOURCE.rglob("*.py") if p.parent != SOURCE or p.stem != "__init__")


def test_every_file_lives_in_a_known_room():
    strangers = sorted({room_of(path) for path in files()} - set(ROOMS))
    assert not strangers, f"not in the order of rooms: {strangers}"


def test_no_import_goes_upward():
    faults = [fault for path in files() for fault in upward(path, path.read_text("utf-8"))]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    "line",
    [
        "from fewtune.cli import main",
        "import fewtune.cli.main",
        "def f():\n    from fewtune.verbs.fit import fit",
        "from ..select.trials import Trial",
        "from fewtune import report",
    ],
)
def test_an_upward_import_would_be_seen(line):
    assert upward(SOURCE / "train" / "loop.py", line)


def test_peft_is_imported_by_one_file_only():
    users = []
    for path in files():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == "peft" for name in names):
                users.append(str(path.relative_to(SOURCE)))
    assert set(users) == {"models/adapters.py"}


def answer(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("module", ["fewtune", "fewtune.report.html", "fewtune.cli.main"])
def test_these_modules_load_no_torch(module):
    loaded = answer(f"import {module}, sys; print(*[m for m in sys.modules if m == 'torch'])")
    assert loaded == ""


def test_the_verbs_are_there_and_a_wrong_name_is_an_attribute_error():
    import fewtune

    assert callable(fewtune.check)
    assert callable(fewtune.prepare)
    with pytest.raises(AttributeError, match="no attribute 'fti'"):
        _ = fewtune.fti


def test_help_answers_at_once():
    """Under 0.3 s of processor time, the best of five: waiting for a busy machine is not ours."""
    call = [sys.executable, "-c", "from fewtune.cli.main import main; main(['--help'])"]
    taken = []
    for _ in range(5):
        before = os.times()
        done = subprocess.run(call, capture_output=True, text=True)
        after = os.times()
        taken.append(
            after.children_user
            - before.children_user
            + after.children_system
            - before.children_system
        )
        assert done.returncode == 0
        assert "fit" in done.stdout
        if taken[-1] < 0.3:
            break
    assert min(taken) < 0.3, f"seconds: {[round(t, 2) for t in taken]}"
