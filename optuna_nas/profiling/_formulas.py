"""Multiply-adds of the kernels in which torch fuses several products, for its counter.

Torch counts single products and convolutions. A recurrent layer or an attention that runs as one
kernel is counted here as the products that it stands for, so that a network has the same number
on every device. As in torch's counter, attention with a mask counts as without.

Letters: ``T`` tokens, ``L`` queries, ``S`` keys, ``N`` inputs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

__all__ = ["FORMULAS"]

Shape = Sequence[int]


def _attention(query: Shape, key: Shape, value: Shape, *_: Any, **__: Any) -> int:
    """Scores, then their products with the values, for each of the query's heads."""
    return 2 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])


def _recurrent(inputs: Shape, weights: Iterable[Shape]) -> int:
    """Each matrix acts once on each token; biases have one dimension."""
    matrices = sum(math.prod(weight) for weight in weights if len(weight) == 2)
    return 2 * math.prod(inputs[:-1]) * matrices


def _one_recurrent_layer(inputs: Shape, *args: Any, **_: Any) -> int:
    return _recurrent(inputs, args[:2])


def _recurrent_layers(inputs: Shape, weights: Sequence[Shape], *_: Any, **__: Any) -> int:
    return _recurrent(inputs, weights)


def _layers_after_states(inputs: Shape, _: Any, weights: Any, *__: Any, **___: Any) -> int:
    return _recurrent(inputs, weights)


def _trilinear(a: Shape, b: Shape, c: Shape, *expand: Any, **_: Any) -> int:
    """Count each weight of ``nn.Bilinear`` once per pair of inputs."""
    operands: list[list[int]] = []
    for shape, dimensions in zip((a, b, c), expand[:3], strict=True):
        expanded = list(shape)
        for dimension in sorted(dimensions):
            expanded.insert(dimension, 1)
        operands.append(expanded)
    sizes: list[int] = [max(sizes) for sizes in zip(*operands, strict=True)]  # the others are 1
    return 2 * math.prod(sizes)


def _product(a: Shape, b: Shape, *_: Any, **__: Any) -> int:
    """Matrices, batches of matrices and vectors: the last dimension of ``a`` is summed over."""
    return 2 * math.prod(a) * (b[-1] if len(b) > 1 else 1)


def _sum_and_product(_: Any, a: Shape, b: Shape, *__: Any, **___: Any) -> int:
    return _product(a, b)


_BY_NAME: dict[str, Callable[..., int]] = {
    "_scaled_dot_product_cudnn_attention": _attention,
    "_scaled_dot_product_efficient_attention": _attention,
    "_scaled_dot_product_flash_attention": _attention,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_fused_attention_overrideable": _attention,
    "_scaled_dot_product_attention_math_for_mps": _attention,
    "mkldnn_rnn_layer": _one_recurrent_layer,
    "_cudnn_rnn": _recurrent_layers,
    "miopen_rnn": _recurrent_layers,
    "_lstm_mps": _layers_after_states,
    "_trilinear": _trilinear,
    "_int_mm": _product,
    "mv": _product,
    "dot": _product,
    "vdot": _product,
    "addmv": _sum_and_product,
    "addbmm": _sum_and_product,
    "_addmm_activation": _sum_and_product,
}

FORMULAS = {  # a kernel that this version of torch lacks cannot run either
    getattr(torch.ops.aten, name): formula
    for name, formula in _BY_NAME.items()
    if hasattr(torch.ops.aten, name)
}
