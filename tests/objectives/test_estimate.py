"""What a search would cost, held against what it does cost."""

from __future__ import annotations

import pytest
import torch

from optuna_nas.objectives import estimate
from optuna_nas.profiling import profile
from optuna_nas.spaces import NASBench201Space, NASRLSpace, sample_architectures
from optuna_nas.training import ImageData, load_data

SPACE = NASBench201Space()
TINY = {"cells": 1, "channels": 4}


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_data("digits", train_size=200, val_size=100)


def test_sizes_are_those_of_the_drawn_networks(data: ImageData) -> None:
    found = estimate(SPACE, data, build=TINY, samples=6, seed=3, max_params=9000)
    drawn = sample_architectures(SPACE, 6, seed=3)
    counted = [
        profile(a.build(num_classes=10, in_channels=1, **TINY), data.input_size) for a in drawn
    ]
    assert [(s.params, s.macs) for s in found.sizes] == [(c.params, c.macs) for c in counted]
    assert found.within_limits == sum(c.params <= 9000 for c in counted) / 6
    assert found.unfit == 0
    assert found.seconds_per_epoch > 0
    assert all(size.activations > 0 for size in found.sizes)
    text = str(found)
    assert "15,625" in text
    assert f"{max(c.params for c in counted):,}" in text


def test_networks_that_do_not_fit_the_images() -> None:
    images = torch.randint(0, 256, (60, 3, 2, 2), dtype=torch.uint8)
    dataset = torch.utils.data.TensorDataset(images, torch.arange(60) % 2)
    with pytest.raises(ValueError, match=r"None of 3 networks .* by image_size"):
        estimate(SPACE, ImageData.from_datasets("tiny", dataset), build=TINY, samples=3)


def test_no_sample_is_refused(data: ImageData) -> None:
    with pytest.raises(ValueError, match="`samples` must be at least 1"):
        estimate(SPACE, data, samples=0)


def test_samples_are_uniform_and_repeatable() -> None:
    cells = sample_architectures(SPACE, 300, seed=1)
    assert cells == sample_architectures(SPACE, 300, seed=1)
    assert cells != sample_architectures(SPACE, 300, seed=2)
    counts = [sum(cell.params["op_3_from_2"] == op for cell in cells) for op in SPACE_OPS]
    # 99.9 % of chi-squared with 4 degrees of freedom: 18.5
    assert sum((count - 60) ** 2 / 60 for count in counts) < 18.5
    depths = {len(a.genotype) for a in sample_architectures(NASRLSpace(num_layers=(2, 4)), 40)}
    assert depths == {2, 3, 4}


SPACE_OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
