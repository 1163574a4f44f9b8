"""Model-based search: a surrogate model of the objective says what to evaluate next.

References:
    White, Neiswanger, Savani, BANANAS: Bayesian Optimization with Neural Architectures for
    Neural Architecture Search, AAAI 2021, arXiv:1910.11858.
    Jones, Schonlau, Welch, Efficient Global Optimization of Expensive Black-Box Functions,
    Journal of Global Optimization 13, 1998 (expected improvement).
    Huang, Allen, Notz, Zeng, Global Optimization of Stochastic Black-Box Systems via Sequential
    Kriging Meta-Models, Journal of Global Optimization 34, 2006 (augmented expected improvement).

Differences from the first paper:
    1. The surrogate is an exact Gaussian process over the decisions as they are named, not an
       ensemble of networks over path encodings, so it works on any conditional objective.
       Decisions whose names differ in numbers only share what a choice is worth.
    2. Expected improvement; Thompson sampling is an option, and joint, not per architecture.
    3. Small spaces are scored as a whole. Elsewhere, mutations of the best are mutated once more.
    4. Trials that run count as evaluated, with the prediction as their result.
    5. Where a small space's best is old, every third architecture is the most promising one with
       the choice that was evaluated least: a belief that is wrong far from what was evaluated
       would not correct itself.
    6. ``noisy=True`` evaluates leaders again, by the same criterion that weighs new ones.
"""

from __future__ import annotations

from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from optuna_nas._ground.checks import is_int, shown
from optuna_nas.samplers.base import ArchitectureSampler, FixedProposal, Proposal
from optuna_nas.samplers.predictor._acquisition import (
    Posterior,
    climb,
    log_expected_improvement,
    log_worth_of_another,
    mutations,
    random_rows,
    with_rarest_choice,
)
from optuna_nas.samplers.predictor._activity import Activity
from optuna_nas.samplers.predictor._gaussian_process import JITTER
from optuna_nas.samplers.predictor._surrogate import RegressorPosterior, StudyModel, as_regressor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from optuna_nas.samplers.base import History, KeyedGenerator, SamplerOptions
    from optuna_nas.samplers.predictor._encoding import Codes, Floats
    from optuna_nas.samplers.predictor._evidence import Evidence

__all__ = ["PredictorSampler"]

MAX_TRIALS = 300
MAX_ENUMERATED = 20_000
MAX_SHORTLIST = 500
NUM_PARENTS = 5
NUM_MUTATIONS = 200
NUM_RANDOM = 50
PATIENCE = 25  # trials without a new best, after which every EXPLORE-th one has a rare choice
EXPLORE = 3
ACQUISITIONS = ("ei", "thompson")


