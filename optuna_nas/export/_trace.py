"""Watches a network compute: which module calls which, and with what.

A forward pass runs on real inputs, so that a network may look at sizes and decide by them, which
``torch.fx`` cannot trace. What is not a tensor (sizes, numbers, flags) is taken as it was.

Legend: ``B`` batch.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode, resolve_name
from torch.utils._pytree import keystr, tree_flatten_with_path, tree_map

from optuna_nas._ground.inputs import Inputs, call
from optuna_nas.export._leaves import is_leaf, is_plain_sequence, leaf_base
from optuna_nas.export._names import identifier
from optuna_nas.export._text import UnwritableError

__all__ = ["Frame", "Op", "Ref", "Trace", "Weight", "trace", "weights_read"]


@dataclasses.dataclass(frozen=True)
class Ref:
    """A tensor of a frame, by number: an input, or what an operation put out."""

    number: int


@dataclasses.dataclass(frozen=True)
class Weight:
    """A parameter or buffer, by its path below the frame's module."""

    path: str


@dataclasses.dataclass(frozen=True)
class Op:
    """One step of a frame.

    Attributes:
        module: Path of the module that is called, below the frame's; None for a function.
        function: Torch's name of the function, or ``super`` for the parent class's forward.
        args: Tensors are ``Ref`` and ``Weight``, the rest is as it was.
        kwargs: The same by name.
        outputs: How each tensor is reached in what is returned ("" or "[0]"), and its number.
        shape: Shape of a single output.
    """

    module: str | None
    function: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[tuple[str, int], ...]
    shape: tuple[int, ...] | None


@dataclasses.dataclass
class Frame:
    """One run of one module's forward.

    Attributes:
        module: Module that ran.
        path: Its path in the network.
        records: Whether its steps are noted; those of torch's own modules are not.
        inputs: Name and number of every tensor that came in.
        ops: Steps in order.
        result: Numbers of the tensors that are returned.
        in_place: Whether a step changed a tensor that was there before.
    """

    module: nn.Module
    path: str
    records: bool
    inputs: list[tuple[str, int]] = dataclasses.field(default_factory=list)
    ops: list[Op] = dataclasses.field(default_factory=list)
    result: tuple[int, ...] = ()
    in_place: bool = False
    _numbers: dict[int, int] = dataclasses.field(default_factory=dict)
    _alive: list[torch.Tensor] = dataclasses.field(default_factory=list)  # so that ids stay unique

    def number(self, tensor: torch.Tensor) -> int | None:
        """The number of a tensor that is known here."""
        return self._numbers.get(id(tensor))

    def add(self, tensor: torch.Tensor) -> int:
        """Give a tensor a number, if it has none."""
        if id(tensor) not in self._numbers:
            self._alive.append(tensor)
            self._numbers[id(tensor)] = len(self._alive) - 1
        return self._numbers[id(tensor)]

    def used(self) -> set[int]:
        """Numbers of the tensors that a step or the result needs."""
        refs: set[int] = {*self.result}
        for op in self.ops:
            tree_map(
                lambda leaf: refs.add(leaf.number) if isinstance(leaf, Ref) else None,
                (op.args, op.kwargs),
            )
        return refs


@dataclasses.dataclass(frozen=True)
class Trace:
    """All that was seen.

    Attributes:
        frames: The runs of each module whose steps were noted.
        called: Modules that ran, torch's own among them.
        idle: Modules that gave back what they got.
        root: The network.
    """

    frames: dict[nn.Module, list[Frame]]
    called: set[nn.Module]
    idle: set[nn.Module]
    root: nn.Module


def trace(model: nn.Module, inputs: Inputs) -> Trace:
    """Run the network in eval mode on a batch.

    Raises:
        UnwritableError: If a tensor comes from nowhere that could be named.
    """
    watcher = _Watcher(model)
    with watcher.hooks(), watcher:
        call(model, inputs)
    return Trace(watcher.frames, watcher.called, watcher.idle, model)


