"""Published ways to train, by name: ``recipes.DARTS_CIFAR`` or ``recipes.by_name("darts_cifar")``.

Each holds what its paper or released code says; what neither could be seen to say is named under
*Ours* in its description. What belongs to the network is not in a recipe: an auxiliary head, drop
path and dropout of the head are arguments of ``architecture.build``. The ImageNet recipes are for
the batches of many accelerators: ``with_batch_size(256)`` scales them down.

References:
    [Zoph2017] Neural Architecture Search with Reinforcement Learning, arXiv 1611.01578.
    [Zoph2018] Learning Transferable Architectures for Scalable Image Recognition, arXiv
        1707.07012.
    [Liu2018] Progressive Neural Architecture Search, arXiv 1712.00559.
    [Pham2018] Efficient Neural Architecture Search via Parameter Sharing, arXiv 1802.03268.
    [Real2019] Regularized Evolution for Image Classifier Architecture Search, arXiv 1802.01548.
    [Liu2019] DARTS: Differentiable Architecture Search, arXiv 1806.09055.
    [Tan2019] MnasNet, arXiv 1807.11626.
    [Tan2019b] EfficientNet, arXiv 1905.11946.
    [Dong2020] NAS-Bench-201, arXiv 2001.00326.
    [Bello2021] Revisiting ResNets: Improved Training and Scaling Strategies, arXiv 2103.07579.

Differences from the papers:
    1. Images are padded by 4 pixels and cropped where [Zoph2017] and [Zoph2018] enlarge and crop.
    2. ImageNet: a crop of 8 % or more of the image and a flip; no distortion of colours.
    3. Weight decay acts on all weights, and after gradients are clipped; TensorFlow's is a part
       of the loss that is clipped with it.
    4. The schedule after a warm-up starts where the warm-up ends. Cosines fall at every step,
       those of [Pham2018] at every epoch. Drop path of [Liu2019] is one epoch ahead of the
       released code, so that the last epoch has the final probability.
    5. RandAugment's magnitude counts on torchvision's scale of 0..30.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from optuna_nas._ground.checks import require_choice
from optuna_nas.training._recipe import Recipe

__all__ = [
    "AMOEBANET_CIFAR",
    "AMOEBANET_IMAGENET",
    "DARTS_CIFAR",
    "DARTS_IMAGENET",
    "EFFICIENTNET_IMAGENET",
    "ENAS_MACRO_FINAL",
    "ENAS_MACRO_SEARCH",
    "ENAS_MICRO_FINAL",
    "ENAS_MICRO_SEARCH",
    "MNASNET_IMAGENET",
    "NASBENCH201",
    "NASNET_CIFAR",
    "NASNET_IMAGENET",
    "NASNET_IMAGENET_MOBILE",
    "NAS_RL_CIFAR",
    "NAMES",
    "PNAS_CIFAR",
    "RESNET_RS_IMAGENET",
    "TABLE",
    "by_name",
    "published_epochs",
]

NAS_RL_CIFAR = Recipe(lr=0.1, weight_decay=1e-4, crop_padding=4, flip=True)
"""Children of [Zoph2017], 50 epochs. Ours: the batch, and a cosine (the schedule of the search is
not published)."""

NASBENCH201 = Recipe(
    lr=0.1, weight_decay=5e-4, batch_size=256, schedule="cosine", crop_padding=4, flip=True
)
"""NAS-Bench-201 on 32x32 images, 200 epochs [Dong2020]; ``crop_padding=2`` for 16x16."""

_NASNET = Recipe(
    nesterov=False,
    weight_decay=5e-4,
    crop_padding=4,
    flip=True,
    clip_grad_norm=5.0,
)

NASNET_CIFAR = dataclasses.replace(
    _NASNET, lr=0.025, batch_size=32, drop_path=0.4, drop_path_schedule="steps"
)
"""The final networks of [Zoph2018] on CIFAR-10, 600 epochs; ``cutout=16`` for the rows "+ cutout".
Ours: no Nesterov."""

PNAS_CIFAR = NASNET_CIFAR
"""The final networks of [Liu2018], 600 epochs. All of it is ours: what the paper says could not be
seen, and its training is recalled to be that of [Zoph2018]."""

AMOEBANET_CIFAR = dataclasses.replace(
    _NASNET,
    lr=0.024,
    batch_size=128,
    auxiliary_weight=0.5,
    drop_path=0.3,
    drop_path_schedule="steps",
    clip_grad_norm=None,
)
"""The final networks of [Real2019] on CIFAR-10, 600 epochs. Readings: "0.7 probability" of drop
path is what is kept, "half weight" of the auxiliary loss is 0.5. Ours: no Nesterov, no clipping.
"""

DARTS_CIFAR = dataclasses.replace(
    _NASNET, lr=0.025, weight_decay=3e-4, batch_size=96, cutout=16, drop_path=0.2
)
"""The final networks of [Liu2019] on CIFAR-10, 600 epochs."""

_IMAGENET = Recipe(nesterov=False, resized_crop=0.08, flip=True, label_smoothing=0.1)

DARTS_IMAGENET = dataclasses.replace(
    _IMAGENET,
    lr=0.1,
    weight_decay=3e-5,
    batch_size=128,
    schedule="exponential",
    lr_decay=0.97,
    lr_decay_epochs=1.0,
    clip_grad_norm=5.0,
)
"""The networks of [Liu2019] on ImageNet, 250 epochs. Ours: the momentum is that of CIFAR-10."""

_ENAS = dataclasses.replace(
    _NASNET, nesterov=True, lr=0.05, schedule="cosine_restarts", restart_epochs=10.0
)

ENAS_MICRO_SEARCH = dataclasses.replace(
    _ENAS,
    weight_decay=2e-4,
    batch_size=160,
    lr_min=0.0005,
    drop_path=0.4,
    drop_path_schedule="steps",
)
"""Shared weights of the micro space of [Pham2018], 150 epochs. The released L2 factors multiply
the sum of squares, so weight decay is twice as large here and in the three recipes below. Ours:
drop path grows at every step, the norm that is clipped is that of all gradients together."""

ENAS_MICRO_FINAL = dataclasses.replace(
    _ENAS,
    weight_decay=4e-4,
    batch_size=144,
    lr_min=0.0001,
    drop_path=0.4,
    drop_path_schedule="steps",
)
"""Final networks of the micro space of [Pham2018], 630 epochs (the end of the sixth cosine)."""

ENAS_MACRO_SEARCH = dataclasses.replace(_ENAS, weight_decay=5e-4, batch_size=128, lr_min=0.0005)
"""Shared weights of the macro space of [Pham2018], 310 epochs."""

ENAS_MACRO_FINAL = dataclasses.replace(_ENAS, weight_decay=4e-4, batch_size=100, lr_min=0.001)
"""Final networks of the macro space of [Pham2018], 310 epochs."""

_RMSPROP = dataclasses.replace(
    _IMAGENET, optimizer="rmsprop", rms_decay=0.9, momentum=0.9, schedule="exponential"
)

NASNET_IMAGENET = dataclasses.replace(
    _RMSPROP,
    lr=1.5,
    rms_eps=1.0,
    weight_decay=5e-5,
    batch_size=1600,
    lr_decay=0.97,
    lr_decay_epochs=2.4,
    clip_grad_norm=10.0,
    ema_decay=0.9999,
    batch_norm_momentum=0.0003,
    batch_norm_eps=1e-3,
    drop_path=0.3,
    drop_path_schedule="steps",
)
"""The large networks of [Zoph2018] on ImageNet at 331 pixels (100 replicas of 16 images, a rate of
0.015 each). Ours: the momentum; a number of epochs could not be seen."""

NASNET_IMAGENET_MOBILE = dataclasses.replace(
    NASNET_IMAGENET, lr=2.0, weight_decay=4e-5, drop_path=0.0
)
"""The mobile networks of [Zoph2018] on ImageNet at 224 pixels (50 replicas of 32 images, a rate of
0.04 each). Ours: the momentum."""

AMOEBANET_IMAGENET = dataclasses.replace(
    _RMSPROP,
    lr=0.001,
    rms_eps=0.1,
    weight_decay=4e-5,
    batch_size=3200,
    lr_decay=0.97,
    lr_decay_epochs=2.0,
    drop_path=0.3,
    drop_path_schedule="steps",
)
"""The networks of [Real2019] on ImageNet at 331 pixels. Ours: the batch (32 images on each of its
100 accelerators) and the momentum."""

MNASNET_IMAGENET = dataclasses.replace(
    _RMSPROP,
    lr=0.256,
    rms_eps=1e-3,
    weight_decay=1e-5,
    batch_size=4096,
    lr_decay=0.97,
    lr_decay_epochs=2.4,
    warmup_epochs=5.0,
    ema_decay=0.9999,
    batch_norm_momentum=0.01,
    batch_norm_eps=1e-3,
)
"""The networks of [Tan2019] on ImageNet at 224 pixels, 350 epochs. Ours: RMSProp's epsilon."""

