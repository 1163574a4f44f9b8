"""Pruners: what ends a run early, beyond Optuna's own."""

from optuna_nas.pruners._collapse import CollapsePruner

__all__ = ["CollapsePruner"]
