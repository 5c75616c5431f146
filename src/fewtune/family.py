"""A family: the folder whose every file is one member, found by name and loaded when it is used.

The name of the file is the member's name in YAML and on the command line, and the first line of
the file's docstring is its help. Listing a family reads file names only; help reads source text;
nothing is imported until a member is used. A user's own member joins as ``package.module:Class``.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from fewtune.errors import PlanError
from fewtune.listing import module_help, module_names

__all__ = ["Configured", "Family", "Options", "suggest"]

T = TypeVar("T")

NOT_MEMBERS = frozenset({"__init__", "base"})


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``Did you mean X?`` for the nearest known name, or the list of them all.

    Examples
    --------
    >>> suggest("lroa", ["full", "head", "lora"])
    'Did you mean lora'
    >>> suggest("zzz", ["full", "head"])
    'Choose one of full, head'
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"Did you mean {near[0]}" if near else f"Choose one of {', '.join(names)}"


class Options(BaseModel):
    """Options of a member; each subclass documents its own in ``Field(description=…)``."""

    model_config = ConfigDict(extra="forbid")


class Configured:
    """A member that takes options.

    Parameters
    ----------
    options
        Values of the class's ``Options``.

    Raises
    ------
    PlanError
        If an option is unknown or out of range; all such options are named at once.
    """

    Options: ClassVar[type[Options]] = Options
    word: ClassVar[str] = "member"

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        try:
            self.options: Any = self.Options(**(options or {}))
        except ValidationError as error:
            faults = [
                f"{'.'.join(map(str, fault['loc']))}={fault['input']!r} ({fault['msg']})"
                for fault in error.errors()
            ]
            known = ", ".join(self.Options.model_fields) or "none"
            raise PlanError(
                f"for {self.word} {self.name} the options {known}",
                "; ".join(faults),
                cure="Mend the options",
            ) from error

    @property
    def name(self) -> str:
        """Name by which a plan finds it: its file's, or a user's ``package.module:Class``."""
        home = type(self).__module__
        if home.startswith("fewtune."):
            return home.rsplit(".", 1)[-1]
        return f"{home}:{type(self).__qualname__}"


class Family(Generic[T]):
    """The members that live in one package folder.

    Parameters
    ----------
    package
        Dotted name of the folder, e.g. ``fewtune.checks``.
    base
        Class that every member derives from; a member's file defines exactly one such public class.
    word
        What a member is called in messages: ``check``, ``method``…
    not_members
        Files of the folder that are shared by members and are none themselves.
    """

    def __init__(
        self, package: str, base: type[T], word: str, not_members: Iterable[str] = ()
    ) -> None:
        self.package = package
        self.base = base
        self.word = word
        self._skip = NOT_MEMBERS | set(not_members)

    def names(self) -> list[str]:
        """Return the members' names, sorted, without importing any."""
        return [name for name in module_names(self.package) if name not in self._skip]

    def help(self, name: str) -> str:
        """Return the first line of the docstring of the member's file, without importing it."""
        return module_help(self.package, name)

    def load(self, name: str) -> type[T]:
        """Return the class called ``name``, or the user's own class ``package.module:Class``.

        Raises
        ------
        PlanError
            If there is no such member, or the user's class cannot be imported, does not derive from
            the family's base or leaves out a part that every member must define.
        """
        if ":" in name:
            return self._load_users(name)
        if name not in self.names():
            raise PlanError(
                f"the name of a {self.word}", f"{name!r}", cure=suggest(name, self.names())
            )
        module = importlib.import_module(f"{self.package}.{name}")
        found = [
            member
            for attribute, member in vars(module).items()
            if inspect.isclass(member)
            and issubclass(member, self.base)
            and member.__module__ == module.__name__
            and not attribute.startswith("_")
        ]
        if len(found) != 1:
            raise TypeError(f"{module.__name__} must define one {self.base.__name__}: {found}")
        return found[0]

    def _load_users(self, name: str) -> type[T]:
        module_name, _, class_name = name.partition(":")
        if not all(part.isidentifier() for part in (*module_name.split("."), class_name)):
            raise PlanError(
                f"a {self.word} as package.module:Class",
                f"{name!r}",
                cure="Write the name by which Python imports it",
            )
        try:
            member = getattr(importlib.import_module(module_name), class_name)
        except (ImportError, AttributeError) as error:
            raise PlanError(
                f"a {self.word} as package.module:Class that can be imported",
                f"{name!r}: {error}",
                cure="Install the package or mend the name",
            ) from error
        if not (inspect.isclass(member) and issubclass(member, self.base)):
            raise PlanError(
                f"a class that derives from {self.base.__module__}.{self.base.__name__}",
                f"{name!r}",
                cure="Derive it from that class",
            )
        left_out: frozenset[str] = getattr(member, "__abstractmethods__", frozenset())
        if left_out:
            raise PlanError(
                f"a {self.word} that defines {', '.join(sorted(left_out))}",
                f"{name!r}, which does not",
                cure="Define what is missing",
            )
        return member

    def load_all(self) -> dict[str, type[T]]:
        """Return every member's class by name."""
        return {name: self.load(name) for name in self.names()}
