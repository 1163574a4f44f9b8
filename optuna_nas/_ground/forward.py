"""One forward pass that leaves a network as it was, with an error that names the input.

A lazy network (``nn.LazyLinear``, ``make_op`` without ``in_channels``) is finished by such a pass.

Letters: ``B`` examples in a batch.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, is_lazy

from optuna_nas._ground.inputs import Examples, Inputs, call, parts_of, shapes

__all__ = ["copied", "evaluating", "materialise", "run_forward", "training"]

_BATCH = 2  # batch norm needs two values per channel


def materialise(model: nn.Module, inputs: Any) -> None:
    """Give every lazy parameter its shape and its first value; a network without stays untouched.

    Modes, batch norm statistics and the random state are as before. Where a supernet mixes all
    its candidates in a forward pass, all of them are finished.

    Args:
        model: A network.
        inputs: What it takes: a size such as (3, 32, 32), or all that :meth:`Examples.of` takes.

    Raises:
        ValueError: If the model cannot take such inputs, or does not use a lazy module.
    """
    if not _lazy_names(model):
        return
    examples = Examples.of(inputs)
    for mode in (evaluating, training):  # an auxiliary head may run in training alone
        with mode(model), torch.no_grad():
            run_forward(model, examples.batch(model, _BATCH))
        if not _lazy_names(model):
            return
    raise ValueError(
        f"`model` must use all its lazy modules, but a forward pass of {type(model).__name__} on "
        f"{examples.spec.words} leaves {_lazy_names(model)} without a shape: give those modules "
        "their sizes, such as `in_channels`, or leave them out."
    )


def copied(model: nn.Module) -> nn.Module:
    """Return a copy, also of a network with lazy buffers, which torch does not copy."""
    memo: dict[int, object] = {
        id(buffer): UninitializedBuffer(  # type: ignore[call-arg]
            device=buffer.device, dtype=buffer.dtype
        )
        for buffer in model.buffers()
        if is_lazy(buffer)
    }
    return copy.deepcopy(model, memo)


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch to eval mode without gradients; afterwards every module has its own mode again."""
    with _own_modes(model):
        model.eval()
        with torch.no_grad():
            yield


@contextlib.contextmanager
def training(model: nn.Module) -> Iterator[None]:
    """Switch to train mode; afterwards every module has its own mode and statistics again."""
    lazy = {
        module for module in model.modules() if any(map(is_lazy, module.buffers(recurse=False)))
    }
    buffers = {n: buffer.clone() for n, buffer in model.named_buffers() if not is_lazy(buffer)}
    with _own_modes(model):
        model.train()
        try:
            yield
        finally:
            with torch.no_grad():
                for name, buffer in model.named_buffers():
                    if name in buffers:
                        buffer.copy_(buffers[name])
            for norm in lazy:
                norm.reset_running_stats()  # type: ignore[operator]


@contextlib.contextmanager
def _own_modes(model: nn.Module) -> Iterator[None]:
    """Keep the modes; modules that a lazy one makes meanwhile get that of what holds them."""
    modes = {module: module.training for module in model.modules()}

    def restore(module: nn.Module, inherited: bool) -> None:
        module.training = modes.get(module, inherited)
        for child in module.children():
            restore(child, module.training)

    try:
        yield
    finally:
        restore(model, model.training)


def _lazy_names(model: nn.Module) -> list[str]:
    tensors = itertools.chain(model.named_parameters(), model.named_buffers())
    return [name for name, tensor in tensors if is_lazy(tensor)]


def run_forward(model: nn.Module, inputs: Inputs, *, doing: str = "") -> Any:
    """Run the model on a batch and return what it gives; the random state stays untouched.

    Args:
        model: Any network.
        inputs: A batch.
        doing: When it runs, for the message, such as " in training".

    Raises:
        ValueError: If the model cannot take such inputs.
        torch.OutOfMemoryError: As torch raises it.
    """
    device = parts_of(inputs)[0].device
    cuda = [device] if device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=cuda, device_type="cuda"):
            return call(model, inputs)
    except torch.OutOfMemoryError:
        raise
    except TypeError as e:
        if _binds(model, inputs):  # a bug within
            raise
        raise _unfit(model, inputs, doing, e) from e
    except (RuntimeError, ValueError, IndexError) as e:
        raise _unfit(model, inputs, doing, e) from e


def _unfit(model: nn.Module, inputs: Inputs, doing: str, error: Exception) -> ValueError:
    name, reason = type(model).__name__, str(error).partition("\n")[0].rstrip(".")
    if isinstance(inputs, torch.Tensor) and inputs.is_floating_point():
        return ValueError(
            f"`input_size` must fit the network, but {name} cannot take an input of shape "
            f"{tuple(inputs.shape)}{doing} ({reason}): give the sizes that it was built for, or, "
            'for several inputs or integers, `inputs` such as "32:int64".'
        )
    types = ", ".join(str(part.dtype).removeprefix("torch.") for part in parts_of(inputs))
    return ValueError(
        f"`inputs` must fit the network, but {name} cannot take inputs of shape {shapes(inputs)} "
        f"and type {types}{doing} ({reason}): give those that its forward{_signature(model)} "
        "takes, several as a tuple in order or as a dict by name."
    )


def _binds(model: nn.Module, inputs: Inputs) -> bool:
    """Whether the network's forward has parameters for the inputs."""
    named = inputs if isinstance(inputs, Mapping) else {}
    try:
        inspect.signature(model.forward).bind(*(() if named else parts_of(inputs)), **named)
    except TypeError:
        return False
    except ValueError:  # no signature, as of a scripted module
        return True
    return True


def _signature(model: nn.Module) -> str:
    """Names of the parameters of forward, in brackets."""
    try:
        return f"({', '.join(inspect.signature(model.forward).parameters)})"
    except ValueError:
        return ""
