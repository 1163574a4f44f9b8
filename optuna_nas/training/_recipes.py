"""How a network is trained: the settings of one run, and published sets of them.

References:
    [Dong2020] NAS-Bench-201, arXiv 2001.00326, section 2.2 and its code (AutoDL-Projects).
    [Zoph2017] Neural Architecture Search with Reinforcement Learning, arXiv 1611.01578.

Differences from the papers:
    1. ``NAS_RL_CIFAR``: [Zoph2017] enlarges the image and crops 32x32 of it; here the image is
       padded by 4 pixels and cropped, as in the DenseNet code whose settings it follows. Its
       batch size and learning rate schedule of the search are not published: batches of 64 and a
       cosine are ours.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

__all__ = ["NASBENCH201", "NAS_RL_CIFAR", "Recipe"]

_OPTIMIZERS = ("sgd", "adamw")
_SCHEDULES = ("cosine", "constant")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of one training run. The defaults suit small data without augmentation.

    They are those of NAS-Bench-201 with a smaller batch, and no flips or crops, which would turn
    digits into other signs. For photographs take ``NASBENCH201`` or set ``flip`` and
    ``crop_padding``.

    Example:
        >>> from optuna_nas.training import Recipe
        >>> Recipe(lr=0.05, flip=True).lr
        0.05

    Attributes:
        optimizer: "sgd", or "adamw" (``momentum`` is its first beta, ``nesterov`` must be
            False).
        lr: Learning rate of the first step, more than 0.
        momentum: In [0, 1).
        nesterov: Nesterov's momentum; needs ``momentum`` > 0.
        weight_decay: L2 penalty on all weights (decoupled for "adamw"), at least 0.
        batch_size: Images per step, at least 2. A last batch of one image is left out, since
            batch norm cannot take it.
        schedule: "cosine", from ``lr`` to 0 over all steps, or "constant".
        label_smoothing: Share of the target spread over all classes, in [0, 1).
        clip_grad_norm: Largest norm of all gradients together, more than 0; None: no limit.
        crop_padding: Pixels of black around an image before a crop of its size; 0: no crop.
        flip: Mirror each image left to right with probability 1/2.
        drop_path: Final drop probability of paths in [0, 1), reached linearly over the epochs;
            the network must be built with drop path.
    """

    optimizer: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    batch_size: int = 64
    schedule: str = "cosine"
    label_smoothing: float = 0.0
    clip_grad_norm: float | None = None
    crop_padding: int = 0
    flip: bool = False
    drop_path: float = 0.0

    def __post_init__(self) -> None:
        _require_choice("optimizer", self.optimizer, _OPTIMIZERS)
        _require_choice("schedule", self.schedule, _SCHEDULES)
        _require_positive("lr", self.lr)
        if self.clip_grad_norm is not None:
            _require_positive("clip_grad_norm", self.clip_grad_norm)
        for name in ("momentum", "label_smoothing", "drop_path"):
            _require_share(name, getattr(self, name))
        if not (self.weight_decay >= 0 and math.isfinite(self.weight_decay)):
            raise ValueError(
                "`weight_decay` must be a finite number of at least 0, but got "
                f"weight_decay={self.weight_decay!r}."
            )
        _require_int("batch_size", self.batch_size, at_least=2)
        _require_int("crop_padding", self.crop_padding, at_least=0)
        self._check_nesterov()

    def _check_nesterov(self) -> None:
        if self.nesterov and self.optimizer != "sgd":
            raise ValueError(
                '`nesterov` must be False unless optimizer="sgd", but got nesterov=True and '
                f"optimizer={self.optimizer!r}: pass nesterov=False."
            )
        if self.nesterov and self.momentum == 0:
            raise ValueError(
                "`nesterov` needs momentum, but got nesterov=True and momentum=0.0: pass "
                "nesterov=False."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a dict for JSON; ``Recipe(**that)`` is equal to this one."""
        return dataclasses.asdict(self)


def _require_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        names = ", ".join(f'"{choice}"' for choice in choices)
        raise ValueError(f"`{name}` must be one of {names}, but got {name}={value!r}.")


def _require_positive(name: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"`{name}` must be a finite number above 0, but got {name}={value!r}.")


def _require_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"`{name}` must lie in [0, 1), but got {name}={value!r}.")


def _require_int(name: str, value: object, *, at_least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
        raise ValueError(
            f"`{name}` must be an integer of at least {at_least}, but got {name}={value!r}."
        )


NASBENCH201 = Recipe(
    lr=0.1, weight_decay=5e-4, batch_size=256, schedule="cosine", crop_padding=4, flip=True
)
"""The training of NAS-Bench-201 on 32x32 images [Dong2020] (crop padding 2 for 16x16)."""

NAS_RL_CIFAR = Recipe(lr=0.1, weight_decay=1e-4, crop_padding=4, flip=True)
"""The training of children in [Zoph2017] (50 epochs; see the module's *Differences*)."""