class _Watcher(TorchFunctionMode):
    """Notes calls of modules and functions while it is active."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.frames: dict[nn.Module, list[Frame]] = {}
        self.called: set[nn.Module] = set()
        self.idle: set[nn.Module] = set()
        self._model = model
        self._leaves = {module for module in model.modules() if is_leaf(module)}
        self._paths = {module: name for name, module in model.named_modules()}
        self._stack: list[Frame] = []
        self._before: list[tuple[Any, ...]] = []
        tensors = [*model.named_parameters(), *model.named_buffers()]
        self._weights = {id(tensor): name for name, tensor in tensors}

    @contextlib.contextmanager
    def hooks(self) -> Iterator[None]:
        """Watch all modules."""
        handles = []
        for module in self._model.modules():
            enter = module.register_forward_pre_hook(self._enter, with_kwargs=True)
            leave = module.register_forward_hook(self._leave, with_kwargs=True)
            handles += [enter, leave]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        frame = self._stack[-1] if self._stack else None
        if frame is None or not frame.records:
            return func(*args, **kwargs)
        # torch counts a tensor's changes in place; a count that rises tells of a side effect,
        # which code of its own must keep in this order.
        versions = _versions((args, kwargs))
        out = func(*args, **kwargs)
        if any(isinstance(leaf, torch.Tensor) for _, leaf in _leaves(out)):
            self._note_function(frame, func, args, kwargs, out, versions)
        return out

    def _note_function(
        self, frame: Frame, func: Any, args: Any, kwargs: Any, out: Any, versions: dict[int, int]
    ) -> None:
        changed = versions != _versions((args, kwargs))
        if not changed and isinstance(out, torch.Tensor) and self._known(frame, out):
            return  # nothing was done
        # A subclass of a layer of torch may compute its parent's forward with other arguments. If
        # the result is the parent's for this input, it is written as `super().forward(...)`.
        base = leaf_base(type(frame.module))
        direct = {id(p) for p in frame.module.parameters(recurse=False)}
        own = [a for a in args if isinstance(a, torch.Tensor) and id(a) in direct]
        if base is not nn.Module and own and torch.equal(base.forward(frame.module, args[0]), out):
            self._note(frame, None, "super", (args[0],), {}, out, changed)
            return
        self._note(frame, None, _resolved(func, frame), args, kwargs, out, changed)

    def _known(self, frame: Frame, tensor: torch.Tensor) -> bool:
        return frame.number(tensor) is not None or id(tensor) in self._weights

    def _enter(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        # Within a layer of torch nothing is noted: the layer is one call. A plain nn.Sequential
        # notes no steps either (its children stand in order), but what runs within it is watched.
        opaque = bool(self._stack) and self._is_opaque(self._stack[-1])
        records = not (opaque or module in self._leaves or is_plain_sequence(module))
        frame = Frame(module, self._paths[module], records)
        for name, value in _named(module, args, kwargs):
            for path, leaf in _leaves(value):
                if isinstance(leaf, torch.Tensor):
                    known = frame.number(leaf)
                    if known is None:
                        frame.inputs.append((_identifier(name, path), frame.add(leaf)))
        self._stack.append(frame)
        self._before.append((_versions((args, kwargs)), opaque))

    def _leave(self, module: nn.Module, args: Any, kwargs: Any, out: Any) -> None:
        frame = self._stack.pop()
        versions, opaque = self._before.pop()
        if opaque:
            return
        self.called.add(module)
        changed = versions != _versions((args, kwargs))
        tensors = [leaf for _, leaf in _leaves(out) if isinstance(leaf, torch.Tensor)]
        if frame.records:
            frame.result = tuple(self._ref(frame, tensor).number for tensor in tensors)
            self.frames.setdefault(module, []).append(frame)
        idle = not changed and out is (args[0] if args else None) and not _keeps(module)
        if idle:
            self.idle.add(module)
        parent = self._stack[-1] if self._stack else None
        if idle or parent is None or not parent.records:
            return  # a module that does nothing (nn.Identity, drop path) leaves no line
        path = self._below(parent, self._paths[module])
        if frame.records:
            # Inputs that no step reads are left out of the call, but a forward without any
            # would not be called with a batch at all.
            used = frame.used()
            kept = [n for _, n in frame.inputs if n in used] or [n for _, n in frame.inputs][:1]
            given = tuple(frame._alive[number] for number in kept)
            out = tensors[0] if len(tensors) == 1 else tuple(tensors)
            self._note(parent, path, "", given, {}, out, changed)
        else:
            self._note(parent, path, "", args, kwargs, out, changed)

    def _note(
        self,
        frame: Frame,
        module: str | None,
        function: str,
        args: Any,
        kwargs: Any,
        out: Any,
        changed: bool,
    ) -> None:
        def stored(leaf: Any) -> Any:
            return self._ref(frame, leaf) if isinstance(leaf, torch.Tensor) else leaf

        given, named = tree_map(stored, (tuple(args), dict(kwargs)))
        outputs = tuple(
            (path, frame.add(leaf))
            for path, leaf in _leaves(out)
            if isinstance(leaf, torch.Tensor)
        )
        shape = tuple(out.shape) if isinstance(out, torch.Tensor) else None
        frame.in_place |= changed
        frame.ops.append(Op(module, function, given, named, outputs, shape))

    def _ref(self, frame: Frame, tensor: torch.Tensor) -> Any:
        number = frame.number(tensor)
        if number is not None:
            return Ref(number)
        if id(tensor) in self._weights:
            return Weight(self._below(frame, self._weights[id(tensor)]))
        raise UnwritableError(
            f"{type(frame.module).__name__} ({frame.path or 'the network itself'}) uses a tensor "
            f"of shape {tuple(tensor.shape)} that is neither an input nor a parameter or buffer "
            "of its own: register it as a buffer, or pass it as an argument."
        )

    def _below(self, frame: Frame, path: str) -> str:
        prefix = f"{frame.path}." if frame.path else ""
        if not path.startswith(prefix):
            raise UnwritableError(
                f"{type(frame.module).__name__} ({frame.path}) uses {path!r}, which is not below "
                "it: make it a module of its own."
            )
        return path.removeprefix(prefix)

    def _is_opaque(self, frame: Frame) -> bool:
        return not frame.records and not is_plain_sequence(frame.module)


def _keeps(module: nn.Module) -> bool:
    """Whether a module that did nothing in eval mode is of use in training."""
    return isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0


def _named(module: nn.Module, args: Any, kwargs: Any) -> list[tuple[str, Any]]:
    """The arguments of a call with the names that forward gives them."""
    try:
        bound = inspect.signature(module.forward).bind(*args, **kwargs)
    except TypeError:
        return [(f"x{k}", value) for k, value in enumerate([*args, *kwargs.values()])]
    named: list[tuple[str, Any]] = []
    for name, value in bound.arguments.items():
        is_rest = bound.signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD
        named += value.items() if is_rest else [(name, value)]
    return named


def _leaves(value: Any) -> list[tuple[str, Any]]:
    """The leaves of nested containers, and how each is reached."""
    return [(keystr(path), leaf) for path, leaf in tree_flatten_with_path(value)[0]]


def _identifier(name: str, path: str) -> str:
    inner = "".join(c if c.isalnum() else "_" for c in path).strip("_")
    return identifier("_".join(filter(None, (name, inner))), "x")


def _resolved(func: Any, frame: Frame) -> str:
    """Return torch's name of one of its functions."""
    name: str | None = resolve_name(func)
    if name is None or not name.startswith("torch."):
        raise UnwritableError(
            f"{type(frame.module).__name__} ({frame.path or 'the network itself'}) calls {func}, "
            "which has no name in torch: use a function of torch."
        )
    return name


def _versions(values: Any) -> dict[int, int]:
    """How often each tensor has been changed in place."""
    tensors = [leaf for _, leaf in _leaves(values) if isinstance(leaf, torch.Tensor)]
    return {id(tensor): tensor._version for tensor in tensors}


def weights_read(trace: Trace) -> dict[nn.Module, set[str]]:
    """Parameters and buffers that functions read, by the module that has them."""
    found: dict[nn.Module, set[str]] = {}
    for module, frames in trace.frames.items():
        for frame in frames:
            for op in frame.ops:
                for weight in _weights_in((op.args, op.kwargs)):
                    owner, _, name = weight.path.rpartition(".")
                    found.setdefault(module.get_submodule(owner), set()).add(name)
    return found


def _weights_in(values: Any) -> Iterator[Weight]:
    if isinstance(values, Weight):
        yield values
    elif isinstance(values, dict):
        yield from _weights_in([*values.values()])
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _weights_in(value)
