"""Rules that say how much of each dimension a larger network gets.

Legend: ``alpha`` depth, ``beta`` width, ``gamma`` resolution for twice the multiply-adds, ``phi``
how often they are doubled.

References:
    - [Tan2019] Tan and Le. EfficientNet: Rethinking Model Scaling for Convolutional Neural
      Networks. ICML 2019. arXiv:1905.11946.
    - [Bello2021] Bello et al. Revisiting ResNets: Improved Training and Scaling Strategies.
      NeurIPS 2021. arXiv:2103.07579.

Differences from the papers:
    1. [Tan2019] takes it that multiply-adds grow with depth * width**2 * resolution**2. Stems,
       heads and rounding see to it that they do not quite: here they are counted.
    2. [Bello2021] gives no numbers for "scale resolution slowly". ``RESNET_RS`` is what its family
       does from ResNet-RS-50 at 160 pixels to ResNet-RS-350 at 256: a third of the growth is
       resolution, the rest depth.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from optuna_nas._ground.checks import require_number
from optuna_nas.scaling._network import ScalableNetwork
from optuna_nas.scaling._warnings import ExtrapolationWarning

__all__ = ["EFFICIENTNET", "RESNET_RS", "STRATEGIES", "Coefficients", "family", "grown_to"]

NetworkT = TypeVar("NetworkT", bound=ScalableNetwork)

_PHI_STEP = 1 / 128  # how exactly phi is sought: half a per cent of the multiply-adds
_MOST_DOUBLINGS = 20.0


@dataclass(frozen=True)
class Coefficients:
    """How much deeper, wider and larger in resolution a network gets when ``phi`` grows by 1.

    Args:
        alpha: Factor of the depth, at least 1.
        beta: Factor of the width, at least 1.
        gamma: Factor of the resolution, at least 1.
        fitted_at: At which factor of the multiply-adds they were found; None where they are only
            given. Going far beyond it gives an :class:`ExtrapolationWarning`.

    Raises:
        ValueError: If one is below 1, or all are 1.

    Example::

        from optuna_nas.scaling import Coefficients

        assert round(Coefficients(1.2, 1.1, 1.15).growth, 5) == 1.92027
    """

    alpha: float
    beta: float
    gamma: float
    fitted_at: float | None = None

    def __post_init__(self) -> None:
        values = {"alpha": self.alpha, "beta": self.beta, "gamma": self.gamma}
        for name, value in values.items():
            require_number(name, value, at_least=1)
        if self.fitted_at is not None:
            require_number("fitted_at", self.fitted_at, at_least=0)
        if max(values.values()) == 1:
            raise ValueError(
                "`alpha`, `beta` and `gamma` must not all be 1, or nothing would grow."
            )

    @property
    def growth(self) -> float:
        """The factor of multiply-adds per step of phi, if they grew as the paper takes it."""
        return self.alpha * self.beta**2 * self.gamma**2

    def apply(self, base: NetworkT, phi: float) -> NetworkT:
        """Return ``base`` grown by ``phi`` steps, or shrunk where phi is negative.

        Raises:
            ValueError: If the base has no room to shrink so far, or ``phi`` is no number or
                beyond 100 steps.
        """
        require_number("phi", phi, at_least=-MOST_STEPS, at_most=MOST_STEPS)
        try:
            return base.scaled(
                depth=self.alpha**phi, width=self.beta**phi, resolution=self.gamma**phi
            )
        except (ValueError, OverflowError) as e:
            raise ValueError(f"`phi` leaves no room for {base}, but got phi={phi:g}: {e}") from e


MOST_STEPS = 100

EFFICIENTNET = Coefficients(alpha=1.2, beta=1.1, gamma=1.15)
"""[Tan2019], found on EfficientNet-B0 by a grid search at twice its multiply-adds."""

RESNET_RS = Coefficients(alpha=2 ** (2 / 3), beta=1.0, gamma=2 ** (1 / 6))
"""Depth, and resolution slowly, as the family of [Bello2021] grows."""

STRATEGIES: Mapping[str, Coefficients] = MappingProxyType(
    {
        "depth": Coefficients(alpha=2.0, beta=1.0, gamma=1.0),
        "width": Coefficients(alpha=1.0, beta=2**0.5, gamma=1.0),
        "resolution": Coefficients(alpha=1.0, beta=1.0, gamma=2**0.5),
        "compound": EFFICIENTNET,
        "resnet_rs": RESNET_RS,
    }
)
"""The rules that are compared at a fixed budget, by name."""


def family(
    base: NetworkT, coefficients: Coefficients, *, phi: Iterable[float] = range(8)
) -> tuple[NetworkT, ...]:
    """Return the networks that the coefficients make of a base, such as B0 to B7.

    Args:
        base: The network at phi = 0.
        coefficients: Such as ``EFFICIENTNET``, or ``scaling.fit(study).coefficients``.
        phi: How often to double; fractions are allowed, and negative ones as far as there is
            room.

    Raises:
        ValueError: If a phi leaves no room.

    Example::

        from optuna_nas import scaling

        networks = scaling.family(scaling.EfficientNet(), scaling.EFFICIENTNET, phi=range(3))
        assert [network.resolution for network in networks] == [224, 258, 296]
    """
    steps = tuple(phi)
    if coefficients.fitted_at is not None and steps:
        _warn_beyond(coefficients, max(steps), coefficients.fitted_at)
    return tuple(coefficients.apply(base, step) for step in steps)


def grown_to(
    base: NetworkT,
    coefficients: Coefficients,
    *,
    macs: int,
    num_classes: int = 1000,
    in_channels: int = 3,
    exceed: bool = False,
) -> NetworkT:
    """Return the network of a family that a budget of multiply-adds allows.

    What is counted grows in steps, by whole layers, eight channels and pixels; so it is the
    largest network within the budget, or with ``exceed=True`` the one nearest to it on either
    side, which is what a comparison at equal budgets wants.

    Args:
        base: The smallest network.
        coefficients: How it grows.
        macs: The budget for one image.
        num_classes: Number of logits.
        in_channels: Likewise.
        exceed: Whether the network may exceed the budget by less than the next smaller one falls
            short of it.

    Raises:
        ValueError: If the budget is under the base network, or not reached by doubling it 20
            times.

    Example::

        from optuna_nas import scaling

        base = scaling.EfficientNet()
        found = scaling.grown_to(base, scaling.EFFICIENTNET, macs=1_000_000_000)
        assert 0.9e9 < found.profile().macs <= 1e9
    """

    @functools.cache
    def count(phi: float) -> int:
        network = coefficients.apply(base, phi)
        return network.profile(num_classes=num_classes, in_channels=in_channels).macs

    smallest = count(0.0)
    if macs < smallest:
        raise ValueError(
            f"`macs` must be at least the {smallest:,} multiply-adds of the base network {base}, "
            f"but got macs={macs:,}: start from a smaller base."
        )
    low, high = _bracket(count, macs)
    below, above = coefficients.apply(base, low), coefficients.apply(base, high)
    if exceed and count(high) - macs < macs - count(low):
        return above
    return below


def _bracket(count: Callable[[float], int], macs: int) -> tuple[float, float]:
    """Return two near phi, the lower within the budget and the upper beyond it."""
    low, high = 0.0, 1.0
    while count(high) <= macs:
        low, high = high, 2 * high
        if high > _MOST_DOUBLINGS:
            raise ValueError(
                f"`macs` must be what {_MOST_DOUBLINGS:.0f} doublings of the base network reach, "
                f"but got macs={macs:,}."
            )
    while high - low > _PHI_STEP:
        middle = (low + high) / 2
        low, high = (middle, high) if count(middle) <= macs else (low, middle)
    return low, high


def _warn_beyond(coefficients: Coefficients, phi: float, fitted_at: float) -> None:
    factor = coefficients.growth**phi
    if factor <= 2 * fitted_at:
        return
    warnings.warn(
        f"The coefficients were found at {fitted_at:.3g} times the base network, and phi={phi:g} "
        f"is {factor:.3g} times: rules found on small networks need not hold for large ones "
        "(arXiv:2103.07579). Train a few sizes in between for the full number of epochs.",
        ExtrapolationWarning,
        stacklevel=3,
    )
