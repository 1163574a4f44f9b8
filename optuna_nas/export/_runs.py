"""Runs of networks and of what was written of them, on the same inputs and weights."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import nn

from optuna_nas._ground.forward import evaluating, run_forward
from optuna_nas._ground.inputs import Examples, Inputs, parts_of

__all__ = ["answer_of", "example_batch", "give_weights", "module_from_code", "varied"]


def module_from_code(code: str) -> nn.Module:
    """Return the network that a text of :func:`model_code` makes, with random weights.

    Its ``load_state_dict`` takes the weights of the model; with ``assign=True`` also those of
    another type than float32.
    """
    space: dict[str, Any] = {"__name__": "model", "__file__": "model.py"}
    exec(compile(code, "model.py", "exec"), space)
    network: nn.Module = space["Network"]()
    return network


def give_weights(network: nn.Module, model: nn.Module) -> bool:
    """Give a written network the weights and buffers of the model that it needs.

    Returns:
        Whether one of them is of another type, which ``load_state_dict`` would change.
    """
    all_of_them = {**dict(model.named_buffers()), **model.state_dict()}
    own = network.state_dict()
    state = {name: all_of_them[name] for name in own}
    differs = any(own[name].dtype != tensor.dtype for name, tensor in state.items())
    if differs:
        state = {name: tensor.detach().cpu().clone() for name, tensor in state.items()}
    network.load_state_dict(state, assign=differs)
    return differs


def varied(model: nn.Module, examples: Examples) -> Examples:
    """Let integers of random batches be 0 and 1 if the network takes that.

    All its lookups at index 0 would compare little. It is tried on the CPU alone, since a wrong
    index on a GPU ends the process's work there.
    """
    more = dataclasses.replace(examples, high=2)
    batch = more.random(model, 2)
    parts = parts_of(batch)
    on_cpu = all(part.device.type == "cpu" for part in parts)
    if not on_cpu or all(part.is_floating_point() for part in parts):
        return examples
    try:
        with evaluating(model):
            run_forward(model, batch)
    except ValueError:
        return examples
    return more


def example_batch(model: nn.Module, examples: Examples, count: int) -> Inputs:
    """Return so many examples where the model's weights are; always the same ones."""
    return examples.random(model, count, seed=count)


def answer_of(model: nn.Module, inputs: Inputs) -> torch.Tensor:
    """Return the output of a model for a batch, in eval mode.

    Raises:
        ValueError: If it cannot take it, or gives anything but one tensor.
    """
    with evaluating(model):
        answer = run_forward(model, inputs)
    if isinstance(answer, torch.Tensor):
        return answer
    raise ValueError(
        f"`model` must give one tensor, but {type(model).__name__} gives an object of type "
        f"{type(answer).__name__}: put it into a module that returns the tensor you want."
    )
