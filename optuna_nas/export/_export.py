"""Writes a trained network into a folder: code, weights, ONNX, torch.export, a picture.

Every file is read back and must give what the network gives before it is kept. What cannot be
written in one form is written in the others.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import importlib.util
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import torch
from torch import nn

from optuna_nas.drawing import save_picture
from optuna_nas.export._code import (
    answer_of,
    example_images,
    model_code,
    module_from_code,
    state_for,
)
from optuna_nas.export._text import UnwritableError
from optuna_nas.stores import write_atomically
from optuna_nas.training import save_weights, seeded

if TYPE_CHECKING:
    from optuna_nas.drawing import Graph

__all__ = ["Exported", "export"]

_TOLERANCE = 1e-4  # of the largest output, and at least of 1
_EXAMPLES = 2  # images that a program is made with; it takes any number
_CHECKED = 3
_ORDER = ("model.py", "weights.pt", "model.pt2", "model.onnx", "architecture.svg")
_EXTRA = ("onnx", "onnxruntime", "onnxscript")

_logger = optuna.logging.get_logger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Exported:
    """Files that :func:`export` wrote. Printing it gives a list.

    Attributes:
        folder: Where.
        files: Path of each file that was written.
        errors: By the name of a file that was run, the largest difference from the network on
            random images, as a share of the largest output (of 1 if that is below).
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
    input_size: tuple[int, ...] = (3, 32, 32),
    title: str = "",
    classes: Sequence[str] = (),
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    graph: Graph | None = None,
    onnx: bool = True,
) -> Exported:
    """Write a network in forms that need nothing of this package.

    - ``model.py``, readable code that needs only torch, see :func:`model_code`;
    - ``weights.pt``, its ``state_dict``, read by ``model.load()``;
    - ``model.pt2``, a program of ``torch.export`` for any number of images;
    - ``model.onnx``, the same for other runtimes, run by onnxruntime to compare it;
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
        model: Takes float images (B, C, H, W), gives logits; on any device, which it does not
            leave.
        folder: Made if it does not exist.
        input_size: (C, H, W).
        title: As for :func:`model_code`, and so are the three that follow.
        classes: See there.
        mean: See there.
        std: See there.
        graph: ``architecture.graph()``.
        onnx: Whether to write ONNX, which needs ``pip install "optuna-nas[onnx]"``.

    Raises:
        ImportError: If ONNX is wanted and the extra is missing.
        ValueError: If the network cannot take an input of this size, or gives anything but one
            tensor.
    """
    if onnx:
        _require_extra()
    images = example_images(model, input_size, _CHECKED)
    writer = _Writer(Path(folder), images.cpu(), answer_of(model, images).cpu())
    network = None
    with writer.reporting("model.py"):
        code = model_code(model, input_size, title=title, classes=classes, mean=mean, std=std)
        network = _with_weights(code, model)
    writer.write_weights("weights.pt", model if network is None else network)
    if network is not None:
        writer.write_code("model.py", code)
    program = None
    with writer.reporting("model.pt2"):
        alone = copy.deepcopy(model).cpu().eval() if network is None else network
        program = writer.write_program("model.pt2", _program(alone, input_size))
    if onnx:
        with writer.reporting("model.onnx"):
            writer.write_onnx("model.onnx", program)
    if graph is not None:
        save_picture(graph, writer.folder / "architecture.svg")
        writer.files.append(writer.folder / "architecture.svg")
    return Exported(
        folder=writer.folder,
        files=tuple(sorted(writer.files, key=lambda file: _ORDER.index(file.name))),
        errors=writer.errors,
        failures=writer.failures,
    )


class _DiffersError(Exception):
    """A file does not give what the network gives."""