EFFICIENTNET_IMAGENET = dataclasses.replace(
    MNASNET_IMAGENET,
    policy="autoaugment_imagenet",
    drop_path=0.2,
    drop_path_schedule="constant",
)
"""The networks of [Tan2019b] on ImageNet, 350 epochs; the resolution is the network's. Ours:
RMSProp's epsilon."""

RESNET_RS_IMAGENET = dataclasses.replace(
    _IMAGENET,
    lr=1.6,
    weight_decay=4e-5,
    batch_size=4096,
    warmup_epochs=5.0,
    ema_decay=0.9999,
    policy="randaugment",
    randaugment_layers=2,
    randaugment_magnitude=10,
    drop_path_schedule="constant",
)
"""ResNet-RS-50 and -101 on ImageNet at 160 pixels, 350 epochs [Bello2021]; for 192 pixels and more
take ``randaugment_magnitude=15``, from ResNet-RS-200 on ``drop_path=0.1``. Ours: the warm-up, no
Nesterov."""

TABLE = Recipe(optimizer="adamw", nesterov=False, lr=3e-3, weight_decay=0.5, batch_size=64)
"""Ours, and what networks of tables are trained with by default: some 30 epochs for hundreds or
thousands of rows; take ``TABLE.with_batch_size(512)`` where there are many more."""

