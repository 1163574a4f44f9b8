"""Supernets as a one-shot search needs them: with all weights there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna_nas._ground.forward import materialise
from optuna_nas.training import seeded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna_nas.spaces import SearchSpace
    from optuna_nas.spaces.base import Supernet
    from optuna_nas.training import Data

__all__ = ["make_supernet"]


def make_supernet(
    space: SearchSpace, arguments: Mapping[str, Any], data: Data, seed: int
) -> Supernet:
    """Make a supernet on the CPU of which every weight is known, those of lazy modules too.

    Args:
        space: One with a supernet.
        arguments: Of ``space.supernet``.
        data: Data whose inputs it takes.
        seed: Of the weights and alphas; the process's random state is neither used nor changed.

    Raises:
        ValueError: If the supernet cannot take the inputs, or does not use one of its modules.
    """
    with seeded(seed):
        supernet = space.supernet(**arguments)
        materialise(supernet, data.inputs)
    return supernet
