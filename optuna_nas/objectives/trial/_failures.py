"""Attributes failures: the architecture's is recorded and the search goes on, a bug is raised.

An architecture that cannot be trained (a map too small, NaN, out of memory) is an outcome of the
search like any other: the trial is infeasible and pruned. Everything else is raised with what
was being done: trial, architecture, input shape.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from optuna import TrialPruned

from optuna_nas._ground.attributes import Attribute, text
from optuna_nas._ground.inputs import InputSpec
from optuna_nas.keys import INFEASIBLE_KEY
from optuna_nas.nn import ImageTooSmallError, NetworkTooLargeError
from optuna_nas.training import NonFiniteLossError

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

    from optuna_nas.objectives._build import Buildable
    from optuna_nas.spaces import SearchSpace

__all__ = [
    "FAILURE_CONSTRAINT",
    "INFEASIBLE",
    "NonFiniteMetricError",
    "TrialError",
    "attributed_failures",
    "is_out_of_memory",
    "is_the_architectures",
    "prune_infeasible",
]

INFEASIBLE = Attribute(INFEASIBLE_KEY, text(100_000))

FAILURE_CONSTRAINT = "optuna_nas:failure"
"""Constraint of a trial: 1 if its network cannot be trained."""


class NonFiniteMetricError(ArithmeticError):
    """The metric became NaN or infinite: the network or its settings cannot be trained."""


_ARCHITECTURES = (
    ImageTooSmallError,
    NetworkTooLargeError,
    NonFiniteLossError,
    NonFiniteMetricError,
)


class TrialError(RuntimeError):
    """Something other than the architecture is wrong: data, settings, or a module's code."""


@contextlib.contextmanager
def attributed_failures(
    trial: BaseTrial,
    architecture: Buildable | SearchSpace,
    inputs: InputSpec | tuple[int, ...] | None,
    doing: str,
) -> Iterator[None]:
    """Turn what goes wrong in the block into an infeasible trial or one clear error.

    Args:
        trial: The trial whose block it is.
        architecture: Network that is being built, measured or trained.
        inputs: Sizes and types of an example, such as ``(3, 32, 32)``; None: unknown.
        doing: Step that is being done, such as ``"training"``.

    Raises:
        TrialPruned: If it is the architecture's fault; the trial is marked.
        TrialError: If it is not, with the low-level error as its cause.
    """
    try:
        yield
    except TrialPruned:
        raise
    except Exception as e:
        known = "" if inputs is None else f" on inputs of {_shapes(inputs)}"
        about = (
            f"Trial {trial.number}: {doing} {architecture}{known} "
            f"{'is impossible' if is_the_architectures(e) else 'failed'}: {_first_line(e)}"
        )
        if not is_the_architectures(e):
            raise TrialError(about) from e
        trial.set_constraint(FAILURE_CONSTRAINT, 1.0)
        prune_infeasible(trial, about, cause=e)


def prune_infeasible(trial: BaseTrial, why: str, *, cause: Exception | None = None) -> None:
    """Note why an architecture does not count, and end its trial.

    Raises:
        TrialPruned: Always.
    """
    trial.set_user_attr(INFEASIBLE_KEY, why)
    raise TrialPruned(why) from cause


def is_the_architectures(error: BaseException | None) -> bool:
    """Whether a network cannot be built, run or trained as it is: no bug, and no one's mistake."""
    while error is not None:
        if isinstance(error, _ARCHITECTURES) or is_out_of_memory(error):
            return True
        error = error.__cause__
    return False


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device or the machine had no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # Allocators of CPU and MPS raise a plain RuntimeError.
    signs = ("out of memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in signs)


def _shapes(inputs: InputSpec | tuple[int, ...]) -> str:
    spec = InputSpec.of(inputs)
    return f"shape {spec.input_size}" if spec.single else str(spec)


def _first_line(error: Exception) -> str:
    if is_out_of_memory(error):
        return "out of memory. A smaller batch_size, or max_params / max_macs, would prevent it."
    return (str(error).strip() or type(error).__name__).splitlines()[0]
