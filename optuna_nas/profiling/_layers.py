"""A network layer by layer: what each holds, computes and puts out.

Every parameter and every multiply-add is told of one layer only, so that the rows add up to
:func:`profile`, also where modules are shared or a network computes outside of its layers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from torch import nn

from optuna_nas._ground.checks import require_int
from optuna_nas._ground.inputs import examples_of
from optuna_nas.profiling._count import Count, Shape
from optuna_nas.profiling._profile import Profile

__all__ = ["LayerProfile", "LayerTable", "layer_table"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerProfile:
    """One layer, or a part of the network with all its layers.

    Attributes:
        name: Its path in the network; empty for the network itself.
        kind: Name of its class.
        params: Trainable numbers that no earlier row has.
        macs: Multiply-adds for one example.
        output: Shape of what it puts out, without the batch; None if it does not run.
    """

    name: str
    kind: str
    params: int
    macs: int
    output: Shape | None


@dataclasses.dataclass(frozen=True)
class LayerTable:
    """A network's layers in the order in which they run. Printing it gives a table.

    Attributes:
        rows: Layers that hold or compute something or change the shape.
        total: The whole network; the rows add up to it.
    """

    rows: tuple[LayerProfile, ...]
    total: Profile

    def __str__(self) -> str:
        cells = [("layer", "kind", "output", "parameters", "multiply-adds")]
        cells += [
            (
                row.name or "(itself)",
                row.kind,
                _shown(row.output),
                f"{row.params:,}",
                f"{row.macs:,}",
            )
            for row in self.rows
        ]
        inputs = self.total.inputs
        given = f"{'input' if inputs.single else 'inputs'} {inputs.words}"
        cells.append(("total", "", given, f"{self.total.params:,}", f"{self.total.macs:,}"))
        widths = [max(len(line[column]) for line in cells) for column in range(5)]
        lines = [
            "  ".join(
                text.rjust(width) if column > 2 else text.ljust(width)
                for column, (text, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in cells
        ]
        rule = "-" * max(map(len, lines))
        return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def layer_table(
    model: nn.Module,
    input_size: tuple[int, ...] | None = None,
    *,
    inputs: Any = None,
    depth: int | None = None,
) -> LayerTable:
    """Count a network layer by layer, for one example in eval mode.

    As :func:`profile` it may be on the meta device, and it is left as it was.

    Example:
        >>> from torch import nn
        >>> from optuna_nas.profiling import layer_table
        >>> layers = (nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
        >>> print(layer_table(nn.Sequential(*layers), (3, 8, 8)))
        layer  kind     output           parameters  multiply-adds
        ----------------------------------------------------------
        0      Conv2d   8 x 6 x 6               224          7,776
        2      Flatten  288                       0              0
        3      Linear   10                    2,890          2,880
        ----------------------------------------------------------
        total           input 3 x 8 x 8       3,114         10,656

    Args:
        model: A network that takes a batch (B, *input_size), or ``inputs``.
        input_size: As for :func:`profile`. Default: (3, 224, 224).
        inputs: As for :func:`profile`.
        depth: Levels of modules to go down, at least 1; None: to the single layers.

    Raises:
        ValueError: If the model cannot take such inputs, both are given, or ``depth`` is below 1.
    """
    if depth is not None:
        require_int("depth", depth)
    examples = examples_of(input_size, inputs, default=(3, 224, 224))
    counted = Count(model, examples)
    rows = sorted(_rows(counted, model, "", depth), key=lambda pair: pair[0])
    kept = tuple(row for _, row in rows if row is not None)
    total = Profile(
        params=sum(row.params for row in kept),
        macs=sum(row.macs for row in kept),
        inputs=examples.spec,
    )
    return LayerTable(kept, total)


def _rows(
    count: Count,
    module: nn.Module,
    name: str,
    depth: int | None,
    seen: set[nn.Module] | None = None,
) -> Iterator[tuple[int, LayerProfile | None]]:
    """Yield (when it first ran, row) of a module's layers, each module once."""
    seen = set() if seen is None else seen
    if module in seen:
        return
    children = list(module.named_children())
    if isinstance(module, nn.ModuleList | nn.ModuleDict) and depth is not None:
        depth += 1  # a list does not run; it is no level of its own
    if not children or depth == 0:
        parts = [part for part in module.modules() if part not in seen]
        seen.update(parts)
        yield _row(count, module, name, parts, always=bool(children))
        return
    seen.add(module)
    yield _row(count, module, name, [module], always=False)
    for child_name, child in children:
        path = f"{name}.{child_name}" if name else child_name
        yield from _rows(count, child, path, None if depth is None else depth - 1, seen)


def _row(
    count: Count, module: nn.Module, name: str, parts: list[nn.Module], *, always: bool
) -> tuple[int, LayerProfile | None]:
    before, after = count.shapes.get(module, (None, None))
    params, macs = (sum(of[part] for part in parts) for of in (count.params, count.macs))
    first = count.order.get(module, len(count.order))
    changes = before != after and not list(module.children())
    if not (params or macs or changes or always):
        return first, None
    kind = type(module).__name__
    return first, LayerProfile(name=name, kind=kind, params=params, macs=macs, output=after)


def _shown(shape: Shape | None) -> str:
    return "not run" if shape is None else " x ".join(map(str, shape))
