"""Counts the multiply-adds of a forward pass, and which module does them.

:func:`profile` and :func:`layer_table` both count with it.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from optuna_nas._ground.forward import evaluating, materialise, run_forward
from optuna_nas._ground.inputs import Examples
from optuna_nas.profiling._formulas import FORMULAS

__all__ = ["Count", "Shape"]

Shape = tuple[int, ...]

# Read weights of several dimensions without multiplying and adding up; so do sums of a weight by
# itself, elementwise operations and views, which torch's tags tell.
_LOOK_UPS = (
    *("embedding", "_embedding_bag", "_embedding_bag_forward_only"),
    *("index", "index_select", "gather", "cat", "stack", "clone", "copy_", "_to_copy", "repeat"),
    *("native_layer_norm", "native_group_norm", "_fused_rms_norm", "_weight_norm_interface"),
)


class Count:
    """A network's multiply-adds for one example in eval mode: in all, and module by module.

    Warns of modules with weight matrices that count 0 since torch ran them as a kernel that
    nobody has a formula for.

    Args:
        model: It is left as it was (lazy modules are initialised).
        examples: Inputs that it takes, of which one example is run.

    Attributes:
        total: Multiply-adds of the network.
        params: Trainable numbers of each module itself that no earlier one has.
        macs: Multiply-adds of each module itself, without the modules that it calls.
        shapes: Shapes of the inputs and outputs of each module, without the batch.
        order: When each module first ran.

    Raises:
        ValueError: If the model cannot take such inputs.
    """

    def __init__(self, model: nn.Module, examples: Examples) -> None:
        materialise(model, examples)  # what a lazy module makes of itself has no hooks
        self.macs: dict[nn.Module, int] = defaultdict(int)
        self.shapes: dict[nn.Module, tuple[Shape | None, Shape | None]] = {}
        self.order: dict[nn.Module, int] = {}
        self._all: dict[nn.Module, int] = {}  # operations, those of callees too
        self._running: list[list[int]] = []  # operations before the call, and those of callees
        self._counter = FlopCounterMode(display=False, custom_mapping=FORMULAS)
        unknown = _Unknown(self._counter)
        hooks = self._watch(model)
        try:
            # Modes see an operation in the order of last in, first out: what the counter has
            # taken apart as far as it goes is what the one below it gets to see.
            with evaluating(model), _Unfused(), unknown, self._counter:
                run_forward(model, examples.batch(model))
        finally:
            for hook in hooks:
                hook.remove()
        self.total = self._counter.get_total_flops() // 2
        # Scripted modules take no hooks: what they do is told of the network itself.
        self.macs[model] += self.total - sum(self.macs.values())
        self.params = dict(_own_params(model))
        self._warn_of(model, unknown)

    def _watch(self, model: nn.Module) -> list[Any]:
        hooks: list[Any] = []
        for module in model.modules():
            if not isinstance(module, torch.jit.ScriptModule):
                hooks.append(module.register_forward_pre_hook(self._enter))
                hooks.append(module.register_forward_hook(self._leave, with_kwargs=True))
        return hooks

    def _enter(self, module: nn.Module, args: Any) -> None:
        self.order.setdefault(module, len(self.order))
        self._running.append([self._counter.get_total_flops(), 0])

    def _leave(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        before, of_callees = self._running.pop()
        done = self._counter.get_total_flops() - before
        self._all[module] = self._all.get(module, 0) + done
        self.macs[module] += (done - of_callees) // 2
        if self._running:
            self._running[-1][1] += done
        self.shapes[module] = (_shape((args, kwargs)), _shape(output))

    def _warn_of(self, model: nn.Module, unknown: _Unknown) -> None:
        silent = {
            f"{type(module).__name__} at {name!r} ({kernel})"
            if name
            else f"{type(module).__name__} ({kernel})"
            for name, module in model.named_modules()
            if self._all.get(module) == 0
            for kernel in [unknown.reader_of(module)]
            if kernel is not None
        }
        if silent:
            warnings.warn(
                f"Layers with weights count 0 multiply-adds: {', '.join(sorted(silent))}. Torch "
                "has no formula for the kernels in brackets: give it one with "
                "torch.utils.flop_counter.register_flop_formula, or the figures leave them out.",
                stacklevel=4,  # whoever calls `profile`
            )


class _Unfused(TorchFunctionMode):
    """Has torch's attention and transformer layers compute step by step.

    Their fused kernels for inference (the "fast path") are not taken while a function mode is
    on. Unlike ``torch.backends.mha.set_fastpath_enabled`` that holds for this thread alone.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


class _Unknown(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes what the kernels read that a counter has no formula for."""

    supports_higher_order_operators = True

    def __init__(self, counter: FlopCounterMode) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known = {*counter.flop_registry, *_free_of_products()}
        self._is_unknown: dict[Any, bool] = {}  # looking at an operation's tags takes its time
        self._readers: dict[int, str] = {}  # by the memory that they read

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        unknown = self._is_unknown.get(func)
        if unknown is None:
            unknown = self._is_unknown[func] = self._look_up(func)
        if unknown:
            for leaf in tree_leaves((args, kwargs)):
                if isinstance(leaf, torch.Tensor) and (memory := _memory(leaf)) is not None:
                    self._readers[memory] = str(func.overloadpacket)
        return func(*args, **(kwargs or {}))

    def _look_up(self, func: Any) -> bool:
        if not isinstance(func, torch._ops.OpOverload) or func.overloadpacket in self._known:
            return False
        return not (func.is_view or _FREE_TAGS & {*func.tags})

    def reader_of(self, module: nn.Module) -> str | None:
        """Name a kernel that reads one of the module's own weight matrices."""
        found = (
            self._readers.get(memory)
            for weight in module.parameters(recurse=False)
            if sum(size > 1 for size in weight.shape) > 1
            and (memory := _memory(weight)) is not None
        )
        return next((kernel for kernel in found if kernel is not None), None)


_FREE_TAGS = {torch.Tag.pointwise, *filter(None, [getattr(torch.Tag, "reduction", None)])}


def _free_of_products() -> Iterator[Any]:
    return (getattr(torch.ops.aten, n) for n in _LOOK_UPS if hasattr(torch.ops.aten, n))


def _memory(tensor: torch.Tensor) -> int | None:
    """Tell which memory a tensor is in, of whatever view; None where torch does not say."""
    try:
        memory: int = tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):  # sparse and other formats
        return None
    return memory


def _own_params(model: nn.Module) -> Iterator[tuple[nn.Module, int]]:
    seen: set[nn.Parameter] = set()
    for module in model.modules():
        own = {p for p in module.parameters(recurse=False) if p.requires_grad} - seen
        seen |= own
        yield module, sum(p.numel() for p in own)


def _shape(values: Any) -> Shape | None:
    """Shape of the first tensor, without the batch."""
    for leaf in tree_leaves(values):
        if isinstance(leaf, torch.Tensor):
            return tuple(leaf.shape[1:])
    return None
