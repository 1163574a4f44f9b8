"""The proxies themselves; see the package.

Letters: ``B`` examples in a batch, ``A`` activations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from optuna_nas._ground.inputs import Inputs, call, length, map_tensors
from optuna_nas.objectives.proxies._network import (
    Loss,
    check_count,
    drop_norms,
    embedded,
    first_output,
    gradients_of,
    keep_differentiable,
    leaf_of,
    loss_of,
    ones_like,
    scratch_copy,
    weights_of,
)
from optuna_nas.profiling import profile

__all__ = [
    "PROXIES",
    "Proxy",
    "flops",
    "grad_norm",
    "jacov",
    "naswot",
    "params",
    "snip",
    "synflow",
]


class Proxy(Protocol):
    """Score of an untrained network, one of ``PROXIES``."""

    def __call__(
        self, model: nn.Module, inputs: Inputs, target: Any = None, *, loss: Loss | None = None
    ) -> float:
        """Score a network on a batch."""


_JACOV_K = 1e-5  # k of [Mellor2021], v1
_aten = torch.ops.aten
_ACTIVATIONS = {
    getattr(_aten, name)
    for name in (
        *("relu", "relu_", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "elu", "elu_"),
        *("gelu", "silu", "silu_", "hardswish", "hardswish_", "mish", "mish_"),
    )
}


def naswot(
    model: nn.Module, inputs: Inputs, target: Any = None, *, loss: Loss | None = None
) -> float:
    """Tell how differently a network's activations switch for different examples.

    The logarithm of the determinant of K, where K of two examples is the number of activations
    that are on for both or off for both: all activations minus the codes' Hamming distance.

    Args:
        model: On the device of the inputs; batch norms take the statistics of the batch.
        inputs: A batch of at least two examples, as networks take them: normalised.
        target: Not used.
        loss: Not used.

    Raises:
        ValueError: If there are fewer than two examples, or no activation ran.
    """
    check_count(inputs)
    kernel = _HammingKernel(length(inputs))
    with scratch_copy(model, inputs) as network, torch.no_grad(), kernel:
        call(network, inputs)
    if kernel.activations == 0:
        raise ValueError(
            f"`model` must have activations such as ReLU for naswot, but {type(model).__name__} "
            "ran none: take another proxy."
        )
    return float(torch.linalg.slogdet(kernel.K_BB).logabsdet)


def jacov(
    model: nn.Module, inputs: Inputs, target: Any = None, *, loss: Loss | None = None
) -> float:
    """Tell how differently a network's output depends on different examples.

    Minus the sum of ``log(v + k) + 1 / (v + k)`` over the eigenvalues v of the correlation of the
    examples' gradients, which is largest where they are not correlated.

    Args:
        model: As for :func:`naswot`.
        inputs: As for :func:`naswot`.
        target: Not used.
        loss: Not used.

    Raises:
        ValueError: If there are fewer than two examples, or the inputs are integers that no
            embedding reads.
    """
    check_count(inputs)
    with scratch_copy(model, inputs) as network:
        leaves: list[torch.Tensor] = []
        given = map_tensors(lambda part: leaf_of(part, leaves), inputs)
        with embedded(network, inputs, leaves):
            output = first_output(network, call(network, given)).sum()
        if not leaves:
            raise ValueError(
                "`inputs` must be floats, or integers that embeddings read, for jacov, but "
                f"{type(model).__name__} has neither: take another proxy."
            )
        gradients = torch.autograd.grad(output, leaves, allow_unused=True, materialize_grads=True)
    correlation_BB = _correlation(torch.cat([g.flatten(1).double() for g in gradients], 1))
    v_B = torch.linalg.eigvalsh(correlation_BB).clamp(min=0) + _JACOV_K
    return float(-(v_B.log() + 1 / v_B).sum())


def synflow(
    model: nn.Module, inputs: Inputs, target: Any = None, *, loss: Loss | None = None
) -> float:
    """Tell how much flows through a network of absolute weights from an example of ones.

    The sum of ``|w| * dR / d|w|``, with R the sum of the output. For a linear network without
    biases that is the number of its layers times the sum over all paths of the products of their
    absolute weights.

    Args:
        model: Any network.
        inputs: Only the shapes of floats count; integers are those of the first example.
        target: Not used.
        loss: Not used.
    """
    with scratch_copy(model, inputs) as network:
        drop_norms(network)
        network.double().eval()
        keep_differentiable(network)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.abs_()
        weights = weights_of(network)
        output = first_output(network, call(network, map_tensors(ones_like, inputs)))
        gradients = gradients_of(output.sum(), weights)
        return _total((w * g).sum() for w, g in zip(weights, gradients, strict=True))


def snip(
    model: nn.Module, inputs: Inputs, target: Any = None, *, loss: Loss | None = None
) -> float:
    """Tell how much the loss would change if weights were left out: the sum of ``|w * dL/dw|``.

    Args:
        model: As for :func:`naswot`.
        inputs: As for :func:`naswot`, but one example is enough where batch norm takes it.
        target: What ``loss`` takes. For the default: classes, (B,) for logits (B, K) and (B, ...)
            for logits (B, K, ...), or probabilities of the logits' shape.
        loss: Function of output and target. Default: cross entropy.

    Raises:
        ValueError: If the loss is not one number, or, with the default, there are fewer than two
            logits or the target does not fit them.
    """
    with scratch_copy(model, inputs) as network:
        weights = weights_of(network)
        gradients = gradients_of(loss_of(network, inputs, target, loss), weights)
        return _total((w * g).abs().sum() for w, g in zip(weights, gradients, strict=True))


def grad_norm(
    model: nn.Module, inputs: Inputs, target: Any = None, *, loss: Loss | None = None
) -> float:
    """Tell how large the loss's gradient is: the sum of the layers' Euclidean norms.

    Args:
        model: As for :func:`naswot`.
        inputs: As for :func:`snip`.
        target: As for :func:`snip`.
        loss: As for :func:`snip`.

    Raises:
        ValueError: As :func:`snip`.
    """
    with scratch_copy(model, inputs) as network:
        gradients = gradients_of(loss_of(network, inputs, target, loss), weights_of(network))
        return _total(gradient.norm() for gradient in gradients)


def params(
    model: nn.Module, inputs: Inputs, target: Any = None, *, loss: Loss | None = None
) -> float:
    """Count the trainable parameters: the proxy that the others must beat."""
    return float(profile(model, inputs=inputs).params)


def flops(
    model: nn.Module, inputs: Inputs, target: Any = None, *, loss: Loss | None = None
) -> float:
    """Count the floating point operations for one example, two per multiply-add."""
    return float(profile(model, inputs=inputs).flops)


PROXIES: Mapping[str, Proxy] = {
    "naswot": naswot,
    "synflow": synflow,
    "grad_norm": grad_norm,
    "jacov": jacov,
    "snip": snip,
    "params": params,
    "flops": flops,
}


class _HammingKernel(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up, over all activations, which pairs of examples agree in being on or off.

    Attributes:
        K_BB: Number of agreeing activations, float64.
        activations: Number of all activations of an example.
    """

    def __init__(self, batch: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.K_BB = torch.zeros(batch, batch, dtype=torch.float64)
        self.activations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in _ACTIVATIONS and args[0].shape[:1] == self.K_BB.shape[:1]:
            on_BA = (args[0].detach() > 0).flatten(1).float()
            off_BA = 1 - on_BA
            self.K_BB += (on_BA @ on_BA.T + off_BA @ off_BA.T).double().cpu()
            self.activations += on_BA.shape[1]
        return func(*args, **(kwargs or {}))


def _total(parts: Iterator[torch.Tensor]) -> float:
    return float(sum((part.detach().double().cpu() for part in parts), torch.zeros(())))


def _correlation(rows: torch.Tensor) -> torch.Tensor:
    """Correlation of rows, 1 where a row is constant."""
    centred = rows - rows.mean(1, keepdim=True)
    norms = centred.norm(dim=1)
    correlation: torch.Tensor = (
        centred @ centred.T / (norms[:, None] * norms[None]).clamp(min=1e-300)
    )
    constant = norms == 0
    correlation[constant] = 1.0
    correlation[:, constant] = 1.0
    return correlation
