"""Folds batch norms into the convolutions before them, as a network is deployed.

In eval mode a batch norm is one factor and one shift per channel, which the convolution can have
in its own weights. Which batch norm follows which convolution is *observed* in a forward pass:
every operation is watched, and a pair counts if nobody else reads what the convolution puts out.
So it works for networks that ask for the size of their input, which ``torch.fx`` cannot trace.

Differences from ``torch.fx.experimental.optimization.fuse``: no tracing, and the folded network is
held against the original on random inputs; if the two differ, nothing is folded.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import Counter
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.nn.utils.parametrize import is_parametrized
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from optuna_nas._ground.forward import evaluating, run_forward
from optuna_nas._ground.inputs import Inputs, call, examples_of, home_of, parts_of

__all__ = ["FoldedNetwork", "fold_batch_norm"]

_CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TOLERANCE = 1e-3  # of the relative error; float32 stays below 1e-5
_HALF_TOLERANCE = 5e-2


@dataclasses.dataclass(frozen=True, kw_only=True)
class FoldedNetwork:
    """A network without the batch norms that its convolutions can do.

    Attributes:
        model: A copy in eval mode, even where nothing could be folded.
        folded: Batch norms that are gone.
        norms: Batch norms that the original runs.
        note: Why nothing was folded although there are batch norms; else empty.
    """

    model: nn.Module
    folded: int
    norms: int
    note: str = ""


def fold_batch_norm(
    model: nn.Module, input_size: tuple[int, ...] | None = None, *, inputs: Any = None
) -> FoldedNetwork:
    """Fold every batch norm that directly follows a convolution, in a copy.

    What is left: batch norms behind a sum, a concatenation or an activation, those that use the
    statistics of the batch, and modules that run more than once.

    Example:
        >>> from torch import nn
        >>> from optuna_nas.profiling import fold_batch_norm
        >>> folded = fold_batch_norm(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))
        >>> folded.folded, folded.model
        (1, Sequential(
          (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))
          (1): Identity()
        ))

    Args:
        model: A network that takes a batch (B, *input_size), or ``inputs``; it stays as it is.
        input_size: As for :func:`profile`. Default: (3, 224, 224).
        inputs: As for :func:`profile`; examples that are given are what is compared.

    Raises:
        ValueError: If the model cannot take such inputs, or both are given.
    """
    examples = examples_of(input_size, inputs, default=(3, 224, 224))
    with evaluating(model):
        # Lazy modules must be made before they are copied.
        run_forward(model, examples.batch(model))
        batch = examples.random(model)
        original = copy.deepcopy(model)
        pairs, norms = _observe(original, batch)
        if not pairs:
            note = "no batch norm follows a convolution directly" if norms else ""
            return FoldedNetwork(model=original, folded=0, norms=norms, note=note)
        folded = _without_norms(copy.deepcopy(original), pairs)
        # The observation sees tensors, not intentions: a forward that reads `conv.weight`, for
        # instance, is seen by the comparison only.
        if not _agree(original, folded, batch):
            note = "the folded network computes something else"
            return FoldedNetwork(model=original, folded=0, norms=norms, note=note)
    return FoldedNetwork(model=folded, folded=len(pairs), norms=norms)


class _Readers(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes which of the convolutions' outputs are read outside of batch norms.

    Attributes:
        made: The output of every convolution's run by its id, kept so that ids stay unique.
        read: Ids of those that something else than a batch norm reads.
        in_norm: Whether a batch norm is running.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.made: dict[int, tuple[nn.Module, torch.Tensor]] = {}
        self.read: set[int] = set()
        self.in_norm = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # What a batch norm does with the convolution's output is no other reader of it.
        if not self.in_norm:
            self.note_read((args, kwargs))
        return func(*args, **(kwargs or {}))

    def note_read(self, values: Any) -> None:
        self.read |= {id(leaf) for leaf in tree_leaves(values)} & self.made.keys()


def _observe(model: nn.Module, inputs: Inputs) -> tuple[dict[str, str], int]:
    """Return the convolution's name for each batch norm's that it can do; how many norms ran."""
    readers = _Readers()
    runs: Counter[nn.Module] = Counter()
    read: dict[nn.Module, tuple[nn.Module, torch.Tensor] | None] = {}

    def after_conv(module: nn.Module, _: Any, output: torch.Tensor) -> None:
        runs[module] += 1
        readers.made[id(output)] = (module, output)

    def before_norm(module: nn.Module, args: tuple[Any, ...]) -> None:
        runs[module] += 1
        readers.in_norm = True
        # Looked up now: the id of a tensor that is gone may be given to a convolution's output.
        read[module] = readers.made.get(id(args[0])) if args else None

    def after_norm(*_: Any) -> None:
        readers.in_norm = False

    hooks = []
    for module in model.modules():
        if isinstance(module, _CONVS) and _is_plain(module):
            hooks.append(module.register_forward_hook(after_conv))
        elif isinstance(module, _BatchNorm):
            hooks.append(module.register_forward_pre_hook(before_norm))
            hooks.append(module.register_forward_hook(after_norm))
    try:
        with readers:
            output = call(model, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    readers.note_read(output)  # what the network returns is read by its caller
    names = {module: name for name, module in model.named_modules()}
    pairs = {
        names[norm]: names[made[0]]
        for norm, made in read.items()
        if made is not None
        and id(made[1]) not in readers.read
        and runs[norm] == runs[made[0]] == 1  # weights are folded once, for one place
        and norm.running_mean is not None
    }
    return pairs, len(read)


def _is_plain(module: nn.Module) -> bool:
    """Whether the weights are what they seem: no parametrisation, nobody else's hooks."""
    return not (is_parametrized(module) or module._forward_hooks or module._forward_pre_hooks)


def _without_norms(model: nn.Module, pairs: dict[str, str]) -> nn.Module:
    """Put folded convolutions and identities in their places, in the model itself."""
    replaced: dict[nn.Module, nn.Module] = {}
    for norm_name, conv_name in pairs.items():
        norm, conv = model.get_submodule(norm_name), model.get_submodule(conv_name)
        assert isinstance(norm, _BatchNorm)
        assert isinstance(conv, _CONVS)
        replaced[conv] = fuse_conv_bn_eval(conv, norm)
        replaced[norm] = nn.Identity()
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if child in replaced:
                setattr(parent, name, replaced[child])
    return model.eval()


def _agree(first: nn.Module, second: nn.Module, inputs: Inputs) -> bool:
    """Whether two networks compute the same, up to rounding."""
    pairs = zip(_outputs(first, inputs), _outputs(second, inputs), strict=True)
    half = home_of(first)[0] in (torch.float16, torch.bfloat16)
    tolerance = _HALF_TOLERANCE if half else _TOLERANCE
    return all(
        bool((a - b).double().norm() <= tolerance * a.double().norm() + 1e-12)
        if a.is_floating_point()
        else torch.equal(a, b)
        for a, b in pairs
    )


def _outputs(model: nn.Module, inputs: Inputs) -> list[torch.Tensor]:
    device = parts_of(inputs)[0].device
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda, device_type="cuda"):
        torch.manual_seed(0)
        return [
            leaf for leaf in tree_leaves(call(model, inputs)) if isinstance(leaf, torch.Tensor)
        ]
