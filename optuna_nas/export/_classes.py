"""The classes of a network: modules that are alike share one, with what differs as parameters.

Two modules are alike if they are of the same type, take the same steps and have children that are
alike, whatever their numbers. The numbers that differ become parameters of the constructor; those
that always have the same values are one parameter.
"""

from __future__ import annotations

import builtins
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import nn

from optuna_nas.export._forward import Constant, Forward, forward_of
from optuna_nas.export._leaves import (
    CONTAINERS,
    Argument,
    arguments_of,
    is_leaf,
    is_plain_sequence,
    leaf_base,
)
from optuna_nas.export._names import attribute, identifier
from optuna_nas.export._parameters import Parameter, parameters_of
from optuna_nas.export._text import (
    Call,
    Entry,
    Expr,
    Items,
    Keyword,
    Slot,
    Text,
    UnwritableError,
    literal,
)
from optuna_nas.export._trace import Trace, weights_read

__all__ = ["ModuleClass", "classes_of"]

_ROOT = "Network"
_TAKEN = {"nn", "torch", "F", "Path", "OrderedDict", "load", "prepare", "self"} | {*dir(builtins)}
_TAKEN |= {"WEIGHTS", "INPUT_SIZE", "INPUT_SIZES", "CLASSES", "MEAN", "STD"}


@dataclasses.dataclass
class _Body:
    """A class's code, with slots for its numbers."""

    parent: list[Expr] = dataclasses.field(default_factory=list)
    children: list[tuple[str, Expr]] = dataclasses.field(default_factory=list)
    constants: list[Constant] = dataclasses.field(default_factory=list)

    def slot(self, name: str, value: Any) -> Slot:
        self.constants.append(Constant(name, value))
        return Slot(len(self.constants) - 1)


@dataclasses.dataclass
class ModuleClass:
    """A class to be written.

    Attributes:
        name: Unique in the file.
        base: Such as ``nn.Module``.
        about: First line of the documentation that the module's own class has.
        places: Paths of the modules that are made by it.
        parent: Arguments of the base's constructor.
        children: Name and constructor of each attribute.
        forward: None if the base's is used, or nobody calls it.
        parameters: Parameters of the constructor.
        constants: Value of each slot where it is the same in all places.
    """

    name: str
    base: str
    about: str
    forward: Forward | None
    places: list[str] = dataclasses.field(default_factory=list)
    parent: tuple[Expr, ...] = ()
    children: tuple[tuple[str, Expr], ...] = ()
    parameters: tuple[Parameter, ...] = ()
    constants: tuple[Any, ...] = ()
    forward_slots: int = 0

    def fill(self, slot: int, *, prefix: str = "") -> str:
        """The text of a slot: its parameter's name, or the constant."""
        for parameter in self.parameters:
            if slot in parameter.slots:
                return f"{prefix}{parameter.name}"
        return literal(self.constants[slot])


def classes_of(first: Trace, second: Trace) -> list[ModuleClass]:
    """Return the classes of a network in the order in which they must be defined.

    Args:
        first: The network's run with some number of examples.
        second: The same with another number.

    Raises:
        UnwritableError: If something cannot be written as code.
    """
    return _Classes(first, second).made()


