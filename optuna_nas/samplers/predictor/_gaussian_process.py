"""A small exact Gaussian process over rows of codes.

The kernel has a part in which every decision that differs makes two architectures less alike, by
a weight of its own, a linear part in which every decision that agrees makes them more alike, and
a part that looks only at how often each choice was taken:

.. code-block:: text

    m(x, x') = sum of w_d over the decisions d that agree,   W = sum of all w_d
    f(x) = the share of each choice among the decisions whose names differ in numbers only
    k(x, x') = s exp(m - W) + a m / W + c f . f'    (+ noise / evaluations on the diagonal)

The first is a product over decisions, so it knows interactions; the second is what the decisions
contribute each for itself, so it carries beyond what was seen; the third is what an operation
contributes wherever it stands, which some ten architectures tell already.

With the one-hot codes of x scaled by the roots of the weights, m is a product of two matrices, so
all three parts of a covariance matrix cost one product each and no loop over decisions.

References:
    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapters 2 and 5.
    Hvarfner, Hellsten, Nardi, Vanilla Bayesian Optimization Performs Great in High Dimensions,
    ICML 2024, arXiv:2402.02229 (the prior of the weights falls with the number of decisions).
    Liu et al., Progressive Neural Architecture Search, ECCV 2018, arXiv:1712.00559 (the mean over
    blocks as what a predictor sees).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from optuna_nas.samplers.predictor._encoding import Codes, Encoding, Floats

__all__ = [
    "NOISY_PRIOR",
    "PRIOR_NOISE",
    "JITTER",
    "GaussianProcess",
    "Kernel",
    "Repeats",
    "fit_kernel",
]

PRIOR_DISTANCE = 1.0
"""Median of W under the prior: two architectures that agree in nothing correlate by exp(-W)."""
PRIOR_NOISE = 1e-3
"""Median of the noise variance under the prior, where targets have variance 1."""
NOISY_PRIOR = 1e-2
"""The same where equal architectures are known to get different results."""
PRIOR_SPREAD = np.array([1.0, 1.0, 1.0, 1.0, 2.5])
"""Standard deviations of log w_d, log s, log a, log c and log noise under the prior."""
JITTER = 1e-6
MAX_STEPS = 50
MAX_DEVIATIONS = 6.0
CHUNK = 4096  # rows predicted at once, so that 20,000 candidates take no gigabytes


class Repeats(NamedTuple):
    """Scatter of repeated evaluations of equal rows, which tells the noise.

    Args:
        scatter: Sum of squared deviations from the mean target of the row.
        degrees: Evaluations beyond the first of each of these rows.
    """

    scatter: float = 0.0
    degrees: int = 0


NO_REPEATS = Repeats()


class Features(NamedTuple):
    """Rows as the kernel compares them.

    Args:
        hot: One-hot codes times the root of their weights, shape (N, T): m is a product of two.
        additive: Likewise for the second and the third part of the kernel, shape (N, T + F).
    """

    hot: Floats
    additive: Floats


@dataclass(frozen=True)
class Kernel:
    """The parameters of a kernel; see the module for the letters.

    Args:
        weights: w by name of the decision.
        other: w of decisions that were not there when the kernel was fitted.
        product: s.
        linear: a.
        common: c, where f is in units in which it varies by about 1.
        noise: Variance of one evaluation around its mean.
    """

    weights: Mapping[str, float]
    other: float
    product: float
    linear: float
    common: float
    noise: float

    @classmethod
    def prior(cls, encoding: Encoding, noise: float = PRIOR_NOISE) -> Kernel:
        """The kernel to use before anything is known."""
        return cls({}, PRIOR_DISTANCE / max(len(encoding.names), 1), 1.0, 1.0, 1.0, noise)


class GaussianProcess:
    """The posterior of architectures' targets, given evaluations of some.

    Args:
        encoding: Encoding of the rows.
        kernel: Kernel as fitted.
        codes: Rows that were evaluated, all different, shape (N, D).
        targets: Mean target of each, shape (N,).
        counts: How often each was evaluated, shape (N,).

    Attributes:
        fitted: Posterior mean of the evaluated rows, shape (N,).
        noise: Variance of one evaluation around its mean.
    """

    def __init__(
        self, encoding: Encoding, kernel: Kernel, codes: Codes, targets: Floats, counts: Floats
    ) -> None:
        self.encoding = encoding
        self.kernel = kernel
        self.codes, self.targets, self.counts = codes, targets, counts
        self._scale = _scale(encoding, kernel)
        self._total = float(np.square(self._scale[encoding.offsets]).sum())  # W
        self._features = self._features_of(codes)
        covariance = self._covariance(self._features, self._features)
        noise = kernel.noise / counts + JITTER
        covariance[np.diag_indices(len(codes))] += noise
        # K + noise = L L^T. With L^-1 at hand, every prediction is a plain product: a candidate
        # list of 20,000 rows is solved against the same few hundred rows.
        self._inverse_root = _inverse_root(covariance)
        self._weights = self._inverse_root.T @ (self._inverse_root @ targets)
        # K w = (K + noise) w - noise w = targets - noise w: the posterior mean without K.
        self.fitted: Floats = targets - noise * self._weights
        self.noise = kernel.noise

    def predict(self, codes: Codes) -> tuple[Floats, Floats]:
        """Predict mean and standard deviation of the noise-free targets of other rows, (M,)."""
        mean, deviation = np.empty(len(codes)), np.empty(len(codes))
        for start in range(0, len(codes), CHUNK):
            part = slice(start, start + CHUNK)
            features = self._features_of(codes[part])
            cross = self._covariance(features, self._features)
            mean[part] = cross @ self._weights
            explained = cross @ self._inverse_root.T  # k^T (K + noise)^-1 k is its squared length
            variance = self._prior(features) - np.einsum("mn,mn->m", explained, explained)
            deviation[part] = np.sqrt(np.maximum(variance, 1e-12))
        return mean, deviation

    def sample(self, codes: Codes, normal: Floats) -> Floats:
        """Draw the noise-free targets of other rows jointly.

        Args:
            codes: Rows, shape (M, D).
            normal: Independent standard normal numbers, shape (M,).
        """
        features = self._features_of(codes)
        cross = self._covariance(features, self._features)
        explained = cross @ self._inverse_root.T
        covariance = self._covariance(features, features) - explained @ explained.T
        covariance[np.diag_indices(len(codes))] += JITTER
        return cross @ self._weights + np.linalg.cholesky(covariance) @ normal

    def with_pending(self, codes: Codes) -> GaussianProcess:
        """Return the posterior as if these rows had been evaluated with the expected result.

        Such a result moves no mean and takes the uncertainty away, so that several workers do not
        propose the same (the "kriging believer").
        """
        if not len(codes):
            return self
        mean, _ = self.predict(codes)
        all_codes = np.concatenate([self.codes, codes])
        targets = np.concatenate([self.targets, mean])
        counts = np.concatenate([self.counts, np.ones(len(codes))])
        return GaussianProcess(self.encoding, self.kernel, all_codes, targets, counts)

    def _features_of(self, codes: Codes) -> Features:
        hot = self.encoding.one_hot(codes)
        weighted = hot * self._scale
        linear = weighted * np.sqrt(self.kernel.linear / self._total)
        common = _common(self.encoding, hot) * np.sqrt(self.kernel.common)
        return Features(weighted, np.concatenate([linear, common], axis=1))

    def _prior(self, features: Features) -> Floats:
        """Compute the variance before anything is known, shape (N,)."""
        prior: Floats = self.kernel.product + np.square(features.additive).sum(axis=1)
        return prior

    def _covariance(self, first: Features, second: Features) -> Floats:
        covariance = first.hot @ second.hot.T  # m(x, x')
        covariance += np.log(self.kernel.product) - self._total
        np.exp(covariance, out=covariance)  # s exp(m - W), in place: it is the largest array
        covariance += first.additive @ second.additive.T
        return covariance


def fit_kernel(
    encoding: Encoding,
    codes: Codes,
    targets: Floats,
    counts: Floats,
    noise: float = PRIOR_NOISE,
    repeats: Repeats = NO_REPEATS,
) -> Kernel:
    """Find the kernel of the greatest posterior density: marginal likelihood times prior.

    Args:
        encoding: Encoding of the rows.
        codes: Rows, shape (N, D).
        targets: Mean target of each, of variance about 1, shape (N,).
        counts: How often each was evaluated, shape (N,).
        noise: Median of the noise variance under the prior.
        repeats: Scatter of evaluations of equal rows.
    """
    from scipy.optimize import minimize  # as late as in Optuna: it doubles the time of an import

    prior = _log_prior(encoding, noise)
    objective = _Objective(encoding, codes, targets, counts, prior, repeats)
    reach = MAX_DEVIATIONS * objective.spread  # keeps the covariance regular
    found = minimize(
        objective,
        prior,
        jac=True,
        method="L-BFGS-B",
        bounds=np.stack([prior - reach, prior + reach], axis=1),
        options={"maxiter": MAX_STEPS},
    )
    *weights, product, linear, common, noise = np.exp(found.x).tolist()
    other = float(np.exp(prior[0]))
    by_name = dict(zip(encoding.names, weights, strict=True))
    return Kernel(by_name, other, product, linear, common, noise)


class _Objective:
    """Negative log density of log (w_1 .. w_D, s, a, c, noise), with its gradient.

    The gradient costs about as much as the value: with the slope of the likelihood in the
    covariance matrix, G = dL/dK, the derivative for a parameter p is sum(G * dK/dp), and for all
    weights w_d at once it is read from the products of G with the one-hot codes.
    """

    def __init__(
        self,
        encoding: Encoding,
        codes: Codes,
        targets: Floats,
        counts: Floats,
        prior: Floats,
        repeats: Repeats = NO_REPEATS,
    ) -> None:
        self._repeats = repeats
        self._offsets = encoding.offsets
        self._codes_of = encoding.sizes + 1
        self._hot = encoding.one_hot(codes)
        shares = _common(encoding, self._hot)
        self._common = shares @ shares.T
        self._targets, self._counts = targets, counts
        self._prior = prior
        columns = len(encoding.names)
        self.spread = np.repeat(PRIOR_SPREAD, [columns, 1, 1, 1, 1])

    def __call__(self, logs: Floats) -> tuple[float, Floats]:
        parameters = np.exp(logs)
        weights, (product, linear, common, noise) = parameters[:-4], parameters[-4:]
        total = weights.sum()
        agreement = (self._hot * np.repeat(weights, self._codes_of)) @ self._hot.T
        product_part = product * np.exp(agreement - total)
        linear_part = linear / total * agreement
        common_part = common * self._common
        covariance = product_part + linear_part + common_part
        covariance[np.diag_indices(len(covariance))] += noise / self._counts + JITTER
        root = _inverse_root(covariance)
        solved = root.T @ (root @ self._targets)
        # Rasmussen and Williams, eq. 5.9, as the slope of the log likelihood in the covariance
        slope = 0.5 * (np.outer(solved, solved) - root.T @ root)
        # p dK/dp, as the parameters are logarithms:  product: K_1,  linear: K_2,  common: K_3,
        # w_d: w_d ([x_d = x'_d] (K_1 + a / W) - K_1 - K_2 / W), since W depends on w_d as well.
        by_product = slope * product_part
        product_sum, linear_sum = by_product.sum(), np.vdot(slope, linear_part)
        by_agreement = by_product + slope * (linear / total)
        agreeing = np.einsum("nt,nt->t", self._hot, by_agreement @ self._hot)
        by_weight = np.add.reduceat(agreeing, self._offsets) - product_sum - linear_sum / total
        by_noise = (np.diag(slope) * noise / self._counts).sum()
        # Equal rows count by their mean; their scatter is an independent chi-squared of the noise.
        scatter, degrees = self._repeats
        by_noise += 0.5 * (scatter / noise - degrees)
        by_part = [product_sum, linear_sum, np.vdot(slope, common_part), by_noise]
        gradient = np.concatenate([weights * by_weight, by_part])
        log_likelihood = -0.5 * self._targets @ solved + np.log(np.diag(root)).sum()
        log_likelihood -= 0.5 * (scatter / noise + degrees * logs[-1])
        deviation = (logs - self._prior) / self.spread
        value = -log_likelihood + 0.5 * deviation @ deviation
        slopes: Floats = deviation / self.spread - gradient
        return float(value), slopes


def _log_prior(encoding: Encoding, noise: float) -> Floats:
    kernel = Kernel.prior(encoding, noise)
    weights = [kernel.other] * len(encoding.names)
    parts = [kernel.product, kernel.linear, kernel.common, kernel.noise]
    logs: Floats = np.log(np.array([*weights, *parts]))
    return logs


def _common(encoding: Encoding, hot: Floats) -> Floats:
    """Compute f of each row, shape (N, F), from its one-hot codes, shape (N, T)."""
    common: Floats = encoding.shared.shares_of(hot) * encoding.shared.units
    return common


def _scale(encoding: Encoding, kernel: Kernel) -> Floats:
    """Compute the root of the weight of every code, shape (T,)."""
    weights = [kernel.weights.get(name, kernel.other) for name in encoding.names]
    return np.repeat(np.sqrt(np.array(weights)), encoding.sizes + 1)


def _inverse_root(covariance: Floats) -> Floats:
    """Invert the lower Cholesky factor of a covariance."""
    from scipy.linalg import solve_triangular

    root = np.linalg.cholesky(covariance)
    inverse: Floats = solve_triangular(root, np.eye(len(root)), lower=True, check_finite=False)
    return inverse