class _Writer:
    """Writes files into a folder and compares what they give with what is wanted."""

    def __init__(self, folder: Path, images: torch.Tensor, wanted: torch.Tensor) -> None:
        self.folder = folder
        self.files: list[Path] = []
        self.errors: dict[str, float] = {}
        self.failures: dict[str, str] = {}
        self._images = images
        self._wanted = wanted
        folder.mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def reporting(self, name: str) -> Iterator[None]:
        """Go on without a file that cannot be made; an older one would not fit the others."""
        try:
            yield
        except OSError:  # the disk, not the network
            raise
        except Exception as e:  # torch's compilers raise all kinds
            told = str(e).strip().partition("\n")[0] or "no reason given"
            known = isinstance(e, UnwritableError | _DiffersError)
            self.failures[name] = told if known else f"{type(e).__name__}: {told}"
            self.errors.pop(name, None)
            (self.folder / name).unlink(missing_ok=True)
            _logger.warning(f"{self.folder / name} is not written: {self.failures[name]}")

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all."""
        write_atomically(self.folder / name, content)
        self.files.append(self.folder / name)

    def write_weights(self, name: str, network: nn.Module) -> None:
        """Write the network's ``state_dict``."""
        save_weights(network, self.folder / name)
        self.files.append(self.folder / name)

    def write_code(self, name: str, code: str) -> None:
        """Write code whose ``load()`` gives what is wanted; the weights are there already."""
        content = code.encode()
        with self.reporting(name):
            self.compare(name, _loaded(content, self.folder / name))
            self.write(name, content)

    def write_program(
        self, name: str, program: torch.export.ExportedProgram
    ) -> torch.export.ExportedProgram:
        """Write a program of ``torch.export`` that gives what is wanted, and return it."""
        buffer = io.BytesIO()
        torch.export.save(program, buffer)
        content = buffer.getvalue()
        self.compare(name, torch.export.load(io.BytesIO(content)).module())
        self.write(name, content)
        return program

    def write_onnx(self, name: str, program: torch.export.ExportedProgram | None) -> None:
        """Write the program as ONNX that gives what is wanted."""
        import onnxruntime

        if program is None:
            raise UnwritableError("It is made from model.pt2, which is not written.")
        made = torch.onnx.export(
            program, input_names=["images"], output_names=["logits"], dynamo=True, verbose=False
        )
        assert made is not None
        content = made.model_proto.SerializeToString()
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

        def run(images: torch.Tensor) -> torch.Tensor:
            (logits,) = session.run(None, {"images": images.numpy()})
            return torch.from_numpy(logits)

        self.compare(name, run)
        self.write(name, content)

    def compare(self, name: str, run: Any) -> None:
        """Note by how much what a file gives differs.

        Raises:
            _DiffersError: If that is too much.
        """
        with torch.no_grad():
            given = run(self._images)
        largest = max(1.0, float(self._wanted.abs().max()))
        error = float((given - self._wanted).abs().max()) / largest
        self.errors[name] = error
        if not error <= _TOLERANCE:
            raise _DiffersError(
                f"{name} must give what the network gives, but differs by {error:.2g} of the "
                f"largest output, and {_TOLERANCE:g} is allowed."
            )


def _program(network: nn.Module, input_size: tuple[int, ...]) -> torch.export.ExportedProgram:
    images = example_images(network, input_size, _EXAMPLES)
    batch = torch.export.Dim("batch", min=1)
    with warnings.catch_warnings():  # recurrent layers keep a list of their weights for cuDNN
        warnings.filterwarnings("ignore", r"The tensor attributes? .*_flat_weights", UserWarning)
        return torch.export.export(network, (images,), dynamic_shapes=({0: batch},))


def _with_weights(code: str, model: nn.Module) -> nn.Module:
    """The network of the code with the model's weights."""
    with seeded(0):
        network = module_from_code(code)
    network.load_state_dict(state_for(network, model))
    return network.eval()


def _loaded(code: bytes, path: Path) -> nn.Module:
    """Return the network of a file's ``load()``, with the weights beside it."""
    space: dict[str, Any] = {"__name__": "model", "__file__": str(path)}
    exec(compile(code, "model.py", "exec"), space)
    with seeded(0):
        network: nn.Module = space["load"]()
    return network


def _require_extra() -> None:
    missing = [name for name in _EXTRA if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"ONNX needs {', '.join(missing)}, which are not installed: pip install "
            '"optuna-nas[onnx]", or leave ONNX out (onnx=False, --no-onnx).'
        )
