"""Writes a network as a Python file that needs nothing but torch."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from optuna_nas._ground.checks import shown
from optuna_nas._ground.forward import evaluating
from optuna_nas._ground.inputs import Examples, InputSpec, call, examples_of, parts_of
from optuna_nas._version import __version__
from optuna_nas.export._classes import ModuleClass, classes_of
from optuna_nas.export._names import assignment
from optuna_nas.export._parameters import Parameter
from optuna_nas.export._runs import (
    answer_of,
    example_batch,
    give_weights,
    module_from_code,
    varied,
)
from optuna_nas.export._text import Call, Text, UnwritableError, documentation, literal, write
from optuna_nas.export._trace import trace
from optuna_nas.profiling import profile
from optuna_nas.training import seeded

__all__ = ["model_code"]

_COUNTS = (2, 3)  # two numbers of examples tell what depends on it
_CHECKED = 5
_TOLERANCE = 1e-6
_PLACES = 4


def model_code(
    model: nn.Module,
    input_size: tuple[int, ...] | None = None,
    *,
    inputs: Any = None,
    title: str = "",
    classes: Sequence[str] = (),
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
) -> str:
    """Write a network as code that anyone can read and that needs nothing but torch.

    Modules that are alike share a class whose parameters are what differs. What the network does
    not need for its answer is left out: auxiliary heads, operations that nobody reads. The names
    of weights stay as they are, so that ``load_state_dict`` takes those of the model.

    The code is run before it is returned, and must give what the model gives. It is that of eval
    mode, for inputs of one size: a padding that follows the size of an image has become a number,
    and drop path is gone.

    Example:
        >>> from torch import nn
        >>> from optuna_nas.export import model_code
        >>> print(model_code(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), (1, 8, 8)))
        ... # doctest: +ELLIPSIS
        \"\"\"A network of 650 parameters and 640 multiply-adds for an input of 1x8x8.
        ...
        class Network(nn.Sequential):
        ...
            def __init__(self) -> None:
                super().__init__(nn.Flatten(), nn.Linear(64, 10))
        ...

    Args:
        model: Gives one tensor; with its weights, on the CPU.
        input_size: Shape of a single input without the batch, such as (C, H, W).
            Default: (3, 32, 32).
        inputs: Instead of ``input_size``, inputs of any number and type, as for
            :func:`~optuna_nas.profiling.profile`: parts of a tuple are positional arguments of
            the code, those of a dict named ones. The code is checked on examples that are given,
            else on normal numbers and on the integers 0 and 1 (0 alone where 1 is none of the
            network's).
        title: Description of the network, for the text at the top.
        classes: Names of the classes, written as ``CLASSES``.
        mean: Per channel, of an image's pixels in [0, 1]; with ``std`` it gives a function
            ``prepare``.
        std: Per channel.

    Raises:
        UnwritableError: If the network does something that cannot be written: it decides by the
            values of a tensor, uses tensors that are not its own, or has hooks.
        ValueError: If it cannot take such inputs, gives anything but one tensor, or ``mean`` and
            ``std`` are given for anything but one input (C, H, W).
    """
    examples = examples_of(input_size, inputs, default=(3, 32, 32))
    spec = examples.spec
    _check_channels(spec, mean, std)
    counted = profile(model, inputs=examples)
    answer_of(model, examples.batch(model))
    examples = varied(model, examples)
    with evaluating(model):
        runs = [trace(model, example_batch(model, examples, count)) for count in _COUNTS]
    classes_text = [_class_text(made) for made in classes_of(*runs)]
    size = f"an input of {spec}" if spec.single else f"inputs of {spec}"
    facts = f"{counted.params:,} parameters and {counted.macs:,} multiply-adds for {size}."
    header = _header(f"A network of {facts}", title)

    def text(assigns: bool) -> str:
        parts = [_constants(spec, classes, mean, std), *classes_text, _load(assigns)]
        body = "\n\n".join(parts).rstrip() + "\n" + (_PREPARE if mean else "")
        return "\n\n".join([header, _imports(body), body])

    code = text(False)
    with seeded(0):  # the process's random state is not ours
        assigns = _check(code, model, examples)
    return text(True) if assigns else code


def _check_channels(spec: InputSpec, mean: Sequence[float], std: Sequence[float]) -> None:
    is_image = spec.single and len(spec.parts[0].size) == 3
    if (mean or std) and not is_image:
        raise ValueError(
            "`mean` and `std` must belong to one input (C, H, W), but got "
            f"mean={shown(tuple(mean))} for inputs of {spec}: leave them out."
        )


def _imports(body: str) -> str:
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    lines = ["from pathlib import Path", "", "import torch"]
    if "OrderedDict" in used:
        lines.insert(0, "from collections import OrderedDict")
    if "F" in used:
        lines.append("import torch.nn.functional as F")
    return "\n".join([*lines, "from torch import nn"])


def _header(facts: str, title: str) -> str:
    about = map(documentation, textwrap.wrap(" ".join(title.split()), 98))
    by = f"Written by optuna-nas {__version__}; it needs nothing but torch."
    first, *more = textwrap.wrap(facts, 95)
    return "\n".join(
        [
            f'"""{first}',
            *more,
            *(["", *about] if title.split() else []),
            "",
            by,
            "``load()`` reads the weights beside this file. ``B`` is the number of examples.",
            '"""',
        ]
    )


