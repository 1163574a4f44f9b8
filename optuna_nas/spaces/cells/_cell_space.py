"""Cells of a user's own operations, on the mechanism of NASNet and AmoebaNet.

References:
    - Zoph, Vasudevan, Shlens, Le. Learning Transferable Architectures for Scalable Image
      Recognition. CVPR 2018. arXiv:1707.07012 (blocks and networks).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from optuna_nas.spaces.cells._blocks import ConcatSpace, stack_sizes
from optuna_nas.spaces.cells._cells import SCOPES, SHARED_SCOPE, CellPair, names_cell_decision
from optuna_nas.spaces.cells._own_ops import OwnOps

if TYPE_CHECKING:
    from torch import nn

    from optuna_nas.nn.ops import OpFactory

__all__ = ["CellSpace"]


@dataclass(frozen=True, kw_only=True)
class CellSpace(ConcatSpace):
    """Cells over operations of your own: blocks that add two of them on earlier states.

    Cells, networks, names of decisions and notation are those of :class:`NASNetSpace` (without
    its concatenating blocks): state 0 is the output of the previous cell, state 1 that of the
    cell before, 2 and up are the blocks. ``build(assembly="darts")`` stacks them as DARTS does.

    An operation is made by ``factory(channels, stride)``, a function or a class, and must turn
    ``(B, channels, H, W)`` into ``(B, channels, H/stride, W/stride)``, odd sizes rounded up; this
    is checked in every forward pass. The stride is 2 where a cell halves its inputs. Built-in
    operations are given by name (see :func:`optuna_nas.nn.make_op`), under any name:
    ``{"sep": "sep_conv_3x3", "mine": MyOp}``.

    JSON holds the names only and is read by this space only: ``Architecture.from_json(text,
    space)``. Two spaces are equal when their settings are, names in order and the factories
    themselves included (a function equals itself only). ``digest`` covers the names, the source
    of the factories and the plain values (numbers, strings) that these have been given, not what
    they call. In ``supernet()``, which is that of :class:`ENASMicroSpace`, all operations have
    stride 1.

    Args:
        ops: The operations to choose from, by name.
        num_blocks: Blocks per cell.
        concat: ``"loose_ends"`` (the states that no block reads), ``"all"`` (of all blocks), or
            fixed lists: ``{"normal": (...), "reduce": (...)}``, or ``{"cell": (...)}``.
        reduction_cell: Whether the cell that halves its maps is another one, with decisions
            ``reduce_...`` beside ``normal_...``. If not, one cell is used at stride 1 and at
            stride 2, as in PNAS, with decisions ``cell_...``.
        prefix: See :class:`SearchSpace`.

    Raises:
        TypeError: If an operation is neither a factory of two arguments nor a name.
        ValueError: If a name cannot be used, or a setting is out of range.

    Example::

        from torch import nn
        from optuna_nas.spaces import CellSpace, sample_architectures

        def grouped(channels, stride):
            conv = nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels // 4)
            return nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(channels))

        space = CellSpace(ops={"grouped": grouped, "pool": "max_pool_3x3", "skip": "identity"})
        architecture = sample_architectures(space, 1)[0]
        model = architecture.build(num_classes=10, cells=2, channels=16)
    """

    name: ClassVar[str] = "cells"
    from_settings: ClassVar[bool] = False  # operations are code
    title: ClassVar[str] = "Cells of your own operations"
    proxy: ClassVar[Mapping[str, Any]] = MappingProxyType({"cells": 2, "channels": 16})
    sizes: ClassVar[Mapping[str, Any]] = stack_sizes(cells=6, channels=32)

    ops: Mapping[str, OpFactory | str]
    reduction_cell: bool = True

    def __post_init__(self) -> None:
        if type(self.reduction_cell) is not bool:
            raise TypeError(
                "`reduction_cell` must be True or False, but got "
                f"reduction_cell={self.reduction_cell!r}."
            )
        object.__setattr__(self, "ops", OwnOps(self.ops))
        super().__post_init__()

    def _check_ops(self) -> None:
        """They have been, when they were wrapped."""

    @property
    def _own(self) -> OwnOps:
        assert isinstance(self.ops, OwnOps)
        return self.ops

    @property
    def settings(self) -> dict[str, Any]:
        """The fields in JSON-able form; of the operations only the names."""
        return {**super().settings, "ops": self._own.labels}

    @property
    def scopes(self) -> tuple[str, ...]:
        return SCOPES if self.reduction_cell else SHARED_SCOPE

    def owns(self, name: str) -> bool:
        return names_cell_decision(name, (*SCOPES, *SHARED_SCOPE))

    def canonical(self, genotype: CellPair) -> Any:
        return [self._own.source_hash, super().canonical(genotype)]

    def build_network(self, genotype: CellPair, **arguments: Any) -> nn.Module:
        normal = self._own.translated(genotype.normal)
        reduce = self._own.translated(genotype.reduce) if genotype.reduce else None
        return super().build_network(
            CellPair(normal, reduce), own_ops=self._own.factories, **arguments
        )

    def _candidate(self, op: str, channels: int) -> nn.Module:
        from optuna_nas.nn.ops import make_own_op

        factory = self.ops[op]
        if isinstance(factory, str):
            return super()._candidate(factory, channels)
        return make_own_op(op, factory, channels, stride=1, in_channels=channels)
