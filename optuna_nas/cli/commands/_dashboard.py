"""``optuna-nas dashboard``: optuna-dashboard with the trials' pictures."""

from __future__ import annotations

from pathlib import Path

import click

from optuna_nas.cli._numbers import PORT
from optuna_nas.cli._options import artifacts_option, storage_option

__all__ = ["dashboard"]


@click.command()
@storage_option
@artifacts_option
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, type=PORT, show_default=True)
def dashboard(storage: str, artifacts: Path | None, host: str, port: int) -> None:
    """Serve optuna-dashboard until interrupted."""
    from optuna_nas.dashboard import serve

    serve(storage, artifacts=artifacts, host=host, port=port)
