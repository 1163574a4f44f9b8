"""The command line ``optuna-nas``, one file for each of its commands."""

from optuna_nas.cli._main import main

__all__ = ["main"]