class PredictorSampler(ArchitectureSampler):
    """Bayesian optimisation of architectures (BANANAS, arXiv:1910.11858), conditional ones too.

    A Gaussian process over the decisions, in which each has a weight of its own that is learned
    from the trials, predicts all candidates, and the one with the greatest expected improvement
    is next. Where names differ in numbers only, as ``op_0`` and ``op_1``, what one choice is worth
    is learned for all of them at once. Use it up to some hundred trials: on NAS-Bench-201 it finds
    the optimum in a quarter of the trials that Optuna's ``TPESampler`` needs. With thousands of
    cheap trials evolution does as well at a fraction of the cost.

    ================= ==========================================
    conditional       yes (what depends on what is learned from the trials)
    several objectives no
    constraints       infeasible trials rank below feasible ones
    pruning           yes, pruned trials rank below complete ones
    parallel          yes, asynchronous; running trials count as evaluated as predicted
    cost per trial    10 to 100 ms; less than ``TPESampler`` from 1,000 trials on
    ================= ==========================================

    Args:
        n_startup_trials: Finished trials before the model is used, at least 2; they are random.
        acquisition: ``"ei"``, expected improvement, or ``"thompson"``, the best of one draw from
            the posterior, which spreads many parallel workers wider.
        surrogate: None for the Gaussian process, or a regressor of scikit-learn, such as
            ``RandomForestRegressor()``, that learns from one-hot decisions.
        noisy: Whether equal architectures get different results, as from different training
            seeds. Then leaders are evaluated again wherever that is worth more than a new
            architecture; such trials have the attribute ``optuna_nas:repeat``. The best is what
            :func:`best_architecture` returns, not ``study.best_trial``.
        options: See :class:`~optuna_nas.samplers.base.ArchitectureSampler`.

    Raises:
        ValueError: If an argument is out of range, or ``noisy`` is combined with ``surrogate``.
        TypeError: If ``surrogate`` is no regressor.

    Example::

        import optuna
        from optuna_nas.samplers import PredictorSampler
        from optuna_nas.spaces import NASBench201Space

        space = NASBench201Space()
        study = optuna.create_study(sampler=PredictorSampler(seed=0))
        study.optimize(lambda trial: str(space.suggest(trial)).count("none"), n_trials=50)
    """

    short_names = ("predictor",)
    needs_single_objective = True

    def __init__(
        self,
        *,
        n_startup_trials: int = 10,
        acquisition: str = "ei",
        surrogate: Any = None,
        noisy: bool = False,
        **options: Unpack[SamplerOptions],
    ) -> None:
        if not is_int(n_startup_trials) or n_startup_trials < 2:
            raise ValueError(
                "`n_startup_trials` must be 2 or more, but got "
                f"n_startup_trials={shown(n_startup_trials)}."
            )
        if acquisition not in ACQUISITIONS:
            raise ValueError(
                f"`acquisition` must be one of {', '.join(ACQUISITIONS)}, but got {acquisition=}."
            )
        if noisy and surrogate is not None:
            raise ValueError(
                "`noisy=True` needs a surrogate that knows its noise: leave `surrogate` out."
            )
        self._n_startup_trials = n_startup_trials
        self._acquisition = acquisition
        self._surrogate = as_regressor(surrogate)
        self._noisy = noisy
        super().__init__(**options)

    def propose_next(self, history: History, rng: KeyedGenerator) -> Proposal:
        """Propose the decisions that the surrogate model rates best."""
        if len(history.members) < self._n_startup_trials:
            return Proposal()
        model = history.learned(partial(StudyModel, self._n_startup_trials, noisy=self._noisy))
        decisions = history.static_decisions
        evidence = model.archive.evidence(history.members, MAX_TRIALS, decisions)
        whole = decisions is not None and evidence.encoding.total <= MAX_ENUMERATED
        posterior: Posterior
        if self._surrogate is None:
            posterior = model.process(evidence, history)
        else:
            posterior = RegressorPosterior(self._surrogate, evidence, rng.index("model", 2**31))
        everything = evidence.encoding.everything() if whole else None
        if everything is not None and rng.number % EXPLORE == 0 and self._is_stuck(history):
            running = evidence.encoding.encode(history.pending)
            everything = with_rarest_choice(
                evidence.encoding, everything, np.concatenate([evidence.codes, running])
            )
        rows = self._candidates(posterior, evidence, rng, everything)
        proposals: Iterator[FixedProposal]
        if history.must_be_unseen:
            # Less noise than what keeps the covariance regular is none: a repeat says nothing new.
            repeatable = self._noisy and posterior.noise > JITTER
            proposals = _admissible(rows, evidence, history, repeatable=repeatable)
        else:
            proposals = (FixedProposal(evidence.encoding.decode(row)) for row in rows.tolist())
        # A second attempt means that the first led to something known nevertheless.
        return next(islice(proposals, rng.attempt, None), Proposal())

    def _candidates(
        self,
        posterior: Posterior,
        evidence: Evidence,
        rng: KeyedGenerator,
        everything: Codes | None,
    ) -> Codes:
        """Order rows by how much they are worth evaluating: all that there are, or near ones."""
        encoding = evidence.encoding
        means = posterior.fitted[: len(evidence.codes)]
        score = partial(self._score, posterior, float(means.max()))
        random_state = rng.random_state("candidates")
        if everything is not None:
            rows, scores = climb(score, everything, lambda rows: rows, rounds=0)
        else:
            activity = Activity.learn(encoding, evidence.codes)
            mutate = partial(mutations, encoding, activity, limit=NUM_MUTATIONS, rng=random_state)
            known = evidence.codes[np.argsort(-means, kind="stable")]
            start = [
                random_rows(encoding, activity, NUM_RANDOM, random_state),
                mutate(known[:NUM_PARENTS]),
                known[: MAX_SHORTLIST * self._noisy],
            ]
            rows, scores = climb(score, np.concatenate(start), mutate, rounds=1)
        # Expected improvement gives one best row for all draws, so proposals beside trials (for
        # shared weights, say) are drawn by Thompson sampling whatever the acquisition is.
        if self._acquisition == "ei" and not rng.stream:
            return rows
        shortlist = rows[:MAX_SHORTLIST]
        drawn = posterior.sample(shortlist, random_state.standard_normal(len(shortlist)))
        return shortlist[np.argsort(-drawn, kind="stable")]

    def _is_stuck(self, history: History) -> bool:
        """Tell whether the best trial is old; with noise it is luck and its age says nothing."""
        best = min(history.members, key=lambda member: member.outcome)
        since = sum(member.age > best.age for member in history.members)
        return since >= PATIENCE and not self._noisy

    def _score(self, posterior: Posterior, best: float, rows: Codes) -> Floats:
        mean, deviation = posterior.predict(rows)
        score = log_expected_improvement(mean, deviation, best)
        return score + log_worth_of_another(deviation, posterior.noise) if self._noisy else score


def _admissible(
    rows: Codes, evidence: Evidence, history: History, *, repeatable: bool
) -> Iterator[FixedProposal]:
    """Propose what is unseen and, if that is allowed, what was evaluated before."""
    evaluated = {row.tobytes() for row in evidence.codes} if repeatable else set()
    running = {row.tobytes() for row in evidence.encoding.encode(history.pending)}
    for row in rows:
        decisions = evidence.encoding.decode(row.tolist())
        if not history.knows(decisions):
            yield FixedProposal(decisions)
        elif row.tobytes() in evaluated - running:
            yield FixedProposal(decisions, repeats=True)
