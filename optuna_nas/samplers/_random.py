"""Random search, the baseline that every architecture search is told beside.

References:
    Li and Talwalkar, Random Search and Reproducibility for Neural Architecture Search, UAI 2019,
    arXiv:1902.07638.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna.samplers import BaseSampler, RandomSampler

from optuna_nas.samplers.base._sampler import ArchitectureSampler
from optuna_nas.samplers.base._script import Proposal

if TYPE_CHECKING:
    from optuna_nas.samplers.base._decisions import Draw
    from optuna_nas.samplers.base._history import History

__all__ = ["RandomSearchSampler"]


class RandomSearchSampler(ArchitectureSampler):
    """Draws every decision uniformly, and no architecture twice.

    With ``optuna.pruners.SuccessiveHalvingPruner`` it is the strong baseline of Li and Talwalkar
    (arXiv:1902.07638). Do not use it to find the best of a space; use it to know what a better
    sampler is worth. Without the guard against duplicates it is Optuna's ``RandomSampler``.

    ================= ==========================================
    conditional       yes
    several objectives yes
    constraints       ignored
    pruning           yes
    parallel          yes, also by processes that share a seed
    cost per trial    within 2x of ``RandomSampler``
    ================= ==========================================

    Args:
        seed: See :class:`ArchitectureSampler`.
        hp_sampler: Draws what is no architecture decision; default ``RandomSampler``.
        decides: See :class:`ArchitectureSampler`.
        space: See :class:`ArchitectureSampler`.
        avoid_duplicates: See :class:`ArchitectureSampler`.

    Example::

        import optuna
        from optuna_nas.samplers import RandomSearchSampler

        study = optuna.create_study(
            direction="maximize",
            sampler=RandomSearchSampler(seed=0),
            pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=4),
        )
    """

    def _propose(self, history: History, draw: Draw, *, fresh: bool) -> Proposal:
        return Proposal()

    def _default_hp_sampler(self, seed: int | None) -> BaseSampler:
        return RandomSampler(seed=seed)
