"""Operations of which all, weighted, or one takes part; several that read one map share work.

Legend: ``B`` batch, ``C`` channels, ``H``/``W`` height and width, ``O`` candidates, ``E`` mixed
operations that read one map, ``K`` results that they have in common, ``d`` dilation.

References:
    - Liu, Simonyan, Yang. DARTS: Differentiable Architecture Search. ICLR 2019. arXiv:1806.09055.

Differences from the paper:
    1. What gives zeros is never computed; its weight is lost all the same.
    2. Where sums are formed differs, and so does the rounding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.nn import functional

from optuna_nas.nn.ops import (
    Geometry,
    PhasedConv2d,
    are_separable,
    from_phases,
    separable,
    to_phases,
)
from optuna_nas.nn.supernets._kept import can_be_made_again, casts, made_again, small_indices

__all__ = ["MixedOp", "Selection", "Sum", "Weights", "mix", "mix_into"]

# Of the candidates in one place: mixing weights of shape (O,), or the number of the only one.
Weights: TypeAlias = torch.Tensor | int
Selection: TypeAlias = Mapping[str, Weights]  # by decision


class MixedOp(nn.Module):
    """Candidates for one operation: ``(B, C, H, W) -> (B, D, H', W')``.

    Args:
        candidates: In the order of the weights. None stands for zeros, which are not computed.

    Attributes:
        recomputes: Whether what lies between a depthwise and a pointwise convolution is computed
            again in the backward pass rather than kept, as long as all candidates take part.

    Example::

        op = MixedOp([None, nn.Identity(), nn.Conv2d(16, 16, 3, padding=1)])
        mixed = op(x, alpha.softmax(-1))  # alpha: (3,)
        alone = op(x, 2)  # touches the convolution only
    """

    def __init__(self, candidates: Sequence[nn.Module | None]) -> None:
        super().__init__()
        kept = [i for i, candidate in enumerate(candidates) if candidate is not None]
        self.recomputes = False
        self.places = {index: place for place, index in enumerate(kept)}
        self.ops = nn.ModuleList(candidate for candidate in candidates if candidate is not None)

    def forward(self, x: torch.Tensor, weights: Weights) -> torch.Tensor | None:
        """Return the sum, or None where it is zero whatever ``x`` is."""
        return mix([self], x, [weights])[0]


def mix(
    edges: Sequence[MixedOp], x: torch.Tensor, weights: Sequence[Weights]
) -> list[torch.Tensor | None]:
    """Call several mixed operations on one map; see :func:`mix_into`.

    Returns:
        What each returns.
    """
    sums = [Sum() for _ in edges]
    mix_into(sums, edges, x, weights)
    return [total.result() for total in sums]


def mix_into(
    sums: Sequence[Sum], edges: Sequence[MixedOp], x: torch.Tensor, weights: Sequence[Weights]
) -> None:
    """Call several mixed operations on one map, and add what each returns to its sum.

    What they have in common is computed once:

    - A candidate that is the same module in several of them is called once.
    - So is the ReLU with which candidates begin, and the map's order by phases (see
      :class:`PhasedConv2d`), in which dilated candidates are added up.
    - A batch norm with which one ends takes over its weight: that saves a multiplication, and
      the map that the weight's gradient would need.

    Args:
        sums: A sum for each mixed operation.
        edges: The mixed operations.
        x: ``(B, C, H, W)``.
        weights: Mixing weights of each, as :meth:`MixedOp.forward` takes them.
    """
    # A chosen candidate is called alone and as it is: one path touches only its own weights.
    open_edges = []
    for total, edge, chosen in zip(sums, edges, weights, strict=True):
        if isinstance(chosen, torch.Tensor):
            open_edges.append(_OpenEdge(total, edge, chosen, x.shape[1]))
        elif chosen in edge.places:
            total.add(edge.ops[edge.places[chosen]](x), spare=False)
    # DARTS has one pooling on all edges that leave a state: weight-free candidates are the same
    # module in all of them. Only what all read pays, so that one table of weights is enough.
    uses = Counter(op for one in open_edges for op in one.candidates)
    common = [op for op, count in uses.items() if 1 < count == len(open_edges)]
    if common:
        table = torch.stack([one.weights_of(common) for one in open_edges])  # (E, K)
        with small_indices(x):
            maps = [op(x) for op in common]
        terms = _WeightedSums.apply(table, *maps)
        for one, term in zip(open_edges, terms, strict=True):
            one.total.add(term)
    source = _Source(x)
    for one in open_edges:
        for op in one.candidates:
            if op not in common:
                source.add(one, op)


class Sum:
    """A sum under way: of maps as they are, and of maps in the order of phases."""

    def __init__(self) -> None:
        # By dilation, 1 for maps as they are: maps in the same order of phases are added there,
        # and the sum is put back in order once, instead of every map.
        self._totals: dict[int, torch.Tensor] = {}
        self._spare: dict[int, bool] = {}

    def add(self, term: torch.Tensor, phases: int = 1, *, spare: bool = True) -> None:
        """Add a map.

        Args:
            term: A map, of equal shape each time.
            phases: Dilation by whose phases it is ordered.
            spare: Whether nobody else has it, so that it may be changed in place.
        """
        total = self._totals.get(phases)
        if total is None:
            self._totals[phases], self._spare[phases] = term, spare
        elif self._spare[phases] and total.dtype == term.dtype:
            total.add_(term)  # saves a map for each term; no gradient of a sum needs its terms
        else:  # a map that others read, or one that autocast made in another type
            self._totals[phases], self._spare[phases] = total + term, True

    def result(self) -> torch.Tensor | None:
        """Return the sum, or None if nothing was added; after it nothing may be."""
        for d in [d for d in self._totals if d > 1]:
            self.add(from_phases(self._totals.pop(d), d))
        return self._totals.get(1)


class _OpenEdge:
    """A mixed operation of which all candidates take part.

    Args:
        total: Sum to which it adds.
        edge: The operation.
        weights: ``(O,)``.
        channels: ``C``.
    """

    def __init__(self, total: Sum, edge: MixedOp, weights: torch.Tensor, channels: int) -> None:
        self.total = total
        # Contiguous: on CPUs an expanded weight of a batch norm gives a wrong gradient in
        # channels_last.
        wide = weights[:, None].expand(-1, channels).contiguous().unbind()
        rows = weights.unbind()
        self.recomputes = edge.recomputes
        self.candidates = {
            edge.ops[place]: (rows[index], wide[index]) for index, place in edge.places.items()
        }

    def weights_of(self, ops: Sequence[nn.Module]) -> torch.Tensor:
        return torch.stack([self.candidates[op][0] for op in ops])

    def scale(self, op: nn.Module, channels: int) -> torch.Tensor:
        """The weight of a candidate, for each channel."""
        weight, wide = self.candidates[op]
        return wide if len(wide) == channels else weight.expand(channels).contiguous()


class _Source:
    """A map, and what candidates that read it have computed."""

    def __init__(self, x: torch.Tensor) -> None:
        self._x = x
        self._relu: torch.Tensor | None = None
        self._phases: dict[tuple[bool, int], torch.Tensor] = {}

    def add(self, edge: _OpenEdge, op: nn.Module) -> None:
        """Add a candidate's weighted result to the sum of its edge."""
        # The candidate is taken apart. Its first ReLU and the order by phases are shared with the
        # others that read this map, and its last batch norm does the weighting.
        layers = _layers(op)
        recomputes = edge.recomputes and not casts(self._x)
        # Exact types: a subclass may do something else, so it is called as it is.
        active = type(layers[0]) is nn.ReLU
        if active:
            del layers[0]
        norm = layers.pop() if layers and _can_weigh(layers[-1]) else None
        out, phases = self._after_relu() if active else self._x, 1
        if layers and _can_stay_in_phases(layers, out):
            # Pointwise layers, batch norm and the sum do not see where a pixel lies, so the map
            # stays in phases from here to the sum.
            first = layers.pop(0)
            assert isinstance(first, PhasedConv2d)
            phases = first.dilation[0]
            out = self._in_phases(active, phases)
            if recomputes and layers and are_separable(first, layers[0], PhasedConv2d):
                out = separable(out, first.weight, layers.pop(0).weight, first.phase_geometry)
            else:
                out = first.plain(out)
        out = _run(layers, out, recomputes=recomputes)
        if norm is None:
            out = edge.candidates[op][0] * out
        else:
            out = _weighted_norm(norm, out, edge.scale(op, out.shape[1]))
        edge.total.add(out, phases)

    def _after_relu(self) -> torch.Tensor:
        if self._relu is None:
            self._relu = self._x.relu()
        return self._relu

    def _in_phases(self, active: bool, d: int) -> torch.Tensor:
        if (active, d) not in self._phases:
            x = self._after_relu() if active else self._x
            self._phases[active, d] = to_phases(x, d)
        return self._phases[active, d]


