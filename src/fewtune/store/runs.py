"""Run folders: made, opened, and written so that a file is whole or not there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fewtune.errors import RunError
from fewtune.store.strict import strict_json

__all__ = ["RunFolder"]

PLAN = "plan.yaml"

UNFINISHED = (
    PLAN,
    "inputs.json",
    "environment.json",
    "data.json",
    "journal.jsonl",
    "checkpoints",
    "predictions.jsonl",
    "model",
)
"""What a run that is not finished may have in its folder, each perhaps still as ``.tmp``."""


class RunFolder:
    """A folder that holds everything about one fit.

    Parameters
    ----------
    path
        The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path) -> RunFolder:
        """Return a new, empty run folder.

        Raises
        ------
        RunError
            If the folder holds something, is a file, or cannot be written.
        """
        if path.exists() and not path.is_dir():
            raise RunError(
                "a folder for the run", "a file", str(path), "Choose another name with -o"
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
            found = sorted(p.name for p in path.iterdir())
            if found:
                was = "an earlier run" if PLAN in found else f"a folder that holds {found[0]}"
                raise RunError(
                    "an empty or new folder for the run",
                    was,
                    str(path),
                    "Choose another with -o, or go on with an interrupted run with --resume",
                )
            probe = path / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise RunError(
                "a folder that can be written",
                error.strerror or str(error),
                str(path),
                "Choose another with -o",
            ) from error
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Return an existing run folder.

        Raises
        ------
        RunError
            If there is no run in it.
        """
        if not path.exists():
            raise RunError("a run folder", "no such folder", str(path), "Check the path")
        if not (path / PLAN).is_file():
            raise RunError(
                "a run folder", f"no {PLAN} in it", str(path), "Give a folder made by fewtune fit"
            )
        return cls(path)

    def discard(self) -> None:
        """Take what an unfinished run wrote out of the folder, unless it has left a checkpoint.

        The folder goes too, where nothing else has been put into it meanwhile and it can go: the
        working folder and a mount point stay.
        """
        if self.finished or any(entry.is_dir() for entry in self.path.glob("checkpoints/*")):
            return
        for entry in self.path.iterdir():
            if entry.name.removesuffix(".tmp") not in UNFINISHED:
                continue
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink()
        with suppress(OSError):
            self.path.rmdir()

    @property
    def model(self) -> Path:
        """The folder of the finished model."""
        return self.path / "model"

    @property
    def finished(self) -> bool:
        """Whether the fit reached its end."""
        return (self.path / "scores.json").is_file()

    def write_text(self, name: str, text: str) -> Path:
        """Write a file whole: beside its place first, then renamed over it."""
        target = self.path / name
        fresh = target.with_name(target.name + ".tmp")
        fresh.write_text(text, encoding="utf-8")
        os.replace(fresh, target)
        return target

    def write_json(self, name: str, value: Any) -> Path:
        """Write a value as JSON, whole or not at all; NaN and infinity as null."""
        return self.write_text(name, strict_json(value, indent=1) + "\n")

    def write_lines(self, name: str, records: Iterable[Any]) -> Path:
        """Write records as JSON lines, whole or not at all; NaN and infinity as null."""
        return self.write_text(name, "".join(strict_json(record) + "\n" for record in records))

    def read_json(self, name: str) -> Any:
        """Return the value of a JSON file of the run.

        Raises
        ------
        RunError
            If it is missing or damaged.
        """
        path = self.path / name
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RunError(
                f"a finished run, which has {name}",
                "none: the fit did not end",
                str(self.path),
                "Go on with: fewtune fit … --resume",
            ) from error
        except (OSError, ValueError) as error:
            raise RunError("a whole file", str(error), str(path), "Fit again") from error

    @contextmanager
    def fresh(self, name: str) -> Iterator[Path]:
        """Give a folder to fill, which takes its place in the run only when filled."""
        fresh = self.path / f"{name}.tmp"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        yield fresh
        for path in fresh.rglob("*"):
            # Some writers make files only their owner may read; a run is to be shared.
            if path.is_file():
                path.chmod(0o666 & ~_umask())
        shutil.rmtree(self.path / name, ignore_errors=True)
        fresh.rename(self.path / name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
