"""Ends differentiable searches that turn into skip connections.

References:
    [Zela2020] Zela et al. Understanding and Robustifying Differentiable Architecture Search.
    ICLR 2020. arXiv:1909.09656 (the failure, and other signs of it).
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from optuna.pruners import BasePruner

from optuna_nas._ground.attributes import Attribute, list_of, number, real
from optuna_nas._ground.checks import require_int, require_share
from optuna_nas.keys import ENTROPY_KEY, SKIP_SHARE_KEY

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["ENTROPY", "SKIP_SHARE", "CollapsePruner"]

SKIP_SHARE = Attribute(SKIP_SHARE_KEY, list_of(number(0.0, 1.0)))
ENTROPY = Attribute(ENTROPY_KEY, list_of(real))


class CollapsePruner(BasePruner):
    """Pruner of searches whose cell consists of skip connections, whatever their metric.

    The metric of a collapsing supernet goes on improving, so pruners that compare intermediate
    values do not see it. This one reads the share of skip connections, which
    :class:`~optuna_nas.objectives.DARTSObjective` records as a user attribute, and leaves trials
    of other objectives to ``wrapped``. A search cannot be seen to collapse, which a warning says
    once, where none of its choices is known as a skip connection: "skip_connect", "identity", or
    what the space's supernet calls so.

    Args:
        wrapped: Another pruner of Optuna, which may prune as well. Default: None, which prunes
            collapsed searches only.
        max_skip: Largest share of skip connections, in [0, 1), that is no collapse.
        patience: Number of consecutive epochs in which the share must be larger, at least 1.

    Raises:
        ValueError: If a setting is out of range.

    Example::

        import optuna
        from optuna_nas.pruners import CollapsePruner

        pruner = CollapsePruner(optuna.pruners.MedianPruner(), max_skip=0.5, patience=3)
        study = optuna.create_study(direction="maximize", pruner=pruner)
    """

    def __init__(
        self, wrapped: BasePruner | None = None, *, max_skip: float = 0.5, patience: int = 3
    ) -> None:
        if wrapped is not None and not isinstance(wrapped, BasePruner):
            raise TypeError(f"`wrapped` must be a pruner of Optuna or None, but got {wrapped!r}.")
        require_share("max_skip", max_skip)
        require_int("patience", patience, at_least=1)
        self._wrapped = wrapped
        self._max_skip = max_skip
        self._patience = patience
        self._warned = False

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Tell whether the trial has collapsed, or else what the wrapped pruner says."""
        shares = SKIP_SHARE.read(trial)
        if shares is None and ENTROPY.read(trial) is not None:
            self._warn_of(trial)
        latest = (shares or [])[-self._patience :]
        if len(latest) == self._patience and min(latest) > self._max_skip:
            return True
        return self._wrapped is not None and self._wrapped.prune(study, trial)

    def _warn_of(self, trial: FrozenTrial) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"CollapsePruner cannot see trial {trial.number} collapse, since none of its "
                'choices is known as a skip connection: call the choice "skip_connect", or leave '
                "the pruner out.",
                stacklevel=3,
            )
