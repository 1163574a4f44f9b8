"""Writes a trained network into a folder: code, weights, ONNX, torch.export, a picture.

Every file is read back and must give what the network gives before it is kept. What cannot be
written in one form is written in the others.
"""

from __future__ import annotations

import copy
import dataclasses
import importlib.util
import inspect
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils._pytree import tree_map

from optuna_nas._ground.inputs import Examples, examples_of, parts_of
from optuna_nas.drawing import save_picture
from optuna_nas.export._axes import Axes, axes_of, resized
from optuna_nas.export._code import model_code
from optuna_nas.export._files import Writer
from optuna_nas.export._runs import (
    answer_of,
    example_batch,
    give_weights,
    module_from_code,
    varied,
)
from optuna_nas.training import seeded

if TYPE_CHECKING:
    from optuna_nas.drawing import Graph

__all__ = ["Exported", "export"]

_EXAMPLES = 2  # with which a program is made; it takes any number
_CHECKED = 3
_ORDER = ("model.py", "weights.pt", "model.pt2", "model.onnx", "architecture.svg")
_EXTRA = ("onnx", "onnxruntime", "onnxscript")


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Exported:
    """Files that :func:`export` wrote. Printing it gives a list.

    Attributes:
        folder: Where.
        files: Path of each file that was written.
        errors: By the name of a file that was run, the largest difference from the network on
            random inputs, or on examples that were given, as a share of the largest output (of
            1 if that is below).
        failures: By the name of a file that could not be written, the reason.
    """

    folder: Path
    files: tuple[Path, ...]
    errors: Mapping[str, float]
    failures: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __repr__(self) -> str:
        failed = {self.folder / name: reason for name, reason in self.failures.items()}
        width = max(len(str(file)) for file in (*self.files, *failed))
        lines = []
        for file in self.files:
            error = self.errors.get(file.name)
            told = "" if error is None else f"  run and compared: differs by {error:.1e}"
            lines.append(f"{file!s:<{width}}{file.stat().st_size:>12,} bytes{told}")
        lines += [f"{file!s:<{width}}  not written: {reason}" for file, reason in failed.items()]
        return "\n".join(lines)


def export(
    model: nn.Module,
    folder: str | Path,
    *,
    input_size: tuple[int, ...] | None = None,
    inputs: Any = None,
    title: str = "",
    classes: Sequence[str] = (),
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    graph: Graph | None = None,
    onnx: bool = True,
    dynamic_axes: Mapping[Any, Any] | None = None,
) -> Exported:
    """Write a network in forms that need nothing of this package.

    - ``model.py``, readable code that needs only torch, see :func:`model_code`;
    - ``weights.pt``, its ``state_dict``, read by ``model.load()``;
    - ``model.pt2``, a program of ``torch.export`` for any number of examples;
    - ``model.onnx``, the same for other runtimes, run by onnxruntime to compare it: its inputs are
      ``input``, or ``input_0``, ``input_1``... in order, or have their own names; its output is
      ``output``;
    - ``architecture.svg``, where there is a ``graph``.

    A network that cannot be written in one of these forms is written in the others, and a warning
    is logged; ``failures`` of the result says why. Without code, the programs are made from the
    model itself, and ``weights.pt`` is its whole ``state_dict``.

    Example:
        >>> import tempfile
        >>> from torch import nn
        >>> from optuna_nas.export import export
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        >>> exported = export(model, tempfile.mkdtemp(), input_size=(1, 8, 8), onnx=False)
        >>> [file.name for file in exported.files]
        ['model.py', 'weights.pt', 'model.pt2']

    Args:
        model: Gives one tensor; on any device, which it does not leave.
        folder: Made if it does not exist.
        input_size: As for :func:`model_code`. Default: (3, 32, 32).
        inputs: As for :func:`model_code`.
        title: As for :func:`model_code`, and so are the three that follow.
        classes: See there.
        mean: See there.
        std: See there.
        graph: ``architecture.graph()``.
        onnx: Whether to write ONNX, which needs ``pip install "optuna-nas[onnx]"``.
        dynamic_axes: Names of axes beside the batch whose sizes may change in ``model.pt2`` and
            ``model.onnx``: ``{2: "height", 3: "width"}`` for a single input,
            ``{"image": {2: "height"}, "words": {1: "length"}}`` or, by place, ``{0: {1: "time"}}``
            for several; axes of one name always have one size. Torch writes a recurrent layer
            out step by step, so that its time cannot change. Default: the batch alone.

    Raises:
        ImportError: If ONNX is wanted and the extra is missing.
        ValueError: If the network cannot take such inputs, gives anything but one tensor, or
            ``dynamic_axes`` are none of its.
    """
    if onnx:
        _require_extra()
    examples = examples_of(input_size, inputs, default=(3, 32, 32))
    axes = axes_of(dynamic_axes, examples.spec)
    answer_of(model, examples.batch(model))  # lazy modules must be made before anything else
    examples = varied(model, examples)
    batch = example_batch(model, examples, _CHECKED)
    other = resized(model, batch, examples.spec, axes)
    writer = Writer(Path(folder), model, batch, other)
    network = None
    with writer.reporting("model.py"):
        code = model_code(model, inputs=examples, title=title, classes=classes, mean=mean, std=std)
        network = _with_weights(code, model)
    writer.write_weights("weights.pt", model if network is None else network)
    if network is not None:
        writer.write_code("model.py", code)
    program = None
    with writer.reporting("model.pt2"):
        # In code, sizes have become numbers: what may vary in size is made from the model itself.
        is_code = network is not None and other is None
        alone = network if is_code else copy.deepcopy(model).cpu().eval()
        program = writer.write_program("model.pt2", _program(alone, examples, axes))
    if onnx:
        with writer.reporting("model.onnx"):
            writer.write_onnx("model.onnx", program, examples.spec, axes)
    if graph is not None:
        save_picture(graph, writer.folder / "architecture.svg")
        writer.files.append(writer.folder / "architecture.svg")
    return Exported(
        folder=writer.folder,
        files=tuple(sorted(writer.files, key=lambda file: _ORDER.index(file.name))),
        errors=writer.errors,
        failures=writer.failures,
    )


def _program(network: nn.Module, examples: Examples, axes: Axes) -> torch.export.ExportedProgram:
    batch = example_batch(network, examples, _EXAMPLES)
    args = () if isinstance(batch, dict) else parts_of(batch)
    kwargs = batch if isinstance(batch, dict) else {}
    one = torch.export.Dim("batch", min=1)
    # What a network needs of the sizes, such as even ones, is found out by torch.
    dims = {
        id(part): {axis: torch.export.Dim.DYNAMIC if axis else one for axis in names}
        for part, names in zip(parts_of(batch), axes, strict=True)
    }
    bound = inspect.signature(network.forward).bind(*args, **kwargs).arguments
    shapes = tree_map(lambda part: dims[id(part)], dict(bound))
    with warnings.catch_warnings():  # recurrent layers keep a list of their weights for cuDNN
        warnings.filterwarnings("ignore", r"The tensor attributes? .*_flat_weights", UserWarning)
        return torch.export.export(network, args, kwargs, dynamic_shapes=shapes)


def _with_weights(code: str, model: nn.Module) -> nn.Module:
    """The network of the code with the model's weights."""
    with seeded(0):
        network = module_from_code(code)
    give_weights(network, model)
    return network.eval()


def _require_extra() -> None:
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"ONNX needs {', '.join(missing)}, which are not installed: pip install "
            '"optuna-nas[onnx]", or leave ONNX out (onnx=False, --no-onnx).'
        )
