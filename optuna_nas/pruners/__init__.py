"""What stops a run early, beyond Optuna's own pruners."""

from optuna_nas.pruners._collapse import CollapsePruner

__all__ = ["CollapsePruner"]
