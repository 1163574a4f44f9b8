"""A network made by hand that costs as much as a found one: ResNet-20, wider or narrower.

Legend: ``B`` batch, ``I`` image channels, ``W`` filters of the first stage, ``H`` x ``V`` pixels.

References:
    He, Zhang, Ren, Sun. Deep Residual Learning for Image Recognition. CVPR 2016. arXiv:1512.03385,
    section 4.2.

Differences from the paper:
    1. Shortcuts between stages are 1x1 convolutions with batch norm, as torchvision's are.
    2. The first stage has ``W`` filters instead of 16.
    3. Images above 64 pixels first pass the stem of the ImageNet networks, which divides height
       and width by 4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from optuna_nas._ground.checks import require_int, require_sizes
from optuna_nas.final._candidate import Candidate
from optuna_nas.nn.networks import ResNetwork
from optuna_nas.objectives._build import decided_arguments
from optuna_nas.profiling import profile
from optuna_nas.training import ImageData, task_of

if TYPE_CHECKING:
    from optuna_nas.training import Data, Task

__all__ = ["CifarResNet", "is_task_of_resnet", "resnet_of_equal_macs"]

BLOCKS = (3, 3, 3)  # of each stage
LARGEST_SMALL_IMAGE = 64
LARGEST_WIDTH = 4096
NAME = "ResNet-20"

_PART = {"conv": "body.{}.0", "bn": "body.{}.1"}


class CifarResNet(ResNetwork):
    """ResNet-20: ``(B, I, H, V) -> (B, num_classes)``.

    It also loads weights that were kept under torchvision's names, as they once were.

    Args:
        width: ``W``; 16 in the paper. Doubled in the second and the third stage.
        num_classes: Number of logits.
        in_channels: ``I``.
        large: Whether images are large, see *Differences*.

    Raises:
        ValueError: If a number is below 1.
    """

    def __init__(
        self, width: int = 16, *, num_classes: int = 10, in_channels: int = 3, large: bool = False
    ) -> None:
        require_sizes(width=width)
        super().__init__(
            BLOCKS,
            kind="basic",
            stem="imagenet" if large else "cifar",
            num_classes=num_classes,
            in_channels=in_channels,
            channels=[width * 2**stage for stage in range(len(BLOCKS))],
            drop_path=None,
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """Give the weights of older files their names of today, whatever holds the network."""
        for key in [key for key in state_dict if key.startswith(prefix)]:
            name = prefix + _todays_name(key.removeprefix(prefix))
            state_dict[name] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def is_task_of_resnet(data: Data, task: Task) -> bool:
    """Whether a ResNet-20 can be trained on data for a task: images, and one row of outputs each.

    Args:
        data: Any data.
        task: Any task; one that does not say the number of outputs is none of a ResNet-20.
    """
    outputs = decided_arguments(data, task).get("num_classes")
    if not isinstance(data, ImageData) or outputs is None:
        return False
    _, targets = next(iter(data.train.batches([torch.arange(1)])))
    try:
        task.bound_to(data).check(torch.zeros(1, outputs), targets)
    except ValueError:
        return False
    return True


def resnet_of_equal_macs(data: ImageData, macs: int, *, task: Task | None = None) -> Candidate:
    """Return the ResNet-20 whose multiply-adds for an image of ``data`` come nearest to ``macs``.

    Args:
        data: Decides image, channels and classes.
        macs: Multiply-adds that it may cost, such as the found network's.
        task: Task that decides the number of outputs; None: that of the data.

    Raises:
        ValueError: If ``macs`` is below 1.
    """
    require_int("macs", macs)
    arguments: dict[str, Any] = {
        "num_classes": decided_arguments(data, task_of(data, task))["num_classes"],
        "in_channels": data.in_channels,
        "large": max(data.image_size) > LARGEST_SMALL_IMAGE,
    }

    def cost(width: int) -> int:
        with torch.device("meta"):
            model = CifarResNet(width, **arguments)
        return profile(model, data.input_size).macs

    low, high = 1, 2  # double, then halve the interval
    while cost(high) < macs and high < LARGEST_WIDTH:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if cost(middle) < macs else (low, middle)
    width = min(low, high, key=lambda w: abs(cost(w) - macs))
    return rebuilt({"network": NAME, "width": width, "build": arguments})


def rebuilt(origin: Mapping[str, Any]) -> Candidate:
    """Return the candidate with the origin of a ResNet-20."""
    width, arguments = origin["width"], origin["build"]
    return Candidate(
        name=f"resnet20-{width}",
        make=lambda: CifarResNet(width, **arguments),
        origin=origin,
    )


def _todays_name(key: str) -> str:
    """Return a weight's name; older ones are torchvision's within a row of all blocks."""
    if found := re.fullmatch(r"stem\.([01])\.(\w+)", key):
        return f"stem.0.{found[1]}.{found[2]}"  # convolution and norm in one layer
    if found := re.fullmatch(r"blocks\.(\d+)\.(conv|bn|downsample\.)([012])\.(\w+)", key):
        stage, block = divmod(int(found[1]), BLOCKS[0])
        kind, number = found[2], int(found[3])
        part = f"shortcut.{number}" if kind == "downsample." else _PART[kind].format(number - 1)
        return f"stages.{stage}.{block}.{part}.{found[4]}"
    return re.sub(r"^head\.2\.", "head.fc.", key)
