"""Torch's own modules as they are written: ``nn.Conv2d(16, 32, 3, padding=1)``."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

__all__ = ["CONTAINERS", "Argument", "arguments_of", "is_leaf", "is_plain_sequence", "leaf_base"]

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_PLACE = ("device", "dtype")


@dataclasses.dataclass(frozen=True)
class Argument:
    """One argument of a constructor.

    Attributes:
        name: As of the parameter.
        value: As the module has it.
        default: ``inspect.Parameter.empty`` if it must be given.
    """

    name: str
    value: Any
    default: Any

    @property
    def is_required(self) -> bool:
        """Whether it has no default."""
        return self.default is inspect.Parameter.empty


def is_torchs(cls: type) -> bool:
    """Whether a class is one of ``torch.nn``."""
    return getattr(nn, cls.__name__, None) is cls


def is_leaf(module: nn.Module) -> bool:
    """Whether a module is torch's own and can be written by its constructor."""
    cls = type(module)
    if not is_torchs(cls) or isinstance(module, CONTAINERS):
        return False
    arguments = arguments_of(module, cls)
    return arguments is not None and _makes_children(module, cls, arguments)


def is_plain_sequence(module: nn.Module) -> bool:
    """Whether a module runs its children one after the other, and does nothing else."""
    return isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward


def leaf_base(cls: type[nn.Module]) -> type[nn.Module]:
    """The class of torch that one of somebody else is made from; ``nn.Module`` at least."""
    for base in cls.__mro__:
        if is_torchs(base):
            return base
    return nn.Module


def arguments_of(module: nn.Module, cls: type[nn.Module]) -> list[Argument] | None:
    """The arguments with which ``cls`` makes such a module, read from its attributes.

    Returns:
        None if an attribute is missing, so that they cannot be known.
    """
    parameters = _parameters(cls)
    try:
        known = _KEPT_ELSEWHERE[cls](module) if cls in _KEPT_ELSEWHERE else {}
    except (AttributeError, LookupError, TypeError):  # somebody has changed its parts
        return None
    if parameters is None:
        return None
    found = []
    for parameter in parameters:
        unset = parameter.default if _may_be_missing(parameter) else inspect.Parameter.empty
        value = known.get(parameter.name, getattr(module, parameter.name, unset))
        if value is inspect.Parameter.empty:
            return None
        if isinstance(parameter.default, bool) and not isinstance(value, bool):
            value = value is not None  # a bias
        default = parameter.default
        default = _ACTIVATIONS.get(default, default) if callable(default) else default
        found.append(Argument(parameter.name, _plain(value, cls), default))
    return found


def _parameters(cls: type[nn.Module]) -> Sequence[inspect.Parameter] | None:
    """Arguments of the constructor; None if it takes any, and nothing tells which."""
    signature = inspect.signature(cls.__init__)
    overloads = typing.get_overloads(cls.__init__)
    if overloads:  # of recurrent layers, whose own signature is (*args, **kwargs)
        signature = inspect.signature(overloads[0])
    elif issubclass(cls, nn.RNNBase):
        return None
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    own = [*signature.parameters.values()][1:]
    return [p for p in own if p.kind not in variadic and p.name not in _PLACE]


def _may_be_missing(parameter: inspect.Parameter) -> bool:
    """Whether it need not be an attribute: it is deprecated, or says how weights begin."""
    return parameter.default is None or parameter.name.startswith("_")


def _of_attention(module: Any) -> dict[str, Any]:
    size = module.embed_dim
    sizes = {name: getattr(module, name) for name in ("kdim", "vdim")}
    return {
        "bias": module.in_proj_bias is not None,
        "add_bias_kv": module.bias_k is not None,
        **{name: None if value == size else value for name, value in sizes.items()},
    }


def _of_transformer_layer(module: Any) -> dict[str, Any]:
    attention = module.self_attn
    return {
        "d_model": attention.embed_dim,
        "nhead": attention.num_heads,
        "dim_feedforward": module.linear1.out_features,
        "dropout": module.dropout.p,
        "activation": _ACTIVATIONS[module.activation],
        "layer_norm_eps": module.norm1.eps,
        "batch_first": attention.batch_first,
        "bias": module.linear1.bias is not None,
    }


_ACTIVATIONS: Mapping[Any, str] = {F.relu: "relu", F.gelu: "gelu"}
_KEPT_ELSEWHERE: Mapping[type, Callable[[Any], dict[str, Any]]] = {
    nn.MultiheadAttention: _of_attention,
    nn.TransformerDecoderLayer: _of_transformer_layer,
    nn.TransformerEncoderLayer: _of_transformer_layer,
}


def _makes_children(
    module: nn.Module, cls: type[nn.Module], arguments: Sequence[Argument]
) -> bool:
    """Whether the constructor makes the parts that the module has, which may have been changed."""
    if not any(True for _ in module.children()):
        return True
    made = cls(**{argument.name: argument.value for argument in arguments}, device="meta")
    return bool(_looks(made) == _looks(module))


def _looks(module: nn.Module) -> Any:
    weights = [(name, tensor.shape) for name, tensor in module.state_dict().items()]
    parts = [
        (name, type(part), arguments_of(part, leaf_base(type(part))))
        for name, part in module.named_modules()
    ]
    return weights, parts


def _plain(value: Any, cls: type) -> Any:
    """(3, 3) of something 2d as 3."""
    dimensions = cls.__name__[-2:]
    if isinstance(value, torch.Size):
        value = tuple(value)
    square = isinstance(value, tuple) and len(set(value)) == 1
    return value[0] if square and f"{len(value)}d" == dimensions else value
