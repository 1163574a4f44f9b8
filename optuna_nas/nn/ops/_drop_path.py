"""Drop path: in training, a path is left out for some of the examples of a batch.

Legend: ``B`` batch, ``C`` channels, ``H``/``W`` height and width.

References:
    - Larsson et al. FractalNet. ICLR 2017. arXiv:1605.07648.
    - Zoph et al. Learning Transferable Architectures for Scalable Image Recognition. CVPR 2018.
      arXiv:1707.07012 (ScheduledDropPath).
"""

from __future__ import annotations

import torch
from torch import nn

from optuna_nas._ground.checks import require_probability

__all__ = ["DropPath", "set_drop_path"]


class DropPath(nn.Module):
    """Zero for a share ``drop_prob`` of the examples, the others scaled up: ``(B, C, H, W)``.

    Args:
        drop_prob: Probability of dropping an example's path.
        scale: Factor of the probability that :func:`set_drop_path` sets here.
    """

    def __init__(self, drop_prob: float = 0.0, *, scale: float = 1.0) -> None:
        super().__init__()
        self.drop_prob = drop_prob
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.drop_prob == 0.0:
            return x
        keep = 1.0 - self.drop_prob
        mask = x.new_empty(x.shape[0], *[1] * (x.dim() - 1)).bernoulli_(keep)
        return x * mask / keep if keep > 0.0 else x * mask

    def extra_repr(self) -> str:
        return f"drop_prob={self.drop_prob:g}, scale={self.scale:g}"


def set_drop_path(model: nn.Module, p: float) -> None:
    """Set the probability of drop path in a whole network: the only hook a training loop needs.

    Call it before every step or epoch with ``p = final probability * progress``. In networks of
    the NASNet family and ENAS, layer ``l`` of ``L`` drops with ``p * (l + 1) / L``, which is
    ScheduledDropPath; in DARTS every layer drops with ``p``; in MnasNet and EfficientNet layer
    ``l`` with ``p * l / L``; in ResNet-RS stage ``s`` of 4 with ``p * (s + 1) / 5``.

    Args:
        model: Any network; every module with an attribute ``drop_prob`` is set, a
            :class:`DropPath` to its ``scale * p``.
        p: Drop probability in [0, 1].

    Raises:
        ValueError: If ``p`` lies outside, or is above 0 and the network has no drop path.
    """
    require_probability("drop_path", p)
    found = [module for module in model.modules() if hasattr(module, "drop_prob")]
    if not found and p > 0.0:
        raise ValueError(
            f"`drop_path` must be 0 for a network without drop path, but {type(model).__name__} "
            "has no module with a `drop_prob`: build it with drop path, or set drop_path=0.0."
        )
    for module in found:
        scale = module.scale if isinstance(module, DropPath) else 1.0
        module.drop_prob = p * scale  # type: ignore[assignment]