def _run(layers: list[Any], x: torch.Tensor, *, recomputes: bool) -> torch.Tensor:
    """Call layers one after the other."""
    while layers:
        layer, *rest = layers
        if type(layer) is not nn.BatchNorm2d or not rest or type(rest[0]) is not nn.ReLU:
            x, layers = _step(layers, x, recomputes=recomputes)
        elif rest[1:] and can_be_made_again(layer, rest[1], x):
            with made_again(layer, x) as active:
                x, layers = _step(rest[1:], active, recomputes=recomputes)
        else:  # no one else has what a batch norm returns, and its gradient does not need it
            x, layers = layer(x).relu_(), rest[1:]
    return x


def _step(
    layers: list[Any], x: torch.Tensor, *, recomputes: bool
) -> tuple[torch.Tensor, list[Any]]:
    """Call the first layer, or the first two that make a separable convolution."""
    first, *rest = layers
    if recomputes and rest and are_separable(first, rest[0]):
        geometry = Geometry(first.stride, first.padding, first.dilation)
        return separable(x, first.weight, rest[0].weight, geometry), rest[1:]
    return first(x), rest


def _layers(op: nn.Module) -> list[Any]:
    """The layers of nested sequences, one after the other."""
    if not isinstance(op, nn.Sequential):
        return [op]
    return [layer for part in op for layer in _layers(part)]


