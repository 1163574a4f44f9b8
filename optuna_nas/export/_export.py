"""Writes a trained network into a folder: code, weights, ONNX, torch.export, a picture.

Every file is read back and must give what the network gives before it is kept.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from optuna_nas.drawing import save_picture
from optuna_nas.export._code import example_images, model_code, module_from_code, state_for
from optuna_nas.profiling._forward import evaluating
from optuna_nas.stores import write_atomically
from optuna_nas.training import save_weights, seeded

if TYPE_CHECKING:
    from optuna_nas.drawing import Graph

__all__ = ["Exported", "export"]

_TOLERANCE = 1e-4  # of the largest output, and at least of 1
_EXAMPLES = 2  # images that a program is made with; it takes any number
_CHECKED = 3
_EXTRA = ("onnx", "onnxruntime", "onnxscript")


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Exported:
    """What :func:`export` wrote. Printing it gives a list.

    Attributes:
        folder: Where.
        files: Path of each file, in the order in which they were written.
        errors: By the name of a file that was run, the largest difference from the network on
            random images, as a share of the largest output (of 1 if that is below).
    """

    folder: Path
    files: tuple[Path, ...]
    errors: Mapping[str, float]

    def __repr__(self) -> str:
        width = max(len(str(file)) for file in self.files)
        lines = []
        for file in self.files:
            error = self.errors.get(file.name)
            told = "" if error is None else f"  run and compared: differs by {error:.1e}"
            lines.append(f"{file!s:<{width}}{file.stat().st_size:>12,} bytes{told}")
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
        UnwritableError: If the network cannot be written as code.
        ImportError: If ONNX is wanted and the extra is missing.
        ValueError: If the network cannot take an input of this size.
        RuntimeError: If a file does not give what the network gives.
    """
    if onnx:
        _require_extra()
    code = model_code(model, input_size, title=title, classes=classes, mean=mean, std=std)
    with seeded(0):
        network = module_from_code(code)
    network.load_state_dict(state_for(network, model))
    network.eval()
    images = example_images(model, input_size, _CHECKED)
    with evaluating(model):
        wanted = model(images).cpu()
    writer = _Writer(Path(folder), images.cpu(), wanted)
    writer.write("model.py", code.encode())
    writer.write_weights("weights.pt", network)
    writer.compare("model.py", _read_code(writer.folder))
    program = _program(network, input_size)
    writer.write_program("model.pt2", program)
    if onnx:
        writer.write_onnx("model.onnx", program)
    if graph is not None:
        save_picture(graph, writer.folder / "architecture.svg")
        writer.files.append(writer.folder / "architecture.svg")
    return Exported(folder=writer.folder, files=tuple(writer.files), errors=writer.errors)


class _Writer:
    """Writes files into a folder and compares what they give with what is wanted."""

    def __init__(self, folder: Path, images: torch.Tensor, wanted: torch.Tensor) -> None:
        self.folder = folder
        self.files: list[Path] = []
        self.errors: dict[str, float] = {}
        self._images = images
        self._wanted = wanted
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all."""
        write_atomically(self.folder / name, content)
        self.files.append(self.folder / name)

    def write_weights(self, name: str, network: nn.Module) -> None:
        """Write the network's ``state_dict``."""
        save_weights(network, self.folder / name)
        self.files.append(self.folder / name)

    def write_program(self, name: str, program: torch.export.ExportedProgram) -> None:
        """Write a program of ``torch.export`` that gives what is wanted."""
        buffer = io.BytesIO()
        torch.export.save(program, buffer)
        content = buffer.getvalue()
        self.compare(name, torch.export.load(io.BytesIO(content)).module())
        self.write(name, content)

    def write_onnx(self, name: str, program: torch.export.ExportedProgram) -> None:
        """Write the program as ONNX that gives what is wanted."""
        import onnxruntime

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
            RuntimeError: If that is too much.
        """
        with torch.no_grad():
            given = run(self._images)
        largest = max(1.0, float(self._wanted.abs().max()))
        error = float((given - self._wanted).abs().max()) / largest
        self.errors[name] = error
        if not error <= _TOLERANCE:
            raise RuntimeError(
                f"{name} must give what the network gives, but differs by {error:.2g} of the "
                f"largest output, and {_TOLERANCE:g} is allowed."
            )


def _program(network: nn.Module, input_size: tuple[int, ...]) -> torch.export.ExportedProgram:
    images = example_images(network, input_size, _EXAMPLES)
    batch = torch.export.Dim("batch", min=1)
    return torch.export.export(network, (images,), dynamic_shapes=({0: batch},))


def _read_code(folder: Path) -> nn.Module:
    """What ``load()`` of the written file gives."""
    space: dict[str, Any] = {"__name__": "model", "__file__": str(folder / "model.py")}
    exec(compile((folder / "model.py").read_text(), "model.py", "exec"), space)
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
