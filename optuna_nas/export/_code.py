"""Writes a network as a Python file that needs nothing but torch."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from optuna_nas._ground.forward import evaluating, example_input, run_forward
from optuna_nas._version import __version__
from optuna_nas.export._classes import ModuleClass, classes_of
from optuna_nas.export._names import assignment
from optuna_nas.export._parameters import Parameter
from optuna_nas.export._text import Call, Text, UnwritableError, documentation, literal, write
from optuna_nas.export._trace import trace
from optuna_nas.profiling import profile
from optuna_nas.training import seeded

__all__ = ["answer_of", "example_images", "model_code", "module_from_code", "state_for"]

_IMAGES = (2, 3)  # two numbers of images tell what depends on it
_TOLERANCE = 1e-6
_PLACES = 4


def model_code(
    model: nn.Module,
    input_size: tuple[int, ...] = (3, 32, 32),
    *,
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
    mode, for images of one size: a padding that follows the size of the image has become a number,
    and drop path is gone.

    Example:
        >>> from torch import nn
        >>> from optuna_nas.export import model_code
        >>> print(model_code(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), (1, 8, 8)))
        ... # doctest: +ELLIPSIS
        \"\"\"A network of 650 parameters and 640 multiply-adds for an image of 1x8x8.
        ...
        class Network(nn.Sequential):
        ...
            def __init__(self) -> None:
                super().__init__(nn.Flatten(), nn.Linear(64, 10))
        ...

    Args:
        model: Takes float images (B, C, H, W), gives one tensor; with its weights, on the CPU.
        input_size: (C, H, W).
        title: Description of the network, for the text at the top.
        classes: Names of the classes, written as ``CLASSES``.
        mean: Per channel, of pixels in [0, 1]; with ``std`` it gives a function ``prepare``.
        std: Per channel.

    Raises:
        UnwritableError: If the network does something that cannot be written: it decides by the
            values of a tensor, uses tensors that are not its own, or has hooks.
        ValueError: If it cannot take an input of this size, or gives anything but one tensor.
    """
    counted = profile(model, input_size)
    answer_of(model, example_input(model, input_size))
    with evaluating(model):
        runs = [trace(model, example_images(model, input_size, count)) for count in _IMAGES]
    facts = f"{counted.params:,} parameters and {counted.macs:,} multiply-adds"
    size = "x".join(map(str, input_size))
    parts = [
        _constants(input_size, classes, mean, std),
        *(_class_text(made) for made in classes_of(*runs)),
        _functions(bool(mean)),
    ]
    body = "\n\n".join(parts).rstrip() + "\n"
    header = _header(f"A network of {facts} for an image of {size}.", title)
    code = "\n\n".join([header, _imports(body), body])
    with seeded(0):  # the process's random state is not ours
        _check(code, model, input_size)
    return code


def module_from_code(code: str) -> nn.Module:
    """Return the network that a text of :func:`model_code` makes, with random weights."""
    space: dict[str, Any] = {"__name__": "model", "__file__": "model.py"}
    exec(compile(code, "model.py", "exec"), space)
    network: nn.Module = space["Network"]()
    return network


def state_for(network: nn.Module, model: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of the model that the written network needs, and buffers of all kinds."""
    state = {**dict(model.named_buffers()), **model.state_dict()}
    return {name: state[name] for name in network.state_dict()}


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
    return "\n".join(
        [
            f'"""{facts}',
            *(["", *about] if title.split() else []),
            "",
            by,
            "``load()`` reads the weights beside this file. ``B`` is the number of images.",
            '"""',
        ]
    )


def _constants(
    input_size: tuple[int, ...],
    classes: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
) -> str:
    values: Mapping[str, Any] = {
        "INPUT_SIZE": tuple(input_size),
        "CLASSES": tuple(classes),
        "MEAN": tuple(mean),
        "STD": tuple(std),
    }
    lines = [_assigned(name, value) for name, value in values.items() if value]
    return "\n".join(['WEIGHTS = Path(__file__).with_name("weights.pt")', *lines])


def _assigned(name: str, value: tuple[Any, ...]) -> str:
    flat = f"{name} = {literal(value)}"
    if len(flat) <= 99:
        return flat
    return "\n".join([f"{name} = (", *(f"    {literal(item)}," for item in value), ")"])


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
            shape = ", ".join(["B", *map(str, statement.shape[1:])])
            commented = f"{text}  # ({shape})"
            text = commented if len(commented) <= 99 else text
        lines.append(text)
    return lines


def _functions(prepares: bool) -> str:
    prepare = '''

def prepare(images: torch.Tensor) -> torch.Tensor:
    """Turn images of bytes (B, C, H, W) into what the network takes."""
    mean, std = (torch.tensor(of, device=images.device)[:, None, None] for of in (MEAN, STD))
    return (images / 255 - mean) / std
'''
    load = '''
def load(weights: str | Path = WEIGHTS) -> Network:
    """Return the network with its weights, in eval mode."""
    network = Network()
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return network.eval()
'''
    return load + prepare if prepares else load


def example_images(model: nn.Module, input_size: tuple[int, ...], count: int) -> torch.Tensor:
    """Random images (count, C, H, W) where the model's weights are; always the same ones."""
    blank = example_input(model, input_size, batch_size=count)
    return torch.randn(blank.shape, generator=torch.Generator().manual_seed(count)).to(blank)


def answer_of(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the output of a model for images, in eval mode.

    Raises:
        ValueError: If it cannot take them, or gives anything but one tensor.
    """
    with evaluating(model):
        run_forward(model, images)
        answer = model(images)
    if isinstance(answer, torch.Tensor):
        return answer
    raise ValueError(
        f"`model` must give one tensor, but {type(model).__name__} gives an object of type "
        f"{type(answer).__name__}: put it into a module that returns the tensor you want."
    )


def _check(code: str, model: nn.Module, input_size: tuple[int, ...]) -> None:
    """Run the code with the model's weights on other images than those it was made from."""
    images = example_images(model, input_size, 5)
    with evaluating(model):
        wanted = model(images)
        try:
            network = module_from_code(code)
            network.load_state_dict(state_for(network, model))
            given = network.to(images.device).eval()(images)
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
