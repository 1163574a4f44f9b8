"""A number of layers as a decision, which reads the same on a trial and in a supernet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from optuna_nas._ground.bounds import MAX_LAYERS
from optuna_nas._ground.checks import is_int, shown
from optuna_nas.spaces.decisions import DecisionTrial
from optuna_nas.spaces.function._choice import make_module
from optuna_nas.spaces.function._mixture import Mixture

if TYPE_CHECKING:
    from torch import nn

__all__ = ["repeat"]


def repeat(
    trial: Any, name: str, make_layer: Callable[[int], nn.Module], *, low: int, high: int
) -> nn.Module:
    """Let a trial choose how many layers follow each other.

    On an ordinary trial this is one ``trial.suggest_int(name, low, high)`` and the layers in a
    row; the others are not made. In ``space.supernet()`` all ``high`` layers are there once, and
    what stands after each of the depths is mixed by an alpha over them (or one of them taken, for
    a given architecture), so that a network of fewer layers is the beginning of one of more.

    Layers may choose in turn, by ``choice`` or otherwise: an architecture decides on those that
    it has. Where the depth decides on more than how many layers there are, such as their widths,
    suggest it as an integer, and fix it in the supernet.

    Args:
        trial: A trial, such as the first argument of a ``@function_space`` function.
        name: The decision.
        make_layer: Makes a layer from its number, from 0. In a supernet the outputs after
            ``low`` to ``high`` layers must have equal shapes.
        low: Fewest layers, at least 0.
        high: Most layers, at most 1,000.

    Returns:
        A ``nn.Sequential`` of the layers, or a module of all depths.

    Raises:
        TypeError: If ``make_layer`` is no function, or does not make a module.
        ValueError: If ``low`` and ``high`` are no such range.

    Example::

        from torch import nn
        from optuna_nas.spaces import function_space, repeat

        @function_space
        def mlp(trial, num_classes=10):
            def layer(i):
                return nn.Sequential(nn.Linear(32, 32), nn.ReLU())

            layers = repeat(trial, "depth", layer, low=1, high=4)
            return nn.Sequential(nn.Flatten(), nn.LazyLinear(32), layers,
                                 nn.Linear(32, num_classes))

        supernet = mlp.supernet(num_classes=10)  # an alpha over 1, 2, 3 and 4 layers
    """
    if not callable(make_layer) or _is_module(make_layer):
        raise TypeError(
            f"The layers of `{name}` must be made by a function of their number, such as "
            f"lambda i: nn.Linear(16, 16), but got {make_layer!r}."
        )
    if not is_int(low) or not is_int(high) or not 0 <= low <= high <= MAX_LAYERS:
        raise ValueError(
            f"`low` and `high` of `{name}` must be integers with 0 <= low <= high <= "
            f"{MAX_LAYERS}, but got low={shown(low)} and high={shown(high)}."
        )
    from torch import nn

    ask = trial.suggest_depth if isinstance(trial, DecisionTrial) else trial.suggest_int
    depth = ask(name, low, high)
    if isinstance(depth, Mixture):
        return depth.depths([_make(name, i, make_layer) for i in range(high)])
    return nn.Sequential(*(_make(name, i, make_layer) for i in range(depth)))


def _make(name: str, number: int, make_layer: Callable[[int], nn.Module]) -> nn.Module:
    return make_module(f"Layer {number} of `{name}`", lambda: make_layer(number))


def _is_module(value: Any) -> bool:
    return hasattr(value, "forward") and not isinstance(value, type)
