"""Processes of tests, forked: everything is imported already, which takes longest of all."""

from __future__ import annotations

import importlib
import os
import socket
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

USED = ("fewtune.verbs.fit", "sklearn.linear_model", "peft", "matplotlib.pyplot")
"""What a fit imports."""


@dataclass(frozen=True)
class Process:
    """A process and the files that hold what it said; they may be one."""

    number: int
    out: Path
    err: Path


def fork(
    action: Callable[[], None], out: Path, err: Path, environment: Mapping[str, object] = {}
) -> Process:
    """Do something in a process of its own, which can be killed like any other."""
    for module in USED:
        importlib.import_module(module)
    for file in (out, err):
        file.write_text("")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside idle threads
        number = os.fork()
    if not number:
        _be(action, out, err, environment)
    return Process(number, out, err)


def join(count: int, folder: Path, action: Callable[[int], None]) -> list[Process]:
    """Do something in ``count`` processes with the environment that ``torchrun`` gives them."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    running = []
    for rank in range(count):
        given = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_PORT": port}
        given |= {"MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo"}
        files = (folder / f"out-{count}-{rank}", folder / f"err-{count}-{rank}")
        running.append(fork(lambda rank=rank: action(rank), *files, given))
    return running


def ended(running: list[Process]) -> list[tuple[int, str, str]]:
    """Wait for processes; return of each its exit code (negative for a signal) and what it said."""
    codes = [os.waitstatus_to_exitcode(os.waitpid(p.number, 0)[1]) for p in running]
    return [(c, p.out.read_text(), p.err.read_text()) for c, p in zip(codes, running, strict=True)]


def _be(
    action: Callable[[], None], out: Path, err: Path, environment: Mapping[str, object]
) -> None:
    from accelerate.state import AcceleratorState, PartialState

    code = 99
    try:
        # A GPU that the parent has used cannot be used by what is forked from it.
        os.environ.update({**{k: str(v) for k, v in environment.items()}, "FEWTUNE_DEVICE": "cpu"})
        for path, number in ((out, 1), (err, 2)):
            os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), number)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        # What an earlier test has made in the parent is no part of a new process.
        AcceleratorState._reset_state(True)
        PartialState._reset_state()
        action()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
