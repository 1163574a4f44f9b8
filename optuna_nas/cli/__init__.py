"""The command line: ``optuna-nas search``, ``best``, ``draw``, ``spaces`` and ``dashboard``."""

from optuna_nas.cli._main import main

__all__ = ["main"]