def _can_stay_in_phases(layers: Sequence[nn.Module], x: torch.Tensor) -> bool:
    """Whether what follows a dilated convolution does not care where a pixel lies."""
    first, *rest = layers
    if not isinstance(first, PhasedConv2d) or first.stride[0] > 1 or not first.has_phases(x):
        return False
    d = first.dilation[0]
    pointwise = all(
        type(layer) is nn.Conv2d and layer.kernel_size == layer.stride == (1, 1) for layer in rest
    )
    return pointwise and x.shape[2] % d == 0 and x.shape[3] % d == 0


def _can_weigh(layer: nn.Module) -> bool:
    """Whether a layer is a batch norm that can take over a weight."""
    return type(layer) is nn.BatchNorm2d and layer.momentum is not None


def _weighted_norm(norm: nn.Module, x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Return ``scale * norm(x)``, where the scale ``(C,)`` is the same for all channels."""
    assert isinstance(norm, nn.BatchNorm2d)
    # What nn.BatchNorm2d.forward does around the function, which is called without it here.
    if norm.training and norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)
    return functional.batch_norm(
        x,
        norm.running_mean,
        norm.running_var,
        # scale * (n * weight + bias) = n * (scale * weight) + scale * bias
        scale if norm.weight is None else scale * norm.weight,
        None if norm.bias is None else scale * norm.bias,
        norm.training or norm.running_mean is None,
        norm.momentum or 0.0,
        norm.eps,
    )


class _WeightedSums(torch.autograd.Function):
    """``E`` sums of the same ``K`` maps, without a map for every product.

    ``weights (E, K), maps K x (B, C, H, W) -> E x (B, C, H, W)``.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(weights: torch.Tensor, *maps: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(_summed(row, maps) for row in weights)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        weights, *maps = ctx.saved_tensors
        for_weights, *for_maps = ctx.needs_input_grad
        slopes = None  # (E, K): d loss / d weights[e, k] = <gradient of sum e, map k>
        if for_weights:
            slopes = torch.stack([torch.stack([_inner(g, m) for m in maps]) for g in gradients])
        columns = zip(for_maps, weights.T, strict=True)
        return slopes, *(_summed(c, gradients) if needed else None for needed, c in columns)


def _summed(weights: torch.Tensor, maps: Sequence[torch.Tensor]) -> torch.Tensor:
    """The sum of maps, by weights of shape ``(K,)``."""
    total = maps[0] * weights[0]  # a new map, so the others may be added in place
    for one, weight in zip(maps[1:], weights[1:], strict=True):
        total = (
            torch.addcmul(total, one, weight)
            if total.requires_grad
            else total.addcmul_(one, weight)
        )
    return total


def _inner(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The inner product of two maps."""
    # Flattening a map in channels_last would copy it; as (B, H, W, C) it is already flat.
    last = a.is_contiguous(memory_format=torch.channels_last)
    if last and b.is_contiguous(memory_format=torch.channels_last):
        a, b = a.permute(0, 2, 3, 1), b.permute(0, 2, 3, 1)
    return torch.dot(a.flatten(), b.flatten())
