"""Networks as proxies need them: a copy, its weights, what its output and its loss depend on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.sparse import Embedding, EmbeddingBag
from torch.nn.parameter import UninitializedParameter

from optuna_nas._ground.checks import shown
from optuna_nas._ground.forward import copied
from optuna_nas._ground.inputs import Inputs, call, length, parts_of
from optuna_nas.training import seeded

__all__ = [
    "Loss",
    "check_count",
    "drop_norms",
    "embedded",
    "first_output",
    "gradients_of",
    "keep_differentiable",
    "leaf_of",
    "loss_of",
    "ones_like",
    "scratch_copy",
    "weights_of",
]

Loss: TypeAlias = Callable[[Any, Any], torch.Tensor]
"""Mean loss of a batch, of what the network gives and the target."""

_IGNORED = -100  # torch's own default for classes that do not count


def check_count(inputs: Inputs) -> None:
    """Raise ``ValueError`` if a batch has fewer than two examples."""
    if length(inputs) < 2:
        raise ValueError(
            f"`inputs` must be at least 2 examples for this proxy, but got {length(inputs)}."
        )


@contextlib.contextmanager
def scratch_copy(model: nn.Module, inputs: Inputs) -> Iterator[nn.Module]:
    """Give a copy in train mode, whose dropout always draws alike; random states are restored."""
    network = copied(model).train()
    with seeded(0), torch.enable_grad():
        if any(isinstance(p, UninitializedParameter) for p in network.parameters()):
            with torch.no_grad():
                call(network, inputs)
        yield network


def leaf_of(part: torch.Tensor, leaves: list[torch.Tensor]) -> torch.Tensor:
    """A copy of floats with a gradient, which is noted; other types as they are."""
    if not part.is_floating_point():
        return part
    leaves.append(part.detach().clone().requires_grad_())
    return leaves[-1]


@contextlib.contextmanager
def embedded(network: nn.Module, inputs: Inputs, leaves: list[torch.Tensor]) -> Iterator[None]:
    """Note what embeddings give for each example, with a gradient, where there are integers."""
    count, hooks = length(inputs), []

    def note(module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor | None:
        if output.shape[:1] != (count,):  # of places, for instance, which are the same for all
            return None
        return leaf_of(output, leaves)

    if not all(part.is_floating_point() for part in parts_of(inputs)):
        tables = (m for m in network.modules() if isinstance(m, Embedding | EmbeddingBag))
        hooks = [table.register_forward_hook(note) for table in tables]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def ones_like(part: torch.Tensor) -> torch.Tensor:
    """One example of ones in float64; of other types the first one."""
    if part.is_floating_point():
        return torch.ones(1, *part.shape[1:], dtype=torch.float64, device=part.device)
    return part[:1]


def keep_differentiable(network: nn.Module) -> None:
    """Leave recurrent layers in train mode, without which cuDNN has no gradients."""
    for module in network.modules():
        if isinstance(module, nn.RNNBase):
            module.train()
            module.dropout = 0.0


def first_output(model: nn.Module, output: Any) -> torch.Tensor:
    """The output alone where there is an auxiliary head."""
    first = output[0] if isinstance(output, tuple) else output
    if isinstance(first, torch.Tensor):
        return first
    raise ValueError(
        "`model` must put out a tensor, or a tuple that begins with one, for this proxy, but "
        f"{type(model).__name__} puts out an object of type {type(output).__name__}."
    )


def loss_of(model: nn.Module, inputs: Inputs, target: Any, loss: Loss | None) -> torch.Tensor:
    output = call(model, inputs)
    if loss is None:
        return _cross_entropy(type(model).__name__, first_output(model, output), target)
    value = loss(output, target)
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        return value.sum()
    got = tuple(value.shape) if isinstance(value, torch.Tensor) else shown(value)
    raise ValueError(
        f"`loss` must return a tensor of one number, the mean of the batch, but got {got}."
    )


def _cross_entropy(name: str, logits: torch.Tensor, target: Any) -> torch.Tensor:
    if logits.ndim < 2 or logits.shape[1] < 2:
        raise ValueError(
            "`model` must put out logits of at least two classes for this proxy, but "
            f"{name} puts out shape {tuple(logits.shape)}, whose cross entropy is always 0: give "
            "a `loss`, or take a proxy that needs no target (naswot, jacov, synflow)."
        )
    if not isinstance(target, torch.Tensor):
        fits = False
    elif target.is_floating_point():
        fits = target.shape == logits.shape
    else:
        classes = (*logits.shape[:1], *logits.shape[2:])
        known = (target >= 0) & (target < logits.shape[1]) | (target == _IGNORED)
        target, fits = target.long(), target.shape == classes and bool(known.all())
    if not fits:
        raise ValueError(
            f"`target` must be classes from 0 to {logits.shape[1] - 1} for each of the outputs of "
            f"shape {tuple(logits.shape)}, or probabilities of that shape, but got "
            f"{_described(target)}: give a `loss`, or take a proxy that needs no target (naswot, "
            "jacov, synflow)."
        )
    return functional.cross_entropy(logits, target, ignore_index=_IGNORED)


def _described(target: Any) -> str:
    if not isinstance(target, torch.Tensor):
        return shown(target)
    ends = f" from {target.min().item():g} to {target.max().item():g}" if target.numel() else ""
    return f"{target.dtype} of shape {tuple(target.shape)}{ends}"


def weights_of(model: nn.Module) -> list[torch.Tensor]:
    """The weights of layers that multiply, each tensor once."""
    found = [weight for module in model.modules() for weight in _matrices(module)]
    if not found:
        raise ValueError(
            "`model` must have convolutions, linear, recurrent or attention layers for this "
            f"proxy, but {type(model).__name__} has none: take another proxy."
        )
    return list({id(weight): weight for weight in found}.values())


def _matrices(module: nn.Module) -> list[torch.Tensor]:
    """A layer's own weights that inputs are multiplied with."""
    if isinstance(module, _ConvNd | nn.Linear):
        return [module.weight]
    if isinstance(module, nn.RNNBase | nn.RNNCellBase | nn.MultiheadAttention | nn.Bilinear):
        own = module.named_parameters(recurse=False)
        # Attention has biases of three dimensions.
        return [p for name, p in own if p.ndim > 1 and not name.startswith("bias")]
    return []


def gradients_of(value: torch.Tensor, weights: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Gradients, zero for weights that take no part."""
    if not value.requires_grad:
        return tuple(torch.zeros_like(weight) for weight in weights)
    return torch.autograd.grad(value, weights, allow_unused=True, materialize_grads=True)


def drop_norms(model: nn.Module) -> None:
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm):
                setattr(parent, name, nn.Identity())
