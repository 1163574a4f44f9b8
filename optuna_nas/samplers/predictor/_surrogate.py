"""Surrogate models over rows of codes: our Gaussian process, or a regressor of scikit-learn."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from optuna_nas.samplers.predictor._evidence import Archive, Evidence
from optuna_nas.samplers.predictor._gaussian_process import (
    NOISY_PRIOR,
    PRIOR_NOISE,
    GaussianProcess,
    Kernel,
    fit_kernel,
)

if TYPE_CHECKING:
    from optuna_nas.samplers.base import History, Member
    from optuna_nas.samplers.predictor._encoding import Codes, Encoding, Floats

__all__ = ["RegressorPosterior", "StudyModel", "as_regressor", "unfitted"]

MAX_KERNEL_TRIALS = 200
MAX_KERNEL_STEP = 100
MIN_DEVIATION = 1e-9


class FittedKernels:
    """The kernel for each state of one study.

    It is fitted to the first trials by age, up to the last step of a schedule: after every tenth
    part more trials, and at least after every hundred. So it depends on the set of finished
    trials, not on which worker fitted when.

    Args:
        first: The number of trials of the first fit.
        noisy: Whether equal architectures are known to get different results.
    """

    def __init__(self, first: int, *, noisy: bool) -> None:
        self._first, self._noisy = first, noisy
        self._learned_from: Sequence[Member] = ()
        self._kernel: Kernel | None = None

    def of(self, members: Sequence[Member]) -> Kernel:
        """Return the kernel to use when these trials, by age, have finished."""
        learned_from = members[: last_step(len(members), self._first)]
        if self._kernel is None or learned_from != self._learned_from:
            seen = Archive(noisy=self._noisy).evidence(learned_from, MAX_KERNEL_TRIALS)
            noise = NOISY_PRIOR if self._noisy else PRIOR_NOISE
            self._kernel = fit_kernel(
                seen.encoding, seen.codes, seen.targets, seen.counts, noise, seen.repeats
            )
            self._learned_from = learned_from
        return self._kernel


def last_step(count: int, first: int) -> int:
    """Return the last step of the schedule that ``count`` finished trials have reached."""
    reached = following = first
    while following <= count:
        reached = following
        following += min(max(2, reached // 10), MAX_KERNEL_STEP)
    return reached


class StudyModel:
    """The surrogate model of one study: its trials as rows, and the kernel.

    Args:
        first: The number of trials of the first fit of the kernel.
        noisy: Whether equal architectures are known to get different results.
    """

    def __init__(self, first: int, *, noisy: bool) -> None:
        self.archive = Archive(noisy=noisy)
        self._kernels = FittedKernels(first, noisy=noisy)

    def process(self, evidence: Evidence, history: History) -> GaussianProcess:
        """Make the posterior given finished trials, with running ones counted as expected."""
        kernel = self._kernels.of(history.members)
        process = GaussianProcess(
            evidence.encoding, kernel, evidence.codes, evidence.targets, evidence.counts
        )
        return process.with_pending(evidence.encoding.encode(history.pending))


class RegressorPosterior:
    """A scikit-learn regressor on one-hot decisions.

    The spread is that of an ensemble's members, else what ``predict(return_std=True)`` says, else
    none.

    Args:
        regressor: Not changed; a clone is fitted.
        evidence: Evidence to learn from.
        random_state: For regressors that have one and leave it open.
    """

    noise = 0.0  # unknown

    def __init__(self, regressor: Any, evidence: Evidence, random_state: int) -> None:
        self._encoding: Encoding = evidence.encoding
        self._regressor = unfitted(regressor, random_state)
        hot = self._encoding.one_hot(evidence.codes)
        self.fitted: Floats = self._regressor.fit(hot, evidence.targets).predict(hot)

    def predict(self, codes: Codes) -> tuple[Floats, Floats]:
        """Predict mean and standard deviation of each row, shapes (N,)."""
        hot = self._encoding.one_hot(codes)
        mean, deviation = self._regressor.predict(hot), np.zeros(len(codes))
        members = getattr(self._regressor, "estimators_", None)
        if members is not None and np.ndim(members) == 1:
            deviation = np.std([member.predict(hot) for member in members], axis=0)
        elif "return_std" in inspect.signature(self._regressor.predict).parameters:
            mean, deviation = self._regressor.predict(hot, return_std=True)
        return mean, np.maximum(deviation, MIN_DEVIATION)

    def sample(self, codes: Codes, normal: Floats) -> Floats:
        """Draw targets independently of each other, since regressors know no covariance."""
        mean, deviation = self.predict(codes)
        return mean + deviation * normal


def as_regressor(surrogate: Any) -> Any:
    """Check the argument ``surrogate`` of a sampler.

    Raises:
        TypeError: If it is neither None nor a regressor.
    """
    if surrogate is not None and not all(
        callable(getattr(surrogate, name, None)) for name in ("fit", "predict", "get_params")
    ):
        raise TypeError(
            "`surrogate` must be None or a regressor of scikit-learn, such as "
            f"RandomForestRegressor(), but got {surrogate!r}."
        )
    return surrogate


def unfitted(regressor: Any, random_state: int) -> Any:
    """Return a copy to fit, seeded if it is random and leaves the seed open."""
    from sklearn.base import clone  # takes seconds to import, and most studies need none of it

    copy = clone(regressor)
    if copy.get_params().get("random_state", 0) is None:
        copy.set_params(random_state=random_state)
    return copy
