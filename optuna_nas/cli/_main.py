"""The group of all commands, and how an error looks: one line, exit code 2 or 1."""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import click

from optuna_nas._version import __version__
from optuna_nas.cli import commands
from optuna_nas.cli._options import told_without_password

__all__ = ["main"]


class _OneLineErrors(click.Group):
    """Shows what goes wrong in one line; ``--debug`` shows the traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _quiet_heartbeats():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            raise click.ClickException("interrupted; finished trials are kept") from None
        except Exception as e:
            if ctx.params["debug"]:
                _show_traceback(ctx, e)
            raise click.ClickException(told_without_password(ctx, _in_one_line(e))) from None


def _in_one_line(error: Exception) -> str:
    from optuna_nas.stores import explained

    return " ".join((explained(error) or str(error)).split()) or type(error).__name__


def _show_traceback(ctx: click.Context, error: Exception) -> None:
    """Raise the error, or only print its traceback if that has the storage's password."""
    text = "".join(traceback.format_exception(error))
    shown = told_without_password(ctx, text)
    if shown == text:
        raise error
    click.echo(shown, err=True)


@contextlib.contextmanager
def _quiet_heartbeats() -> Iterator[None]:
    """Leave it to the main thread to tell of a storage that Optuna's heartbeats fail at, too."""
    told = threading.excepthook

    def tell(failure: threading.ExceptHookArgs) -> None:
        from optuna_nas.stores import explained

        if failure.exc_value is None or explained(failure.exc_value) is None:
            told(failure)

    threading.excepthook = tell
    try:
        yield
    finally:
        threading.excepthook = told


@click.group(cls=_OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(__version__, prog_name="optuna-nas")
def main(debug: bool) -> None:
    """Neural architecture search as ordinary Optuna studies."""


for name in commands.__all__:
    main.add_command(getattr(commands, name))