_RECIPES: Mapping[str, tuple[Recipe, int | None]] = MappingProxyType(
    {
        "nas_rl_cifar": (NAS_RL_CIFAR, 50),
        "nasnet_cifar": (NASNET_CIFAR, 600),
        "nasnet_imagenet": (NASNET_IMAGENET, None),
        "nasnet_imagenet_mobile": (NASNET_IMAGENET_MOBILE, None),
        "amoebanet_cifar": (AMOEBANET_CIFAR, 600),
        "amoebanet_imagenet": (AMOEBANET_IMAGENET, None),
        "pnas_cifar": (PNAS_CIFAR, 600),
        "darts_cifar": (DARTS_CIFAR, 600),
        "darts_imagenet": (DARTS_IMAGENET, 250),
        "enas_micro_search": (ENAS_MICRO_SEARCH, 150),
        "enas_micro_final": (ENAS_MICRO_FINAL, 630),
        "enas_macro_search": (ENAS_MACRO_SEARCH, 310),
        "enas_macro_final": (ENAS_MACRO_FINAL, 310),
        "nasbench201": (NASBENCH201, 200),
        "mnasnet_imagenet": (MNASNET_IMAGENET, 350),
        "efficientnet_imagenet": (EFFICIENTNET_IMAGENET, 350),
        "resnet_rs_imagenet": (RESNET_RS_IMAGENET, 350),
    }
)

NAMES: tuple[str, ...] = tuple(_RECIPES)
"""Names that :func:`by_name` takes."""


def by_name(name: str) -> Recipe:
    """Return the recipe of that name.

    Example:
        >>> from optuna_nas.training import recipes
        >>> recipes.by_name("darts_cifar").cutout
        16

    Args:
        name: One of ``NAMES``.

    Raises:
        ValueError: If there is no such recipe.
    """
    require_choice("name", name, NAMES)
    return _RECIPES[name][0]


def published_epochs(name: str) -> int | None:
    """Return for how many epochs the paper trains, None where that could not be seen.

    Args:
        name: One of ``NAMES``.

    Raises:
        ValueError: If there is no such recipe.
    """
    require_choice("name", name, NAMES)
    return _RECIPES[name][1]