def _constants(
    spec: InputSpec, classes: Sequence[str], mean: Sequence[float], std: Sequence[float]
) -> str:
    sizes = [part.size for part in spec.parts]
    named = dict(zip(spec.names, sizes, strict=True)) if spec.names else tuple(sizes)
    values: Mapping[str, Any] = {
        **({"INPUT_SIZE": sizes[0]} if spec.single else {"INPUT_SIZES": named}),
        "CLASSES": tuple(classes),
        "MEAN": tuple(mean),
        "STD": tuple(std),
    }
    lines = [_assigned(name, value) for name, value in values.items() if value]
    return "\n".join(['WEIGHTS = Path(__file__).with_name("weights.pt")', *lines])


def _assigned(name: str, value: tuple[Any, ...] | Mapping[str, Any]) -> str:
    if isinstance(value, Mapping):
        opening, closing = "{", "}"
        items = [f"{literal(key)}: {literal(item)}" for key, item in value.items()]
    else:
        opening, closing = "(", ")"
        items = [literal(item) for item in value]
    comma = "," if len(items) == 1 and opening == "(" else ""
    flat = f"{name} = {opening}{', '.join(items)}{comma}{closing}"
    if len(flat) <= 99:
        return flat
    return "\n".join([f"{name} = {opening}", *(f"    {item}," for item in items), closing])


def _class_text(made: ModuleClass) -> str:
    lines = [f"class {made.name}({made.base}):", *_documentation(made)]
    own_init = made.parameters or made.children or made.parent
    if own_init:
        lines += ["", *_constructor(made)]
    if made.forward is not None:
        lines += ["", *_forward(made)]
    if lines[1:2] == [""]:
        del lines[1]
    return "\n" + "\n".join(lines)


def _documentation(made: ModuleClass) -> list[str]:
    places = [place for place in made.places if place]
    shown = ", ".join(f"``{place}``" for place in places[:_PLACES])
    more = f" and {len(places) - _PLACES} more" if len(places) > _PLACES else ""
    where = textwrap.wrap(f"Stands at {shown}{more}.", 95) if places else []
    if made.about:
        about = textwrap.wrap(made.about, 92, break_long_words=False)
        lines = [*about, *(["", *where] if where else [])]
    else:
        lines = where
    if not lines:
        return []
    closing = ['"""'] if len(lines) > 1 else []
    lines = [documentation(line) for line in lines]
    end = "" if closing else '"""'
    texts = [f'"""{lines[0]}{end}', *lines[1:], *closing]
    return [f"    {text}" if text else "" for text in texts]


