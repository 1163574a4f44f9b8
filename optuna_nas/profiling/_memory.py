"""How much memory the activations of a training step take, without running it.

What autograd saves for the backward pass is what fills a device in training; torch's own hook on
saved tensors sees all of it.
"""

from __future__ import annotations

import torch
from torch import nn

from optuna_nas._ground.forward import example_input, materialise, training

__all__ = ["activation_memory"]

_BATCH = 2  # batch norm needs two values per channel


def activation_memory(model: nn.Module, input_size: tuple[int, ...] = (3, 224, 224)) -> int:
    """Count the bytes that a training step keeps for the backward pass, per image.

    On torch's meta device nothing is computed. Tensors that share their memory count once;
    weights do not count. Modes and batch norm statistics are as before
    (lazy modules are initialised).

    Example:
        >>> from torch import nn
        >>> from optuna_nas.profiling import activation_memory
        >>> activation_memory(nn.Conv2d(3, 64, 3), (3, 32, 32))  # its input: 3 * 32 * 32 floats
        12288

    Args:
        model: A network that takes images of shape (B, *input_size).
        input_size: (channels, height, width) of one image.

    Returns:
        Bytes per image, at the model's own precision.

    Raises:
        ValueError: If the model cannot take an input of this size.
    """
    materialise(model, input_size)
    weights = {tensor.untyped_storage()._cdata for tensor in model.parameters()}
    saved: dict[int, int] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            saved[storage._cdata] = storage.nbytes()
        kept.append(tensor)
        return tensor

    kept: list[torch.Tensor] = []  # so that no address is given to a second tensor
    images = example_input(model, input_size, batch_size=_BATCH)
    hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda t: t)
    try:
        with training(model), torch.enable_grad(), hooks:
            model(images)
    except (RuntimeError, ValueError, IndexError) as e:
        raise ValueError(
            f"`input_size` must fit the network, but {type(model).__name__} cannot take images of "
            f"shape {tuple(images.shape)} in training ({str(e).splitlines()[0].rstrip('.')})."
        ) from e
    return sum(saved.values()) // _BATCH
