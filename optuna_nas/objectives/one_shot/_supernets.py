"""Supernets as a one-shot search needs them: with all weights there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from optuna_nas._ground.forward import materialise
from optuna_nas.training import seeded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from optuna_nas.spaces import SearchSpace
    from optuna_nas.spaces.base import Supernet
    from optuna_nas.training import Data

__all__ = ["make_supernet", "run_supernet"]


def run_supernet(
    supernet: Supernet,
    inputs: Iterable[torch.Tensor],
    named: Mapping[str, torch.Tensor],
    **reading: Any,
) -> Any:
    """Call a supernet on a batch, laid out as it is fast.

    Args:
        supernet: The supernet.
        inputs: Positional inputs.
        named: Named inputs.
        reading: ``mixture`` or ``architecture``.
    """
    laid_out = {name: _fast_on_cpu(part) for name, part in named.items()}
    return supernet(*map(_fast_on_cpu, inputs), **laid_out, **reading)


def _fast_on_cpu(x: torch.Tensor) -> torch.Tensor:
    """Lay out pictures channel by channel on a CPU, where pools and depthwise products gain."""
    if x.device.type == "cpu" and x.ndim == 4:
        return x.contiguous(memory_format=torch.channels_last)
    return x


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
