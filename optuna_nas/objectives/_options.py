"""Options that all objectives share, written once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from optuna_nas._ground import optuna_seam as seam
from optuna_nas._ground.checks import require_options

if TYPE_CHECKING:
    import torch

    from optuna_nas.objectives.trial import Meter
    from optuna_nas.training import EpochResult

__all__ = ["ObjectiveOptions", "check_options"]


class ObjectiveOptions(TypedDict, total=False):
    """Options of every objective beside its own settings; all of them may be left out.

    Args:
        max_params: Upper limit on trainable parameters, at least 1, checked before training.
            Default: None, no limit.
        max_macs: Upper limit on multiply-adds of one input, at least 1, checked before training.
            Default: None, no limit.
        max_latency_ms: Upper limit on the measured latency, above 0, checked before training.
            Default: None, no limit.
        min_proxy: Lower limits on scores of the untrained network, such as ``{"naswot": 150.0}``;
            :func:`score_architectures` shows which scores there are. Default: None, no limit.
        latency: Measures latency where it is needed: a ``LatencyMeter``, or a function
            ``(model, input_size) -> milliseconds``. Default: ``LatencyMeter(device=device)``;
            objectives that scale a network need it given.
        artifact_store: Artifact store of Optuna for one picture per trial. Default: None, no
            pictures and no notes.
        notes: Whether a note for optuna-dashboard is written beside each picture. Notes live in
            the study; from some thousand trials on they slow it down. Default: True.
        checkpoints: Folder or artifact store of Optuna in which each trial keeps its state after
            every epoch. A trial whose process died then goes on from there when it is tried
            again. Default: None, it begins anew.
        keep_checkpoints: Number of best complete trials whose checkpoint is kept, at least 0; in
            studies with several objectives, of all on the Pareto front if this is not 0. Others
            are removed when a later trial begins. Default: 0.
        device: ``"auto"`` (CUDA, MPS, CPU) or any torch device. Default: ``"auto"``.
        on_epoch: Function that is called as ``on_epoch(phase, result)`` after every epoch, with
            ``"training"``, ``"search"`` (of a supernet), ``"evaluation"`` (of a derived network)
            or ``"shared_weights"`` as the phase. What it raises ends the trial. Default: None.
    """

    max_params: int | None
    max_macs: int | None
    max_latency_ms: float | None
    min_proxy: Mapping[str, float] | None
    latency: Meter | None
    artifact_store: seam.ArtifactStore | None
    notes: bool
    checkpoints: seam.ArtifactStore | str | Path | None
    keep_checkpoints: int
    device: str | torch.device
    on_epoch: Callable[[str, EpochResult], None] | None


def check_options(
    owner: object, options: Mapping[str, Any], known: type[Any] = ObjectiveOptions
) -> None:
    """Refuse options that there are not.

    Args:
        owner: The objective that they are given to.
        options: By name.
        known: Typed dictionary of those that there are.

    Raises:
        TypeError: If one is unknown.
    """
    require_options(type(owner).__name__, options, known)
