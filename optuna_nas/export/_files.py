"""Files of an exported network, each of which is run and compared before it is kept."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import torch
from torch import nn

from optuna_nas._ground.inputs import Inputs, InputSpec, call, map_tensors, parts_of
from optuna_nas.export._axes import Axes
from optuna_nas.export._runs import answer_of
from optuna_nas.export._text import UnwritableError
from optuna_nas.stores import write_atomically
from optuna_nas.training import save_weights, seeded

__all__ = ["Writer"]

_TOLERANCE = 1e-4  # of the largest output, and at least of 1

_logger = optuna.logging.get_logger(__name__)


class _DiffersError(Exception):
    """A file does not give what the network gives."""


class Writer:
    """Writes files into a folder and compares what they give with what the model gives.

    Args:
        folder: Made if it does not exist.
        model: On any device.
        batch: Inputs of the model to compare on.
        other: The same in other sizes, for programs alone.
    """

    def __init__(
        self, folder: Path, model: nn.Module, batch: Inputs, other: Inputs | None
    ) -> None:
        self.folder = folder
        self.files: list[Path] = []
        self.errors: dict[str, float] = {}
        self.failures: dict[str, str] = {}
        self._batch = _on_cpu(batch), answer_of(model, batch).cpu()
        self._other = None if other is None else (_on_cpu(other), answer_of(model, other).cpu())
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
            loaded = _loaded(content, self.folder / name)
            self.compare(name, lambda inputs: call(loaded, inputs))
            self.write(name, content)

    def write_program(
        self, name: str, program: torch.export.ExportedProgram
    ) -> torch.export.ExportedProgram:
        """Write a program of ``torch.export`` that gives what is wanted, and return it."""
        buffer = io.BytesIO()
        torch.export.save(program, buffer)
        content = buffer.getvalue()
        loaded = torch.export.load(io.BytesIO(content)).module()
        self.compare(name, lambda inputs: call(loaded, inputs), varies=True)
        self.write(name, content)
        return program

    def write_onnx(
        self,
        name: str,
        program: torch.export.ExportedProgram | None,
        spec: InputSpec,
        axes: Axes,
    ) -> None:
        """Write the program as ONNX that gives what is wanted."""
        import onnxruntime

        if program is None:
            raise UnwritableError("It is made from model.pt2, which is not written.")
        names = ["input"] if spec.single else [f"input_{k}" for k in range(len(spec.parts))]
        names = [*spec.names] or names
        with warnings.catch_warnings():  # the batch has its name at each input, and one is enough
            warnings.filterwarnings("ignore", "# The axis name", UserWarning)
            made = torch.onnx.export(
                program,
                input_names=names,
                output_names=["output"],
                dynamic_shapes=dict(zip(names, axes, strict=True)),
                dynamo=True,
                verbose=False,
            )
        assert made is not None
        content = made.model_proto.SerializeToString()
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])

        def run(inputs: Inputs) -> torch.Tensor:
            given = zip(names, parts_of(inputs), strict=True)
            (output,) = session.run(None, {name: part.numpy() for name, part in given})
            return torch.from_numpy(output)

        self.compare(name, run, varies=True)
        self.write(name, content)

    def compare(
        self, name: str, run: Callable[[Inputs], torch.Tensor], *, varies: bool = False
    ) -> None:
        """Note by how much what a file gives differs, for inputs of several sizes if it varies.

        Raises:
            _DiffersError: If that is too much.
        """
        others = [self._other] if varies and self._other is not None else []
        for batch, wanted in [self._batch, *others]:
            with torch.no_grad():
                given = run(batch)
            if given.shape != wanted.shape:
                raise _DiffersError(
                    f"{name} must give what the network gives, but gives {tuple(given.shape)} for "
                    f"{tuple(wanted.shape)}."
                )
            largest = max(1.0, float(wanted.abs().max()))
            error = float((given - wanted).abs().max()) / largest
            self.errors[name] = max(error, self.errors.get(name, 0.0))
            if not error <= _TOLERANCE:
                raise _DiffersError(
                    f"{name} must give what the network gives, but differs by {error:.2g} of the "
                    f"largest output, and {_TOLERANCE:g} is allowed."
                )


def _on_cpu(inputs: Inputs) -> Inputs:
    return map_tensors(lambda part: part.cpu(), inputs)


def _loaded(code: bytes, path: Path) -> nn.Module:
    """Return the network of a file's ``load()``, with the weights beside it."""
    space: dict[str, Any] = {"__name__": "model", "__file__": str(path)}
    exec(compile(code, "model.py", "exec"), space)
    with seeded(0):
        network: nn.Module = space["load"]()
    return network
