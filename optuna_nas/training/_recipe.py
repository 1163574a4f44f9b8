"""How a network is trained: the settings of one run, as a value.

Published sets of them stand in :mod:`optuna_nas.training.recipes`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from optuna_nas._ground.bounds import MAX_SIDE
from optuna_nas._ground.checks import (
    require_bool,
    require_choice,
    require_int,
    require_number,
    require_positive,
    require_share,
)

__all__ = ["Recipe"]

OPTIMIZERS = ("sgd", "adamw", "rmsprop")
SCHEDULES = ("cosine", "cosine_restarts", "exponential", "constant")
POLICIES = ("randaugment", "autoaugment_imagenet", "autoaugment_cifar10", "autoaugment_svhn")
DROP_PATH_SCHEDULES = ("epochs", "steps", "constant")
SHORTEST_COSINE = 0.01  # epochs
PRECISIONS = ("float32", "mixed", "bfloat16", "float16")

_POSITIVE = ("lr", "rms_eps", "lr_decay", "lr_decay_epochs")
_OPTIONAL_POSITIVE = ("clip_grad_norm", "batch_norm_momentum", "batch_norm_eps", "resized_crop")
_SHARES = ("momentum", "label_smoothing", "drop_path", "rms_decay")
_NOT_NEGATIVE = ("weight_decay", "lr_min", "warmup_epochs", "auxiliary_weight")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings of one training run. The defaults suit small data without augmentation.

    They are those of NAS-Bench-201 with a smaller batch, and no flips or crops, which would turn
    digits into other signs. For photographs take one of :mod:`optuna_nas.training.recipes` or set
    ``flip`` and ``crop_padding``.

    Example:
        >>> from optuna_nas.training import Recipe
        >>> Recipe(lr=0.05, flip=True).lr
        0.05

    Attributes:
        optimizer: "sgd"; "adamw" (``momentum`` is its first beta); or "rmsprop", which is
            TensorFlow's (see :class:`~optuna_nas.training.optim._rmsprop.TensorFlowRMSProp`).
            ``nesterov`` must be False for the last two.
        lr: Learning rate of the schedule's first step, more than 0.
        momentum: In [0, 1).
        nesterov: Nesterov's momentum; needs ``momentum`` > 0.
        rms_decay: Share of the mean square that "rmsprop" keeps, in [0, 1).
        rms_eps: Number that "rmsprop" adds to the mean square under the root, more than 0.
        weight_decay: L2 penalty on all weights (decoupled for "adamw"), at least 0.
        batch_size: Images per step, of all processes together, at least 2. A last batch of one
            image is left out, since batch norm cannot take it.
        schedule: "cosine", from ``lr`` to ``lr_min`` over all steps; "cosine_restarts", the same
            again and again; "exponential", times ``lr_decay`` every ``lr_decay_epochs``; or
            "constant". Each begins when the warm-up is over.
        lr_min: Where a cosine ends, at most ``lr``.
        restart_epochs: Length of the first cosine of "cosine_restarts", at least 0.01.
        restart_factor: How many times longer each cosine is than the one before, at least 1.
        lr_decay: Factor of "exponential", in (0, 1].
        lr_decay_epochs: Epochs between two decays of "exponential", more than 0.
        warmup_epochs: Epochs in which the rate rises linearly from 0 to ``lr``.
        label_smoothing: Share of the target spread over all classes, in [0, 1).
        clip_grad_norm: Largest norm of all gradients together, more than 0; None: no limit.
        ema_decay: Share of the averaged weights that a step keeps, in (0, 1); validation and the
            result then use the average. None: no average.
        auxiliary_weight: Weight of an auxiliary head's loss, where the network has one: in train
            mode it returns (logits, auxiliary logits).
        batch_norm_momentum: Share of new statistics in batch norm's running ones, in (0, 1]
            (TensorFlow's decay is 1 minus this); None: as the network was built.
        batch_norm_eps: Number that batch norm adds to the variance; None: as it was built.
        crop_padding: Pixels of black around an image before a crop of its size; 0: no crop.
        resized_crop: Smallest share of an image's area that a random crop, resized to the image
            size, takes, in (0, 1]; None: no such crop.
        flip: Mirror each image left to right with probability 1/2.
        policy: One of torchvision's: "randaugment", "autoaugment_imagenet",
            "autoaugment_cifar10" or "autoaugment_svhn", for images of 1 or 3 channels.
        randaugment_layers: Operations per image of "randaugment", at least 1.
        randaugment_magnitude: Strength of "randaugment" in 0..30, torchvision's scale.
        cutout: Side in pixels of a square set to the mean colour; its centre is any pixel, so it
            may hang over the edge. 0: none.
        drop_path: Final drop probability of paths (stochastic depth) in [0, 1); the network must
            be built with drop path.
        drop_path_schedule: How it is reached: "epochs", linearly, set anew at every epoch;
            "steps", linearly from 0, at every step; or "constant".
        precision: "float32"; "mixed", bfloat16 where the device has it, else float16;
            "bfloat16" or "float16". All but the first through ``torch.autocast``.
    """

    optimizer: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    nesterov: bool = True
    rms_decay: float = 0.9
    rms_eps: float = 1e-3
    weight_decay: float = 5e-4
    batch_size: int = 64
    schedule: str = "cosine"
    lr_min: float = 0.0
    restart_epochs: float = 10.0
    restart_factor: int = 2
    lr_decay: float = 0.97
    lr_decay_epochs: float = 2.4
    warmup_epochs: float = 0.0
    label_smoothing: float = 0.0
    clip_grad_norm: float | None = None
    ema_decay: float | None = None
    auxiliary_weight: float = 0.4
    batch_norm_momentum: float | None = None
    batch_norm_eps: float | None = None
    crop_padding: int = 0
    resized_crop: float | None = None
    flip: bool = False
    policy: str | None = None
    randaugment_layers: int = 2
    randaugment_magnitude: int = 9
    cutout: int = 0
    drop_path: float = 0.0
    drop_path_schedule: str = "epochs"
    precision: str = "float32"

    def __post_init__(self) -> None:
        self._check_choices()
        self._check_numbers()
        self._check_nesterov()

    def _check_choices(self) -> None:
        require_choice("optimizer", self.optimizer, OPTIMIZERS)
        require_choice("schedule", self.schedule, SCHEDULES)
        require_choice("drop_path_schedule", self.drop_path_schedule, DROP_PATH_SCHEDULES)
        require_choice("precision", self.precision, PRECISIONS)
        if self.policy is not None:
            require_choice("policy", self.policy, POLICIES)
        require_bool("nesterov", self.nesterov)
        require_bool("flip", self.flip)

    def _check_numbers(self) -> None:
        for name in _POSITIVE:
            require_positive(name, getattr(self, name))
        for name in _OPTIONAL_POSITIVE:
            if getattr(self, name) is not None:
                require_positive(name, getattr(self, name))
        for name in _SHARES:
            require_share(name, getattr(self, name))
        for name in _NOT_NEGATIVE:
            require_number(name, getattr(self, name), at_least=0)
        require_int("batch_size", self.batch_size, at_least=2)
        require_int("restart_factor", self.restart_factor)
        require_int("randaugment_layers", self.randaugment_layers)
        require_int("randaugment_magnitude", self.randaugment_magnitude, at_least=0, at_most=30)
        require_int("crop_padding", self.crop_padding, at_least=0, at_most=MAX_SIDE)
        require_int("cutout", self.cutout, at_least=0, at_most=MAX_SIDE)
        for name in ("lr_decay", "batch_norm_momentum", "resized_crop"):
            if getattr(self, name) is not None:
                require_number(name, getattr(self, name), at_least=0, at_most=1)
        # Cosines are counted one by one.
        require_number("restart_epochs", self.restart_epochs, at_least=SHORTEST_COSINE)
        require_number("lr_min", self.lr_min, at_least=0, at_most=self.lr)
        if self.ema_decay is not None:
            require_positive("ema_decay", self.ema_decay)
            require_share("ema_decay", self.ema_decay)

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

    def with_batch_size(self, batch_size: int) -> Recipe:
        """Return the recipe for another batch, with learning rates scaled in proportion.

        The published ImageNet recipes are for many accelerators at once; the linear rule is the
        one by which their learning rates were given.

        Example:
            >>> from optuna_nas.training import recipes
            >>> round(recipes.MNASNET_IMAGENET.with_batch_size(256).lr, 6)
            0.016

        Args:
            batch_size: Images per step, at least 2.
        """
        require_int("batch_size", batch_size, at_least=2)
        factor = batch_size / self.batch_size
        return dataclasses.replace(
            self, batch_size=batch_size, lr=self.lr * factor, lr_min=self.lr_min * factor
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as a dict for JSON; ``Recipe(**that)`` is equal to this one."""
        return dataclasses.asdict(self)
