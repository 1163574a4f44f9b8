"""Zero-cost proxies: scores of an untrained network, from one batch and one pass. More is better.

Each is a pure function ``(model, images, labels) -> float`` that leaves the network as it was.
They cost a thousandth of a training and rank networks far worse than one. On 200 random cells of
NAS-Bench-201 and a batch of 32 true images, Spearman's correlation with the accuracy on CIFAR-10
was 0.84 for jacov, 0.79 naswot, 0.76 synflow, 0.74 params and flops, 0.56 grad_norm and snip; on
noise instead of images jacov fell to 0.59 and naswot to 0.69 (``benchmarks/proxies.py``).

Letters: ``B`` images in a batch, ``C`` channels, ``H`` x ``W`` pixels, ``A`` activations.

References:
    - [Mellor2021] Mellor, Turner, Storkey, Crowley. Neural Architecture Search without Training.
      ICML 2021. arXiv:2006.04647. :func:`naswot`; its first version (v1, 2020) had :func:`jacov`.
    - [Tanaka2020] Tanaka, Kunin, Yamins, Ganguli. Pruning neural networks without any data by
      iteratively conserving synaptic flow. NeurIPS 2020. arXiv:2006.05467. :func:`synflow`.
    - [Lee2019] Lee, Ajanthan, Torr. SNIP: Single-shot Network Pruning based on Connection
      Sensitivity. ICLR 2019. arXiv:1810.02340. :func:`snip`.
    - [Abdelfattah2021] Abdelfattah, Mehrotra, Dudziak, Lane. Zero-Cost Proxies for Lightweight
      NAS. ICLR 2021. arXiv:2101.08134. :func:`grad_norm`, and the sums over whole networks.

Differences from the papers:
    1. :func:`naswot` sees every activation of the usual kinds, also functions such as
       ``x.relu()``; of smooth ones it takes the sign of the input. The release sees ``nn.ReLU``.
    2. :func:`jacov` counts images that the output does not depend on as fully correlated (the
       release divides by zero), and eigenvalues below 0, which are rounding, as 0.
    3. :func:`synflow` leaves batch norms out and computes in float64 in eval mode, as
       [Abdelfattah2021] do. Deep networks have scores of 1e30 and more; only their order matters.
    4. Sums run over the weights of convolutions and linear layers, as in [Abdelfattah2021].
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import UninitializedParameter
from torch.utils._python_dispatch import TorchDispatchMode

from optuna_nas._ground.forward import copied
from optuna_nas.profiling import profile
from optuna_nas.training import seeded

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

Proxy: TypeAlias = Callable[[nn.Module, torch.Tensor, torch.Tensor], float]

_IGNORED = -100  # torch's own default for labels that do not count
_JACOV_K = 1e-5  # k of [Mellor2021], v1
_aten = torch.ops.aten
_ACTIVATIONS = {
    getattr(_aten, name)
    for name in (
        *("relu", "relu_", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "elu", "elu_"),
        *("gelu", "silu", "silu_", "hardswish", "hardswish_", "mish", "mish_"),
    )
}


def naswot(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Tell how differently a network's activations switch for different images.

    The logarithm of the determinant of K, where K of two images is the number of activations that
    are on for both or off for both: all activations minus the Hamming distance of the two codes.

    Args:
        model: On the images' device; batch norms take the statistics of the batch.
        images: Normalised floats, (B, C, H, W), at least two.
        labels: Not used.

    Raises:
        ValueError: If there are fewer than two images, or no activation ran.
    """
    _check_images(images)
    kernel = _HammingKernel(len(images))
    with _copied(model, images) as network, torch.no_grad(), kernel:
        network(images)
    if kernel.activations == 0:
        raise ValueError(
            f"`model` must have activations such as ReLU for naswot, but {type(model).__name__} "
            "ran none: take another proxy."
        )
    return float(torch.linalg.slogdet(kernel.K_BB).logabsdet)


