"""Choice of the device on which a network is trained."""

from __future__ import annotations

import torch

__all__ = ["resolve_device"]


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """Return the device of that name, or the fastest one of this machine for "auto".

    Example:
        >>> from optuna_nas.training import resolve_device
        >>> resolve_device("cpu")
        device(type='cpu')

    Args:
        device: "auto" (CUDA, else MPS, else the CPU), a name such as "cpu", "cuda" or "cuda:1",
            or a ``torch.device``.

    Raises:
        ValueError: If there is no such device here.
    """
    if device == "auto":
        return _fastest_device()
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as e:
        raise ValueError(_message(device)) from e
    if not _is_here(found):
        raise ValueError(_message(device))
    return found


def _fastest_device() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _is_here(device: torch.device) -> bool:
    if device.type == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    if device.type == "mps":
        return bool(torch.backends.mps.is_available())
    return device.type == "cpu"


def _message(device: object) -> str:
    here = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        here.append("mps")
    return (
        f"`device` must be a device of this machine, but got device={str(device)!r}: take "
        f'"auto" or one of {", ".join(here)}.'
    )
