"""Functions that call spaces of this package, for the tests."""

import torch
from torch import nn

from optuna_nas.spaces import (
    AmoebaNetSpace,
    CellSpace,
    DARTSSpace,
    ENASMacroSpace,
    ENASMicroSpace,
    MnasNetSpace,
    NASBench201Space,
    NASNetSpace,
    NASRLSpace,
    PNASSpace,
    choice,
    function_space,
)

X = torch.linspace(-1, 1, 2 * 1 * 16 * 16).sin().reshape(2, 1, 16, 16)
SIZE = {"cells": 3, "channels": 4, "in_channels": 1}
ENCODER = DARTSSpace(num_nodes=2, prefix="enc_")


class UNet(nn.Module):
    """Reads the maps of an encoder, low resolutions first: ``(B, 1, H, W) -> (B, K, H, W)``."""

    def __init__(self, encoder, num_classes):
        super().__init__()
        self.encoder = encoder
        channels = encoder.feature_info.channels()
        self.joins = nn.ModuleList(
            nn.Conv2d(high + low, high, 3, padding=1)
            for high, low in zip(channels, channels[1:], strict=False)
        )
        self.out = nn.Conv2d(channels[0], num_classes, 1)

    def forward(self, x):
        *maps, low = self.encoder(x)
        for high, join in zip(reversed(maps), reversed(self.joins), strict=True):
            low = nn.functional.interpolate(low, size=high.shape[2:])
            low = join(torch.cat([high, low], dim=1)).relu()
        return self.out(low)


@function_space
def unet(trial, num_classes=2):
    return UNet(ENCODER(trial, **SIZE, features_only=True), num_classes)


class Sides(nn.Module):
    def __init__(self, front, side, head):
        super().__init__()
        self.front, self.side, self.head = front, side, head

    def forward(self, x):
        return self.head(torch.cat([self.front(x), self.side(x)], dim=1))


@function_space(prefix="my_")
def sides(trial, num_classes=3):
    """Two encoders of different kinds, a decision of its own, and a prefix around all."""
    front = DARTSSpace(num_nodes=1, prefix="front_")(trial, **SIZE, num_classes=0)
    side = NASBench201Space(prefix="side_")(
        trial, cells=1, channels=4, in_channels=1, num_classes=0
    )
    width = front.num_features + side.num_features
    head = {"linear": lambda: nn.Linear(width, num_classes), "two": lambda: two(width)}

    def two(width):
        return nn.Sequential(nn.Linear(width, 4), nn.ReLU(), nn.Linear(4, num_classes))

    return Sides(front, side, choice(trial, "head", head))


@function_space(prefix="my_")
def tiny(trial, num_classes=3):
    """Few enough to be counted: 16 encoders, 4 others, 2 ways to go on."""
    ops = ("skip_connect", "max_pool_3x3")
    maps = DARTSSpace(num_nodes=1, ops=ops, prefix="a_")(trial, **SIZE, features_only=True)
    channels = maps.feature_info.channels()[0]
    pnas = PNASSpace(num_blocks=1, ops=("identity",), prefix="b_")(
        trial, cells=1, channels=4, in_channels=channels, num_classes=num_classes, dropout=0.0
    )
    acts = {"relu": nn.ReLU, "skip": nn.Identity}
    return nn.Sequential(maps, First(), choice(trial, "act", acts), pnas)


class First(nn.Module):
    def forward(self, maps):
        return maps[0]


@function_space
def either(trial, num_classes=3):
    """A space that is there under one decision only."""
    small = {"cells": 1, "channels": 4, "in_channels": 1, "num_classes": num_classes}
    kinds = {
        "nb": lambda: NASBench201Space(prefix="nb_")(trial, **small),
        "enas": lambda: ENASMicroSpace(num_blocks=1, prefix="enas_")(trial, **small, dropout=0.0),
        "plain": lambda: nn.Sequential(nn.Flatten(), nn.Linear(256, num_classes)),
    }
    return choice(trial, "kind", kinds)


@function_space(prefix="in_")
def inner(trial):
    return NASBench201Space(prefix="nb_")(trial, cells=1, channels=4, in_channels=1, num_classes=0)


@function_space
def outer(trial, num_classes=3):
    """A function that calls a function that calls a space."""
    features = inner(trial)
    return nn.Sequential(features, nn.Linear(features.num_features, num_classes))


def conv(channels, stride):
    return nn.Conv2d(channels, channels, 1, stride)


# With what they are called, in both readings.
RELAXED = {
    DARTSSpace(num_nodes=1, prefix="p_"): {"cells": 3, "channels": 4},
    NASBench201Space(prefix="p_"): {"cells": 1, "channels": 4},
    NASNetSpace(num_blocks=1, prefix="p_"): {"cells": 1, "channels": 4, "dropout": 0.0},
    AmoebaNetSpace(num_blocks=1, prefix="p_"): {"cells": 1, "channels": 4, "dropout": 0.0},
    PNASSpace(num_blocks=1, prefix="p_"): {"cells": 1, "channels": 4, "dropout": 0.0},
    ENASMicroSpace(num_blocks=1, prefix="p_"): {"cells": 1, "channels": 4, "dropout": 0.0},
    ENASMacroSpace(num_layers=3, prefix="p_"): {"channels": 4, "dropout": 0.0},
    CellSpace(ops={"conv": conv, "skip": "identity"}, num_blocks=1, prefix="p_"): {
        "cells": 1,
        "channels": 4,
        "dropout": 0.0,
    },
}
DISCRETE = {
    MnasNetSpace(widths=(8,), layers=(1,), strides=(1,), filters=(1.0,), prefix="p_"): {},
    NASRLSpace(num_layers=2, prefix="p_"): {},
}
CALLED = {}


@function_space
def around(trial, num_classes=3):
    """Whatever space stands in ``CALLED``."""
    space, arguments = CALLED["space"], CALLED["arguments"]
    return nn.Sequential(nn.Conv2d(1, 3, 1), space(trial, num_classes=num_classes, **arguments))