def _constructor(made: ModuleClass) -> list[str]:
    sizes = [f"{p.name}: int" for p in made.parameters if p.is_size]
    others = [f"{p.name}: {_annotation(made, p)}" for p in made.parameters if not p.is_size]
    signature = ["self", *sizes, *(["*"] if others else []), *others]
    head = write(
        Call.of("    def __init__", *map(Text, signature)), str, indent=4, before=0, after=9
    )
    parent = Call.of("super().__init__", *made.parent, gathers=made.base == "nn.Sequential")
    lines = [f"{head} -> None:", " " * 8 + write(parent, made.fill, indent=8, before=8)]
    for parameter in made.parameters:
        if parameter.in_forward:
            lines.append(f"        self.{parameter.name} = {parameter.name}")
    for name, child in made.children:
        flat = child.flat(made.fill)
        if flat.startswith("self.register_buffer"):
            lines.append(" " * 8 + flat)
            continue
        start, end = assignment(name)
        before = " " * 8 + start
        text = write(child, made.fill, indent=8, before=len(before), after=len(end))
        lines.append(f"{before}{text}{end}")
    return lines


def _annotation(made: ModuleClass, parameter: Parameter) -> str:
    value = made.constants[min(parameter.slots)]
    if isinstance(value, tuple):
        return "tuple[int, ...]"
    kinds = (bool, int, float, str)
    return next((kind.__name__ for kind in kinds if isinstance(value, kind)), "object")


def _forward(made: ModuleClass) -> list[str]:
    assert made.forward is not None
    inputs = ", ".join(["self", *(f"{name}: torch.Tensor" for name in made.forward.inputs)])
    lines = [f"    def forward({inputs}) -> torch.Tensor:"]

    def fill(slot: int) -> str:
        return made.fill(slot, prefix="self.")

    for statement in made.forward.statements:
        before = f"        {statement.name} = " if statement.name else "        return "
        text = before + write(statement.expression, fill, indent=8, before=len(before))
        if made.name == "Network" and statement.shape is not None and "\n" not in text:
            commented = f"{text}  # ({', '.join(statement.shape)})"
            text = commented if len(commented) <= 99 else text
        lines.append(text)
    return lines


_PREPARE = '''

def prepare(images: torch.Tensor) -> torch.Tensor:
    """Turn images of bytes (B, C, H, W) into what the network takes."""
    mean, std = (torch.tensor(of, device=images.device)[:, None, None] for of in (MEAN, STD))
    return (images / 255 - mean) / std
'''


def _load(assigns: bool) -> str:
    """Write ``load``, which assigns weights where they are of another type than those made."""
    state = 'torch.load(weights, map_location="cpu", weights_only=True)'
    given = f"""
    state = {state}
    network.load_state_dict(state, assign=True)"""
    if not assigns:
        given = f"""
    network.load_state_dict({state})"""
    return f'''
def load(weights: str | Path = WEIGHTS) -> Network:
    """Return the network with its weights, in eval mode."""
    network = Network(){given}
    return network.eval()
'''


def _check(code: str, model: nn.Module, examples: Examples) -> bool:
    """Run the code with the model's weights on other inputs than those it was made from.

    Returns:
        Whether weights must be assigned, see :func:`give_weights`.
    """
    batch = example_batch(model, examples, _CHECKED)
    with evaluating(model):
        wanted = call(model, batch)
        try:
            network = module_from_code(code)
            assigns = give_weights(network, model)
            given = call(network.to(parts_of(batch)[0].device).eval(), batch)
        except Exception as e:  # of a text that was made here: it does not do what it should
            told = f"{type(e).__name__}: {e}"
            raise UnwritableError(f"The network cannot be written as code ({told}).") from e
    if given.shape != wanted.shape:
        raise UnwritableError(
            f"The network cannot be written as code: what was written gives {tuple(given.shape)} "
            f"for {tuple(wanted.shape)}."
        )
    error = float((wanted - given).abs().max() / wanted.abs().max().clamp(min=1.0))
    if not error <= _TOLERANCE:
        raise UnwritableError(
            f"The network cannot be written as code: what was written differs by {error:.2g}. "
            "Does it decide by the values of a tensor, or has it hooks or parametrised weights?"
        )
    return assigns
