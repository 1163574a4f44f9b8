"""The group of all commands, and how an error looks: one line, exit code 2 or 1."""

from __future__ import annotations

from typing import Any

import click

from optuna_nas import __version__
from optuna_nas.cli._best import best
from optuna_nas.cli._darts import darts
from optuna_nas.cli._dashboard import dashboard
from optuna_nas.cli._draw import draw
from optuna_nas.cli._enas import enas
from optuna_nas.cli._estimate import estimate
from optuna_nas.cli._export import export
from optuna_nas.cli._profile import profile
from optuna_nas.cli._scale import scale
from optuna_nas.cli._search import search
from optuna_nas.cli._spaces import spaces
from optuna_nas.cli._train import train
from optuna_nas.cli._transfer import transfer

__all__ = ["main"]


class _OneLineErrors(click.Group):
    """Shows what goes wrong in one line; ``--debug`` shows the traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            raise click.ClickException("interrupted; finished trials are kept") from None
        except Exception as e:
            if ctx.params["debug"]:
                raise
            message = " ".join(str(e).split()) or type(e).__name__
            raise click.ClickException(message) from e


@click.group(cls=_OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(__version__, prog_name="optuna-nas")
def main(debug: bool) -> None:
    """Neural architecture search as ordinary Optuna studies."""


COMMANDS = (
    search,
    darts,
    enas,
    estimate,
    best,
    train,
    export,
    scale,
    transfer,
    draw,
    profile,
    spaces,
    dashboard,
)

for command in COMMANDS:
    main.add_command(command)
