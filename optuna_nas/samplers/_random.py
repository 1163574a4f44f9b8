"""Random search, the baseline of every architecture search.

References:
    Li and Talwalkar, Random Search and Reproducibility for Neural Architecture Search, UAI 2019,
    arXiv:1902.07638.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna.samplers import BaseSampler, RandomSampler

from optuna_nas.samplers.base import ArchitectureSampler, Proposal

if TYPE_CHECKING:
    from optuna_nas.samplers.base import History, KeyedGenerator

__all__ = ["RandomSearchSampler"]


class RandomSearchSampler(ArchitectureSampler):
    """Random search: every decision is drawn uniformly, and no architecture twice.

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
        options: See :class:`~optuna_nas.samplers.base.ArchitectureSampler`; ``hp_sampler`` is
            ``RandomSampler`` by default.

    Example::

        import optuna
        from optuna_nas.samplers import RandomSearchSampler

        study = optuna.create_study(
            direction="maximize",
            sampler=RandomSearchSampler(seed=0),
            pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=4),
        )
    """

    short_names = ("random",)
    history_size = 0

    def propose_next(self, history: History, rng: KeyedGenerator) -> Proposal:
        """Propose nothing, so that everything is drawn."""
        return Proposal()

    def _default_hp_sampler(self, seed: int | None) -> BaseSampler:
        return RandomSampler(seed=seed)
