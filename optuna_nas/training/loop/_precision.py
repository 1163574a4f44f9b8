"""In which number format the layers of a network compute; weights stay float32.

References:
    Micikevicius et al., Mixed Precision Training, arXiv 1710.03740.
"""

from __future__ import annotations

import contextlib
import dataclasses

import torch

__all__ = ["Precision", "precision_on"]

_FORMATS = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclasses.dataclass(frozen=True)
class Precision:
    """Meaning of a recipe's ``precision`` on a device.

    Attributes:
        device: Type of the device, such as "cuda".
        format: Type of autocast; None: no autocast.
    """

    device: str
    format: torch.dtype | None

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """Return the context for forward passes and losses."""
        if self.format is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device, dtype=self.format)

    def scaler(self) -> torch.amp.GradScaler | None:
        """Return what keeps small gradients from vanishing; only float16 needs it."""
        if self.format is not torch.float16:
            return None
        return torch.amp.GradScaler(self.device)


def precision_on(device: torch.device, precision: str) -> Precision:
    """Return what a recipe's ``precision`` means on a device."""
    if precision == "float32":
        return Precision(device.type, None)
    if precision == "mixed":
        precision = "bfloat16" if _has_bfloat16(device) else "float16"
    return Precision(device.type, _FORMATS[precision])


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu"