class _Classes:
    def __init__(self, first: Trace, second: Trace) -> None:
        self._first, self._second = first, second
        self._root = first.root
        self._paths = {module: name for name, module in self._root.named_modules()}
        self._weights = weights_read(first)
        self._used: dict[nn.Module, bool] = {}
        self._keys: dict[nn.Module, str] = {}
        self._classes: dict[nn.Module, ModuleClass] = {}
        self._by_key: dict[str, tuple[ModuleClass, list[nn.Module]]] = {}
        self._values: dict[nn.Module, dict[str, Any]] = {}  # by parameter, of each module
        self._names: set[str] = {_ROOT, *_TAKEN}

    def made(self) -> list[ModuleClass]:
        self._key(self._root)
        for made, modules in self._by_key.values():
            self._finish(made, modules)
        return [made for made, _ in self._by_key.values()]

    # Which modules are alike

    def _is_used(self, module: nn.Module) -> bool:
        """Whether a module, or one within it, or a weight of its own takes part."""
        if module not in self._used:
            runs = module in self._first.called and not self._is_idle(module)
            takes_part = runs or bool(self._weights.get(module))
            self._used[module] = takes_part or any(map(self._is_used, module.children()))
        return self._used[module]

    def _children(self, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
        """Children that are written: all of a sequence, else those that do something."""
        for name, child in module.named_children():
            if is_plain_sequence(module) and module in self._first.called:
                yield name, child
            elif self._is_used(child) and not self._is_idle(child):
                yield name, child

    def _is_idle(self, module: nn.Module) -> bool:
        return module in self._first.idle

    def _key(self, module: nn.Module) -> str:
        """Equal for modules that are alike; a class is begun for the first of each kind."""
        if module not in self._keys:
            self._keys[module] = self._new_key(module)
        return self._keys[module]

    def _new_key(self, module: nn.Module) -> str:
        if self._is_idle(module) and module is not self._root:
            return "nn.Identity"
        if is_leaf(module) and module is not self._root:
            return f"nn.{type(module).__name__}"
        children = ", ".join(
            f"{name!r}: {self._key(child)}" for name, child in self._children(module)
        )
        if type(module) in CONTAINERS and module is not self._root:
            return f"nn.{type(module).__name__}({children})"
        base, forward = self._base(module), self._forward(module)
        weights = [(name, tensor.dim()) for name, tensor in self._own_tensors(module)]
        key = f"{type(module)} {base} {_masked(forward)} {weights} {{{children}}}"
        if key not in self._by_key:
            plain = identifier(type(module).__name__.lstrip("_"), "Module")
            name = _ROOT if module is self._root else self._free(plain)
            about = _about(module) if name in (plain, _ROOT) else f"Another ``{plain}``."
            self._by_key[key] = (ModuleClass(name, base, about, forward), [])
        made, modules = self._by_key[key]
        modules.append(module)
        made.places.append(self._paths[module])
        self._classes[module] = made
        return made.name

    def _base(self, module: nn.Module) -> str:
        base = leaf_base(type(module))
        if base in CONTAINERS:
            sequence = is_plain_sequence(module) and module in self._first.called
            return "nn.Sequential" if sequence else "nn.Module"
        known = base is not nn.Module and arguments_of(module, base) is not None
        return f"nn.{base.__name__}" if known else "nn.Module"

    def _forward(self, module: nn.Module) -> Forward | None:
        runs = self._first.frames.get(module, [])
        if not runs:
            return None
        others = self._second.frames[module]
        access = self._access_from(module)
        inline = module is not self._root
        written = [
            forward_of(a, b, access, inline=inline) for a, b in zip(runs, others, strict=True)
        ]
        if any(other != written[0] for other in written[1:]):
            raise UnwritableError(
                f"{type(module).__name__} ({self._paths[module]}) is called several times and "
                "does not take the same steps: make one module for each place where it is used."
            )
        return written[0]

    def _free(self, wanted: str) -> str:
        name, count = wanted, 2
        while name in self._names:
            name, count = f"{wanted}{count}", count + 1
        self._names.add(name)
        return name

    # How a path is written

    def _access_from(self, module: nn.Module) -> Callable[[str], str]:
        def access(path: str) -> str:
            text, here = "self", module
            for name in path.split("."):
                text = self._step(text, here, name)
                here = getattr(here, name) if not isinstance(here, nn.ModuleDict) else here[name]
            return text

        return access

    def _step(self, text: str, owner: nn.Module, name: str) -> str:
        """How a module or weight is reached from its owner, by the owner's form in the code."""
        is_sequence = is_plain_sequence(owner) and owner in self._first.called
        is_container = type(owner) in CONTAINERS and owner is not self._root
        is_list = is_sequence or (is_container and not isinstance(owner, nn.ModuleDict))
        if is_list and not self._has_gaps(owner):
            return f"{text}[{name}]"
        if is_container and not is_sequence:
            return f"{text}[{literal(name)}]"
        return attribute(text, name)

    def _has_gaps(self, module: nn.Module) -> bool:
        """Whether a list lost some of its modules, so that it must be written as a dict."""
        kept = [name for name, _ in self._children(module)]
        return kept != [str(k) for k in range(len(kept))]

    # What is written in a class

    def _finish(self, made: ModuleClass, modules: Sequence[nn.Module]) -> None:
        """Find the parameters of a class; those of its children's are known already."""
        bodies = [self._body(made, module) for module in modules]
        columns = [
            [body.constants[slot] for body in bodies] for slot in range(len(bodies[0].constants))
        ]
        made.parent = tuple(bodies[0].parent)
        made.children = tuple(bodies[0].children)
        made.constants = tuple(column[0].value for column in columns)
        attributes = [name for name, _ in made.children]
        made.parameters = tuple(parameters_of(columns, made.forward_slots, attributes))
        for module, body in zip(modules, bodies, strict=True):
            self._values[module] = {
                p.name: body.constants[min(p.slots)].value for p in made.parameters
            }

    def _body(self, made: ModuleClass, module: nn.Module) -> _Body:
        body = _Body()
        forward = self._forward(module) if made.forward is not None else None
        body.constants += forward.constants if forward is not None else ()
        made.forward_slots = len(body.constants)
        if made.base == "nn.Sequential":
            body.parent = self._sequence(body, module)
            return body
        if made.base != "nn.Module":
            arguments = arguments_of(module, leaf_base(type(module)))
            body.parent = [_argument(body, argument) for argument in arguments or ()]
        else:
            for name, tensor in self._own_tensors(module):
                body.children.append((name, _weight(body, module, name, tensor.shape)))
        for name, child in self._children(module):
            body.children.append((name, self._made(body, child)))
        return body

    def _own_tensors(self, module: nn.Module) -> list[tuple[str, Any]]:
        if self._base(module) != "nn.Module":
            return []
        return [(name, getattr(module, name)) for name in sorted(self._weights.get(module, ()))]

    def _made(self, body: _Body, module: nn.Module) -> Expr:
        """The constructor of a module within another one."""
        if self._is_idle(module):
            return Call.of("nn.Identity")
        if is_leaf(module):
            arguments = arguments_of(module, type(module)) or []
            return Call.of(
                f"nn.{type(module).__name__}",
                *(_argument(body, argument) for argument in arguments),
            )
        if type(module) not in CONTAINERS:
            return self._call(body, module)
        name = type(module).__name__
        if isinstance(module, nn.Sequential) and module in self._first.called:
            return Call.of(f"nn.{name}", *self._sequence(body, module), gathers=True)
        children = [(key, self._made(body, child)) for key, child in self._children(module)]
        if isinstance(module, nn.ModuleDict) or self._has_gaps(module):
            return Call.of("nn.ModuleDict", _mapping(children))
        return Call.of(
            "nn.ModuleList", Items("[", "]", tuple(child for _, child in children), gathers=True)
        )

    def _sequence(self, body: _Body, module: nn.Module) -> list[Expr]:
        children = [(key, self._made(body, child)) for key, child in self._children(module)]
        if [key for key, _ in children] == [str(k) for k in range(len(children))]:
            return [child for _, child in children]
        return [Call.of("OrderedDict", _mapping(children))]

    def _call(self, body: _Body, module: nn.Module) -> Expr:
        made = self._classes[module]
        values = self._values[module]
        sizes = [body.slot(p.name, values[p.name]) for p in made.parameters if p.is_size]
        others = [
            Keyword(p.name, body.slot(p.name, values[p.name]))
            for p in made.parameters
            if not p.is_size
        ]
        return Call.of(made.name, *sizes, *others)


def _argument(body: _Body, argument: Argument) -> Expr:
    slot = body.slot(argument.name, argument.value)
    if argument.is_required:
        return slot
    return Keyword(argument.name, slot, literal(argument.default))


def _mapping(children: Sequence[tuple[str, Expr]]) -> Expr:
    return Items("{", "}", tuple(Entry(name, child) for name, child in children))


def _weight(body: _Body, module: nn.Module, name: str, shape: Any) -> Expr:
    empty = Call.of("torch.empty", body.slot(f"{name}_shape", tuple(shape)))
    if name in dict(module.named_parameters(recurse=False)):
        return Call.of("nn.Parameter", empty)
    return Call.of("self.register_buffer", Text(literal(name)), empty)


def _masked(forward: Forward | None) -> str:
    if forward is None:
        return "-"
    lines = [f"{s.name} = {s.expression.flat(lambda _: '#')}" for s in forward.statements]
    return f"{forward.inputs} {lines}"


def _about(module: nn.Module) -> str:
    """The first line of what the class says of itself."""
    text = vars(type(module)).get("__doc__") or ""
    return text.strip().splitlines()[0].strip() if text.strip() else ""