def jacov(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Tell how differently a network's output depends on different images.

    Minus the sum of ``log(v + k) + 1 / (v + k)`` over the eigenvalues v of the correlation of the
    images' gradients, which is largest where they are not correlated.

    Args:
        model: As for :func:`naswot`.
        images: As for :func:`naswot`.
        labels: Not used.

    Raises:
        ValueError: If there are fewer than two images.
    """
    _check_images(images)
    with _copied(model, images) as network:
        inputs = images.detach().clone().requires_grad_()
        (jacobian,) = torch.autograd.grad(
            _logits(network(inputs)).sum(), inputs, allow_unused=True, materialize_grads=True
        )
    correlation_BB = _correlation(jacobian.flatten(1).double())
    v_B = torch.linalg.eigvalsh(correlation_BB).clamp(min=0) + _JACOV_K
    return float(-(v_B.log() + 1 / v_B).sum())


def synflow(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Tell how much flows through a network of absolute weights from an image of ones.

    The sum of ``|w| * dR / d|w|``, with R the sum of the output. For a linear network without
    biases that is the number of its layers times the sum over all paths of the products of their
    absolute weights.

    Args:
        model: Any network.
        images: Only their shape counts.
        labels: Not used.
    """
    with _copied(model, images) as network:
        _drop_norms(network)
        network.double().eval()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.abs_()
        ones = torch.ones(1, *images.shape[1:], dtype=torch.float64, device=images.device)
        weights = _weights(network)
        gradients = _gradients(_logits(network(ones)).sum(), weights)
        return _total((w * g).sum() for w, g in zip(weights, gradients, strict=True))


def snip(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Tell how much the loss would change if weights were left out: the sum of ``|w * dL/dw|``.

    Args:
        model: As for :func:`naswot`.
        images: As for :func:`naswot`, but one is enough where batch norm takes it.
        labels: Classes, (B,) for logits (B, K) and (B, ...) for logits (B, K, ...), or
            probabilities of the logits' shape.

    Raises:
        ValueError: If there are fewer than two logits, or the labels do not fit them.
    """
    with _copied(model, images) as network:
        weights = _weights(network)
        gradients = _gradients(_loss(network, images, labels), weights)
        return _total((w * g).abs().sum() for w, g in zip(weights, gradients, strict=True))


def grad_norm(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Tell how large the loss's gradient is: the sum of the layers' Euclidean norms.

    Args:
        model: As for :func:`naswot`.
        images: As for :func:`snip`.
        labels: As for :func:`snip`.

    Raises:
        ValueError: As :func:`snip`.
    """
    with _copied(model, images) as network:
        gradients = _gradients(_loss(network, images, labels), _weights(network))
        return _total(gradient.norm() for gradient in gradients)


def params(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Count the trainable parameters: the proxy that the others must beat."""
    return float(profile(model, tuple(images.shape[1:])).params)


def flops(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Count the floating point operations for one image, two per multiply-add."""
    return float(profile(model, tuple(images.shape[1:])).flops)


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
    """Adds up, over all activations, which pairs of images agree in being on or off.

    Attributes:
        K_BB: Number of agreeing activations, float64.
        activations: Number of all activations of an image.
    """

    def __init__(self, batch: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.K_BB = torch.zeros(batch, batch, dtype=torch.float64)
        self.activations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in _ACTIVATIONS and len(args[0]) == len(self.K_BB):
            on_BA = (args[0].detach() > 0).flatten(1).float()
            off_BA = 1 - on_BA
            self.K_BB += (on_BA @ on_BA.T + off_BA @ off_BA.T).double().cpu()
            self.activations += on_BA.shape[1]
        return func(*args, **(kwargs or {}))


def _check_images(images: torch.Tensor) -> None:
    if len(images) < 2:
        raise ValueError(f"`images` must be at least 2 for this proxy, but got {len(images)}.")


@contextlib.contextmanager
def _copied(model: nn.Module, images: torch.Tensor) -> Iterator[nn.Module]:
    """Give a copy in train mode, whose dropout always draws alike; random states are restored."""
    network = copied(model).train()
    with seeded(0), torch.enable_grad():
        if any(isinstance(p, UninitializedParameter) for p in network.parameters()):
            with torch.no_grad():
                network(images)
        yield network


def _logits(output: Any) -> torch.Tensor:
    """The logits alone where there is an auxiliary head."""
    logits: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return logits


def _loss(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    logits = _logits(model(images))
    if logits.ndim < 2 or logits.shape[1] < 2:
        raise ValueError(
            "`model` must put out logits of at least two classes for this proxy, but "
            f"{type(model).__name__} puts out shape {tuple(logits.shape)}, whose cross entropy is "
            "always 0: take a proxy that needs no labels (naswot, jacov, synflow)."
        )
    if labels.is_floating_point():
        fits = labels.shape == logits.shape
    else:
        classes = (*logits.shape[:1], *logits.shape[2:])
        known = (labels >= 0) & (labels < logits.shape[1]) | (labels == _IGNORED)
        labels, fits = labels.long(), labels.shape == classes and bool(known.all())
    if not fits:
        raise ValueError(
            f"`labels` must be classes from 0 to {logits.shape[1] - 1} for each of the outputs of "
            f"shape {tuple(logits.shape)}, or probabilities of that shape, but got "
            f"{_described(labels)}: take a proxy that needs no labels (naswot, jacov, synflow)."
        )
    return functional.cross_entropy(logits, labels, ignore_index=_IGNORED)


def _described(labels: torch.Tensor) -> str:
    ends = f" from {labels.min().item():g} to {labels.max().item():g}" if labels.numel() else ""
    return f"{labels.dtype} of shape {tuple(labels.shape)}{ends}"


def _weights(model: nn.Module) -> list[torch.Tensor]:
    """The weights of convolutions and linear layers, each tensor once."""
    layers = [m for m in model.modules() if isinstance(m, _ConvNd | nn.Linear)]
    if not layers:
        raise ValueError(
            "`model` must have convolutions or linear layers for this proxy, but "
            f"{type(model).__name__} has none: take another proxy."
        )
    return list({id(layer.weight): layer.weight for layer in layers}.values())


def _gradients(value: torch.Tensor, weights: list[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Gradients, zero for weights that take no part."""
    if not value.requires_grad:
        return tuple(torch.zeros_like(weight) for weight in weights)
    return torch.autograd.grad(value, weights, allow_unused=True, materialize_grads=True)


def _total(parts: Iterator[torch.Tensor]) -> float:
    return float(sum((part.detach().double().cpu() for part in parts), torch.zeros(())))


def _drop_norms(model: nn.Module) -> None:
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm):
                setattr(parent, name, nn.Identity())


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
