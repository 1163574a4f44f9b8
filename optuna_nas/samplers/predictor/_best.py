"""The best architecture of a study where results are noisy.

The best of many noisy results is mostly a lucky one: the more architectures are compared, the
further its result lies above what it is worth. Here each is rated by its posterior mean under a
Gaussian process that knows of the noise, which averages repeats and draws a lonely high result
towards what similar architectures reached.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import TYPE_CHECKING

from optuna_nas.samplers.base import Decides, Member
from optuna_nas.samplers.base._decisions import DecisionTable, as_decides
from optuna_nas.samplers.base._replay import StudyReplay
from optuna_nas.samplers.predictor._evidence import Archive
from optuna_nas.samplers.predictor._gaussian_process import (
    NOISY_PRIOR,
    GaussianProcess,
    fit_kernel,
)

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["best_architecture"]

MAX_TRIALS = 300


def best_architecture(
    study: Study, *, noisy: bool = True, decides: Decides | Collection[str] | None = None
) -> FrozenTrial:
    """Return the trial of the best architecture of a study, whatever sampler made it.

    Use it instead of ``study.best_trial`` if equal architectures get different results, as from
    different training seeds. It costs about a second.

    Args:
        study: A study with one objective and at least one complete, feasible trial that made
            decisions.
        noisy: Whether to choose by what is to be expected of an architecture; its trials and
            similar architectures count, the best and the youngest 300 trials in all. False
            chooses by the results as they are, so the first of the best complete feasible trials.
        decides: Which parameters are architecture decisions; see :class:`ArchitectureSampler`.

    Returns:
        A copy of the best trial with these decisions. Its value is one result, not what is to be
        expected.

    Raises:
        ValueError: If the study has several objectives or no such trial.

    Example::

        study = optuna.create_study(direction="maximize", sampler=PredictorSampler(noisy=True))
        study.optimize(objective, n_trials=200)
        architecture = space.architecture(best_architecture(study))
    """
    if len(study.directions) > 1:
        raise ValueError(
            f"best_architecture takes one objective, but the study has {len(study.directions)}. "
            "For several objectives use study.best_trials."
        )
    replay = StudyReplay(DecisionTable(as_decides(decides)), None)
    replay.refresh(study)
    if not any(_is_candidate(member) for member in replay.members):
        raise ValueError(
            f"The study {study.study_name!r} has no complete and feasible trial with architecture "
            "decisions, so there is no best one. Run trials first, or see `decides`."
        )
    candidates = replay.members
    if noisy:
        candidates = _best_group(candidates)
    best = min(filter(_is_candidate, candidates), key=lambda m: (m.outcome, m.number))
    return copy.deepcopy(best.trial)


def _is_candidate(member: Member) -> bool:
    return member.outcome[0] == 0


def _best_group(members: list[Member]) -> list[Member]:
    """Return the trials of the architecture with the greatest posterior mean."""
    evidence = Archive(noisy=True).evidence(members, MAX_TRIALS)
    encoding, codes = evidence.encoding, evidence.codes
    kernel = fit_kernel(
        encoding, codes, evidence.targets, evidence.counts, NOISY_PRIOR, evidence.repeats
    )
    process = GaussianProcess(encoding, kernel, codes, evidence.targets, evidence.counts)
    groups = zip(process.fitted.tolist(), evidence.members, strict=True)
    candidates = ((mean, group) for mean, group in groups if any(map(_is_candidate, group)))
    return max(candidates, key=lambda pair: pair[0])[1]
