"""The command that goes on with an interrupted run, made of the one that began it."""

from __future__ import annotations

import shlex
from pathlib import Path

__all__ = ["resume_command"]


def resume_command(command: str, run: str | Path) -> str:
    """Return the command that goes on with a run, quoted for a shell.

    It is empty where a fit was not begun by the command line, which then cannot go on with it
    either.

    Parameters
    ----------
    command
        The one that began the run, quoted for a shell (``environment.command_line``).
    run
        The run folder, as it is called where the command was given.

    Examples
    --------
    >>> print(resume_command("fewtune fit 'my calls.csv' -m minilm", "runs/my calls-1"))
    fewtune fit 'my calls.csv' -m minilm -o 'runs/my calls-1' --resume
    >>> print(resume_command("fewtune fit calls.csv -m minilm --output=a --resume", "a"))
    fewtune fit calls.csv -m minilm --output=a --resume
    >>> resume_command("train.py calls.csv", "runs/calls-1")
    ''
    """
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    if words[:2] != ["fewtune", "fit"]:
        return ""
    if not any(_names_output(word) for word in words):
        words += ["-o", str(run)]
    if "--resume" not in words:
        words.append("--resume")
    return shlex.join(words)


def _names_output(word: str) -> bool:
    joined = word.startswith("-o") and not word.startswith("--")
    return joined or word == "--output" or word.startswith("--output=")
