"""Feature maps have the channels, reductions and shapes of timm's (1.0.31)."""

import pytest
import torch

from optuna_nas.nn import cell_network
from optuna_nas.scaling import MnasNet, ResNet, efficientnet
from optuna_nas.spaces import published

timm = pytest.importorskip("timm")

LARGE = {"num_classes": 9, "in_channels": 3, "stem": "imagenet_large"}
NETWORKS = {
    "efficientnet_b0": lambda **more: efficientnet("b0", **more),
    "mnasnet_100": lambda **more: MnasNet.named("b1").build(**more),
    "resnet50": lambda **more: ResNet(kind="bottleneck", blocks=(3, 4, 6, 3)).build(**more),
    "nasnetalarge": lambda **more: cell_network(
        *published.NASNET_A.genotype, cells=6, channels=168, **{**LARGE, **more}
    ),
    "pnasnet5large": lambda **more: cell_network(
        *published.PNASNET_5.genotype, cells=4, channels=216, assembly="pnas", **{**LARGE, **more}
    ),
}


SLOW = ("nasnetalarge", "pnasnet5large")
SMALL = [name for name in NETWORKS if name not in SLOW]


@pytest.mark.parametrize(
    "name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_maps_are_those_of_timm(name):
    x = torch.zeros(1, 3, 224, 192, device="meta")
    with torch.device("meta"):
        theirs = timm.create_model(name, features_only=True)
        ours = NETWORKS[name](features_only=True)
        assert ours.feature_info.channels() == theirs.feature_info.channels()
        assert ours.feature_info.reduction() == theirs.feature_info.reduction()
        assert [m.shape for m in ours(x)] == [m.shape for m in theirs(x)]


@pytest.mark.parametrize("name", SMALL)
def test_features_and_heads_are_those_of_timm(name):
    x = torch.zeros(1, 3, 224, 192, device="meta")
    with torch.device("meta"):
        theirs, ours = timm.create_model(name, num_classes=0), NETWORKS[name](num_classes=0)
        assert ours.num_features == theirs.num_features
        assert ours.forward_features(x).shape == theirs.forward_features(x).shape
        assert ours(x).shape == theirs(x).shape == (1, ours.num_features)
        for model in (theirs, ours):
            model.reset_classifier(7)
            assert model.num_classes == 7
            assert model(x).shape == (1, 7)
            assert model.forward_head(model.forward_features(x), pre_logits=True).shape[1] > 7
