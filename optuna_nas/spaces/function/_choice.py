"""A decision between modules, which reads the same on a trial and in a supernet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from optuna_nas.spaces.function._mixture import Mixture

if TYPE_CHECKING:
    from torch import nn

__all__ = ["choice", "make_module"]


def choice(trial: Any, name: str, candidates: Mapping[Any, Callable[[], nn.Module]]) -> nn.Module:
    """Let a trial choose between modules.

    On an ordinary trial, whether of a ``@function_space`` function or any other, this is one
    ``trial.suggest_categorical(name, list(candidates))`` and the module that was chosen; the
    others are not made. In ``space.supernet()`` it is a module of all candidates, which mixes
    their results or, for a given architecture, calls one of them. There, choices of the same name
    have one alpha between them, but each its own weights.

    A factory may choose in turn. If the outer choice is that of an input and the inner one that
    of an operation, there is one set of weights for each pair of them, as in ENAS
    (arXiv:1802.03268).

    Args:
        trial: A trial, such as the first argument of a ``@function_space`` function.
        name: The decision.
        candidates: A function without arguments for each choice, which makes the module. The
            choices are strings, numbers, booleans or None.

    Raises:
        TypeError: If a candidate is no factory, or does not make a module.
        ValueError: If there are no candidates.

    Example::

        from torch import nn
        from optuna_nas.nn import make_op
        from optuna_nas.spaces import choice, function_space

        OPS = ("skip_connect", "sep_conv_3x3", "max_pool_3x3")

        @function_space
        def net(trial, num_classes=10, in_channels=3):
            layers = [nn.Conv2d(in_channels, 16, 3, padding=1)]
            for i in range(4):
                ops = {op: lambda op=op: make_op(op, 16, in_channels=16) for op in OPS}
                layers.append(choice(trial, f"layer_{i}_op", ops))
            return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                                 nn.Linear(16, num_classes))

        supernet = net.supernet(num_classes=10)
    """
    if not isinstance(candidates, Mapping):
        raise TypeError(
            f"The candidates of `{name}` must be a dictionary of factories, such as "
            f'{{"conv": lambda: nn.Conv2d(16, 16, 3)}}, but got {candidates!r}.'
        )
    if not candidates:
        raise ValueError(f"The candidates of `{name}` must be at least one, but got none.")
    for key, factory in candidates.items():
        _check_factory(name, key, factory)
    chosen = trial.suggest_categorical(name, tuple(candidates))
    if isinstance(chosen, Mixture):
        return chosen.switch(
            {key: make_module(_described(name, key), candidates[key]) for key in candidates}
        )
    return make_module(_described(name, chosen), candidates[chosen])


def make_module(what: str, factory: Callable[[], nn.Module]) -> nn.Module:
    """Call a user's factory.

    Args:
        what: Name of what it makes, for the message.
        factory: Takes no arguments.

    Raises:
        TypeError: If it does not make a module.
    """
    from torch import nn

    module = factory()
    if not isinstance(module, nn.Module):
        raise TypeError(f"{what} must make a torch.nn.Module, but made {module!r}.")
    return module


def _described(name: str, key: Any) -> str:
    return f"The candidate {key!r} of `{name}`"


def _check_factory(name: str, key: Any, factory: Any) -> None:
    made = hasattr(factory, "forward") and not isinstance(factory, type)
    if made or not callable(factory):
        raise TypeError(
            f"{_described(name, key)} must be a function that makes a module, but got "
            f"{'a module' if made else repr(factory)}. Put `lambda:` before it, so that it is "
            "made only where it is needed."
        )
