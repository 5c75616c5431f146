"""Where a run happens: versions, commit, device, threads and seeds, written into every run."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import random
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fewtune.errors import PlanError

__all__ = [
    "bf16_is_native",
    "command_line",
    "describe",
    "device_name",
    "free_memory",
    "give_back_memory",
    "process_count",
    "process_rank",
    "resident_memory",
    "reuse_memory",
    "seed_everything",
    "seeded",
    "versions",
]

RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
COUNTS = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
"""What torchrun, ``accelerate launch`` and the kinds of mpirun tell a process, as accelerate reads
it."""

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Names of settings of ``mallopt`` in glibc's ``malloc.h``."""

MOST_REUSED = 2**30
"""Bytes up to which a freed block is kept for the next one."""

PACKAGES = (
    "fewtune",
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "tokenizers",
    "safetensors",
    "scikit-learn",
    "numpy",
)


def versions() -> dict[str, str]:
    """Return the installed version of every package that a result depends on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _commit() -> str:
    """Return the commit of the source tree that fewtune runs from, or ``released``."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return "released"
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), "describe", "--always", "--dirty"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.strip()


def device_name() -> str:
    """Return ``cuda``, ``mps`` or ``cpu``, the best that is here; ``FEWTUNE_DEVICE`` overrides.

    Raises
    ------
    PlanError
        If that names a device that is not here.
    """
    import torch

    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    here = ["cuda"] * bool(cards) + ["mps"] * torch.backends.mps.is_available() + ["cpu"]
    wanted = os.environ.get("FEWTUNE_DEVICE")
    if wanted and wanted not in (*here, *(f"cuda:{number}" for number in range(cards))):
        several = f" or cuda:0 to cuda:{cards - 1}" if cards > 1 else ""
        raise PlanError(
            f"a device that is here: {', '.join(here)}{several}",
            repr(wanted),
            "FEWTUNE_DEVICE",
            "Set it to one that is, or leave it out",
        )
    return wanted or here[0]


def free_memory(device: str) -> int | None:
    """Return the bytes that are free on a device, for a processor those of main memory.

    A bound on the process's group (a container's) counts; ``None`` where the system does not say.
    """
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    found = []
    try:
        facts = Path("/proc/meminfo").read_text(encoding="ascii").split("MemAvailable:")
        found.append(int(facts[1].split()[0]) * 1024)
    except (OSError, IndexError, ValueError):
        return None
    group = Path("/sys/fs/cgroup")
    try:
        bound = int((group / "memory.max").read_text(encoding="ascii"))
        found.append(bound - int((group / "memory.current").read_text(encoding="ascii")))
    except (OSError, ValueError):
        pass
    return max(0, min(found))


def reuse_memory() -> None:
    """Have the C library keep large freed blocks for the next ones, where it can (glibc).

    By default every tensor of 32 MiB or more is mapped anew, and the system fills its pages with
    zeros: a third of the time of a convolutional model on a processor. ``give_back_memory`` still
    returns what is free. It is for image models: what a language model leaves between blocks that
    are still in use cost a tenth of its peak and saved no time. The setting is the whole process's;
    whoever has made one by the allocator's variables is left alone.
    """
    set_up = ("GLIBC_TUNABLES", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
    if sys.platform != "linux" or any(name in os.environ for name in set_up):
        return
    import ctypes

    change = getattr(ctypes.CDLL(None), "mallopt", None)
    if change is not None:
        for parameter in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            change(parameter, ctypes.c_int(MOST_REUSED))


def give_back_memory() -> None:
    """Have the C library return freed memory to the system, where it can (glibc).

    It keeps what a pass has freed for the next one of its kind. Between passes of different kinds
    that only adds up: a third of the memory of a small fit was such leavings.
    """
    if sys.platform == "linux":
        import ctypes

        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def resident_memory() -> int:
    """Return the bytes of main memory that this process holds; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def process_rank() -> int:
    """Return the number of this process, from 0, among those that were started together."""
    return next((int(os.environ[name]) for name in RANKS if name in os.environ), 0)


def process_count() -> int:
    """Return how many processes were started together; 1 where none says otherwise."""
    return next((int(os.environ[name]) for name in COUNTS if name in os.environ), 1)


def bf16_is_native(device: str) -> bool:
    """Return whether ``device`` multiplies bfloat16 matrices in hardware.

    Where it does not, autocast only adds conversions.
    """
    import torch

    if device.startswith("cuda"):
        # Asked of the device that is current; emulated, older cards (T4, V100) say yes as well.
        with torch.cuda.device(device):
            return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device == "cpu":
        # torch keeps these two probes private, so a version without them counts as "no".
        probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)
    return False


def seed_everything(seed: int) -> None:
    """Seed python, numpy and torch (every device)."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


@contextmanager
def seeded(device: Any, seed: int) -> Iterator[None]:
    """Have what is drawn in the block on ``device`` depend on ``seed``, and nothing after it.

    Other devices are left alone: torch would start every GPU to remember where its draws were. (On
    MPS, whose state it cannot keep, what is drawn after the block is of ``seed`` too.)
    """
    import torch

    place = torch.device(device)
    own = []
    if place.type == "cuda":
        own = [torch.cuda.current_device() if place.index is None else place.index]
    with torch.random.fork_rng(devices=own, device_type="cuda"):
        torch.manual_seed(seed)
        yield


def command_line() -> str:
    """Return what was called, quoted for a shell.

    fewtune is called by its name, however it was started: as an installed command, by
    ``python -m fewtune`` or by a launcher. A script that uses it is called as it was.
    """
    program, *words = sys.argv or [""]
    path = Path(program).resolve()
    own = path.stem == "fewtune" or Path(__file__).resolve().parent in path.parents
    return shlex.join(["fewtune" if own else program, *words])


def describe(seed: int) -> dict[str, Any]:
    """Return what is needed to repeat a run elsewhere, as plain values."""
    import torch

    device = device_name()
    accelerator = torch.cuda.get_device_name(device) if device.startswith("cuda") else ""
    return {
        "versions": versions(),
        "commit": _commit(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "device": device,
        "accelerator": accelerator,
        "bf16": bf16_is_native(device),
        "threads": torch.get_num_threads(),
        "seed": seed,
        "command": command_line(),
    }
