"""The command line: one file a verb, imported when it is called, so ``--help`` answers at once."""

from __future__ import annotations

import importlib
import shlex
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fewtune.environment import command_line, process_rank
from fewtune.errors import FewtuneError, OutOfMemory
from fewtune.listing import module_help
from fewtune.store.resuming import resume_command
from fewtune.train.interrupts import Interrupted
from fewtune.verbs.together import told_elsewhere

__all__ = ["VERBS", "app", "main"]

VERBS = (
    "check",
    "plan",
    "fit",
    "measure",
    "compare",
    "predict",
    "report",
    "collect",
    "augment",
    "memory",
    "demo",
    "doctor",
)
"""In the order in which a user meets them; each is a file of this folder with a function."""

INTERRUPTED = 130
FAULT = 70
"""Not 1, which says that a fit ended with "hold"."""


class _Verbs(TyperGroup):
    """A group that knows its commands by name and imports one only when it runs."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"fewtune.cli.{cmd_name}")
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(name=cmd_name)(getattr(module, cmd_name))
        return typer.main.get_command(single)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stopped:
            # Typer would turn it into this exit without a word.
            _say_interrupted(stopped)
            raise typer.Exit(INTERRUPTED) from stopped

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        rows = [(verb, module_help("fewtune.cli", verb).partition(": ")[2]) for verb in VERBS]
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, line[:1].upper() + line[1:]) for verb, line in rows])


app = typer.Typer(
    name="fewtune",
    cls=_Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def _top(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Fine-tune a pretrained model on little data, and prove what the tuning changed."""
    if version:
        from fewtune import __version__

        typer.echo(f"fewtune {__version__}")
        raise typer.Exit


def main(arguments: Any = None) -> None:
    """Run the command line; every expected failure is one line and an exit code."""
    try:
        app(args=arguments, standalone_mode=True)
    except FewtuneError as error:
        if not told_elsewhere(error):
            typer.echo(f"fewtune: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt as stopped:
        _say_interrupted(stopped)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:
        import traceback

        if (told := OutOfMemory.of(error, "Free some, or give fewer rows at once")) is not None:
            typer.echo(f"fewtune: {told}", err=True)
            sys.exit(told.exit_code)

        traceback.print_exc()
        typer.echo("fewtune: this is a fault of fewtune; please report it with the above", err=True)
        sys.exit(FAULT)


def _say_interrupted(stopped: KeyboardInterrupt) -> None:
    """Say so, and of a fit where it stands and what goes on with it."""
    if process_rank():
        return
    sentence = "interrupted"
    if isinstance(stopped, Interrupted):
        command = resume_command(command_line(), stopped.run)
        run = shlex.quote(str(stopped.run))
        sentence += f"; its run is in {run}. Go on with: "
        sentence += command or f"the same fewtune fit, -o {run} and --resume"
    typer.echo(f"fewtune: {sentence}", err=True)


if __name__ == "__main__":
    main()
