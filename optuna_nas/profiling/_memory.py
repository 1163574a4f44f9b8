"""How much memory the activations of a training step take, without running it.

What autograd saves for the backward pass is what fills a device in training; torch's own hook on
saved tensors sees all of it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from optuna_nas._ground.forward import materialise, run_forward, training
from optuna_nas._ground.inputs import examples_of

__all__ = ["activation_memory"]

_BATCH = 2  # batch norm needs two values per channel


def activation_memory(
    model: nn.Module, input_size: tuple[int, ...] | None = None, *, inputs: Any = None
) -> int:
    """Count the bytes that a training step keeps for the backward pass, per example.

    On torch's meta device nothing is computed. Tensors that share their memory count once;
    weights do not count. Modes and batch norm statistics are as before
    (lazy modules are initialised).

    Example:
        >>> from torch import nn
        >>> from optuna_nas.profiling import activation_memory
        >>> activation_memory(nn.Conv2d(3, 64, 3), (3, 32, 32))  # its input: 3 * 32 * 32 floats
        12288

    Args:
        model: A network that takes a batch (B, *input_size), or ``inputs``.
        input_size: As for :func:`profile`. Default: (3, 224, 224).
        inputs: As for :func:`profile`.

    Returns:
        Bytes per example, at the model's own precision.

    Raises:
        ValueError: If the model cannot take such inputs, or both are given.
    """
    examples = examples_of(input_size, inputs, default=(3, 224, 224))
    materialise(model, examples)
    weights = {tensor.untyped_storage()._cdata for tensor in model.parameters()}
    saved: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            saved[storage._cdata] = storage.nbytes()
        kept.append(tensor)
        return tensor

    kept: list[torch.Tensor] = []  # so that no address is given to a second tensor
    batch = examples.batch(model, _BATCH)
    hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda t: t)
    with training(model), torch.enable_grad(), hooks:
        run_forward(model, batch, doing=" in training")
    return sum(saved.values()) // _BATCH
