"""Served: several finished runs of one base answer by name, the base's weights in memory once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fewtune.environment import device_name
from fewtune.errors import ModelError, RunError
from fewtune.family import suggest
from fewtune.models.twin import twin
from fewtune.store.runs import RunFolder
from fewtune.verbs.kept import FACTS, base_kind, load_model
from fewtune.verbs.result import Run, open_run

__all__ = ["Served"]


class Served(Mapping[str, Run]):
    """Finished runs of one base model, by name; each answers as if it were loaded alone.

    The weights of the base are loaded once. What a run added (adapters, a prefix, a head) is put
    around them for that run alone, so there is nothing to switch, and answers of several runs may
    be asked for at the same time. On the command line one call answers with one run: loading is
    what takes time there, and nothing is left to be shared afterwards.

    Parameters
    ----------
    runs
        Folders by name, or folders alone, which are then called by their last part.

    Raises
    ------
    ModelError
        If a run was tuned from another base, named with both fingerprints, or keeps a whole model.
    RunError
        If a folder is no finished run, or two have one name.

    Examples
    --------
    >>> served = Served(["runs/bookings", "runs/complaints"])  # doctest: +SKIP
    >>> served["bookings"].predict("Can I come on Monday?")  # doctest: +SKIP
    """

    def __init__(self, runs: Mapping[str, str | Path] | Sequence[str | Path]) -> None:
        self._runs: dict[str, Run] = {}
        self._bases: dict[tuple[Any, ...], Any] = {}
        self._facts: dict[str, Any] = {}
        if not isinstance(runs, Mapping):
            paths = [Path(run) for run in runs]
            _refuse_one_name(paths)
            runs = {path.name: path for path in paths}
        for name, path in runs.items():
            self.add(name, path)

    def add(self, name: str, path: str | Path) -> None:
        """Take a run in under ``name``; one that is there is replaced, once the new one works."""
        run = open_run(path)
        facts = RunFolder.open(run.path).read_json(f"model/{FACTS}")
        self._refuse_another_base(facts, run.path)
        # What can be read before anyone asks is read now: a broken file is told at once.
        run.__dict__["_model"] = load_model(run.path, self._bringing(run.path, facts))
        self._runs[name] = run
        self._facts = self._facts or facts["base"]

    def remove(self, name: str) -> None:
        """Let a run go; the base stays loaded."""
        self[name]
        del self._runs[name]

    def predict(self, name: str, inputs: Any) -> Any:
        """Return the answers of the run called ``name``, as ``Run.predict`` gives them."""
        return self[name].predict(inputs)

    def __getitem__(self, name: str) -> Run:
        if name not in self._runs:
            raise RunError("the name of a run that is served", f"{name!r}", "", self._others(name))
        return self._runs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._runs)

    def __len__(self) -> int:
        return len(self._runs)

    def __contains__(self, name: object) -> bool:
        return name in self._runs

    def _others(self, name: str) -> str:
        return suggest(name, self._runs) if self._runs else "Add one first"

    def _bringing(self, run: Path, facts: dict[str, Any]) -> Callable[[Callable[[], Any]], Any]:
        """Return what gives a run its twin of the base, which the first run of its kind reads."""
        key = base_kind(run, facts)

        def bring(read: Callable[[], Any]) -> Any:
            if key not in self._bases:
                # Moved before there are twins: they share what is moved in place, buffers are not.
                self._bases[key] = read().to(device_name())
            return twin(self._bases[key])

        return bring

    def _refuse_another_base(self, facts: dict[str, Any], path: Path) -> None:
        weights = path / "model" / "model.safetensors"
        if weights.is_file() or weights.with_suffix(".safetensors.index.json").is_file():
            raise ModelError(
                "runs that share the weights of a base",
                f"a whole model of its own, which method {facts['method']} keeps",
                str(path),
                "Open it alone with fewtune.open",
            )
        own = facts["base"]
        first = self._facts or own
        if own["fingerprint"] != first["fingerprint"]:
            raise ModelError(
                f"a run of the base that is loaded, {first['name']} ({first['fingerprint']})",
                f"one of {own['name']} ({own['fingerprint']})",
                str(path),
                "Serve it apart: its answers on another base would be others",
            )


def _refuse_one_name(paths: Sequence[Path]) -> None:
    names = [path.name for path in paths]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RunError(
            "folders with different names",
            f"several called {', '.join(twice)}",
            cure="Give names with a mapping of name to folder",
        )
