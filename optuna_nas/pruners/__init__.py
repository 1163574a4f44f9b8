"""What stops a run early, beyond Optuna's own pruners."""

from optuna_nas.pruners._collapse import SKIP_SHARE_KEY, CollapsePruner

__all__ = ["SKIP_SHARE_KEY", "CollapsePruner"]
