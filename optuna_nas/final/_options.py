"""Options of final training, written once for all that train candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    import torch

    from optuna_nas.final._comparison import FinalRun

__all__ = ["FinalTrainingOptions"]


class FinalTrainingOptions(TypedDict, total=False):
    """Options of every final training beside what is trained; all of them may be left out.

    Args:
        seeds: Number of seeds, from 0 on, or the seeds themselves. Default: 3.
        device: ``"auto"`` (CUDA, MPS, CPU) or any torch device. Default: ``"auto"``.
        channels_last: Whether to use that memory format, which tensor cores and many CPUs prefer.
            Default: False.
        compile: Whether to compile the training step's forward pass, for runs of many thousand
            steps. Default: False.
        on_run: Function that is called with the candidate's name and each run as it is known.
            Default: None.
    """

    seeds: int | Sequence[int]
    device: str | torch.device
    channels_last: bool
    compile: bool
    on_run: Callable[[str, FinalRun], None] | None
