"""Multilayer perceptrons of tables, layer by layer."""

import math

import pytest
import torch
from torch import nn

from optuna_nas.nn.networks import FeatureEmbedding, MLPNetwork, TargetUnit

SETTINGS = {
    "activation": "relu",
    "norm": "none",
    "skip": False,
    "dropout": 0.0,
    "embedding": "none",
    "in_features": 3,
    "out_features": 2,
    "embedding_size": 4,
    "frequencies": 5,
    "frequency_scale": 0.1,
}


def network(*widths, **changes):
    torch.manual_seed(0)
    return MLPNetwork(widths, **{**SETTINGS, **changes})


def test_plain_layers_are_linear_maps_and_activations():
    model = network(4, 5, activation="tanh")
    x = torch.randn(6, 3)
    first, second = model.layers
    hidden = torch.tanh(second.linear(torch.tanh(first.linear(x))))
    torch.testing.assert_close(model(x), model.head(hidden))


def test_the_norm_stands_before_the_activation_and_dropout_after_it():
    model = network(4, norm="batch", dropout=0.5)
    (layer,) = model.layers
    x = torch.randn(6, 3)
    model.eval()
    torch.testing.assert_close(model(x), model.head(layer.norm(layer.linear(x)).relu()))
    model.train()
    kept = layer(torch.randn(500, 3)) > 0
    assert 0.15 < kept.float().mean() < 0.35  # half of the positive half


@pytest.mark.parametrize(("norm", "module"), [("batch", nn.BatchNorm1d), ("layer", nn.LayerNorm)])
def test_norms(norm, module):
    assert [type(layer.norm) for layer in network(4, 5, norm=norm).layers] == [module, module]


def test_shortcuts_begin_at_the_second_layer():
    model = network(4, 4, 7, skip=True)
    x = torch.randn(6, 3)
    first, second, third = model.layers
    assert first.shortcut is None
    assert third.shortcut.weight.shape == (7, 4)
    one = first.linear(x).relu()
    two = second.linear(one).relu() + one
    three = third.linear(two).relu() + third.shortcut(two)
    torch.testing.assert_close(model(x), model.head(three))


def test_a_periodic_embedding_is_made_of_sines_and_cosines():
    embedding = FeatureEmbedding("periodic", 2, 3, 4, 0.5)
    assert embedding.out_features == 6
    x = torch.randn(5, 2)
    angles = 2 * math.pi * x[:, 1:] * embedding.frequencies[1]
    parts = torch.cat([angles.cos(), angles.sin()], 1)
    wanted = (parts @ embedding.weight[1] + embedding.bias[1]).relu()
    torch.testing.assert_close(embedding(x)[:, 3:], wanted)


def test_the_scale_of_frequencies_is_their_deviation():
    embedding = FeatureEmbedding("periodic", 100, 2, 50, 0.25)
    assert embedding.frequencies.std().item() == pytest.approx(0.25, rel=0.05)


def test_outputs_have_the_unit_of_the_targets():
    model, plain = network(4, target_mean=[10.0, 20.0], target_std=[2.0, 3.0]), network(4)
    x = torch.randn(6, 3)
    wanted = plain(x) * torch.tensor([2.0, 3.0]) + torch.tensor([10.0, 20.0])
    torch.testing.assert_close(model(x), wanted)
    assert not [name for name, _ in model.named_parameters() if name.startswith("unit")]
    assert TargetUnit(5.0, None, 2)(torch.zeros(1, 2)).tolist() == [[5.0, 5.0]]


def test_other_dimensions_are_flattened():
    model = network(4, in_features=12)
    x = torch.randn(2, 3, 2, 2)
    torch.testing.assert_close(model(x), model(x.reshape(2, 12)))


@pytest.mark.parametrize("shape", [(6, 4), (3,), (6, 2, 2)])
def test_rows_of_another_size_are_refused(shape):
    with pytest.raises(ValueError, match=r"must have the in_features=3 numbers .* inputs have"):
        network(4)(torch.zeros(shape))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"in_features": 0}, "`in_features` must be"),
        ({"out_features": 0}, "`out_features` must be"),
        ({"embedding_size": 0}, "`embedding_size` must be"),
        ({"frequencies": 0, "embedding": "periodic"}, "`frequencies` must be"),
        ({"frequency_scale": 0.0, "embedding": "periodic"}, "`frequency_scale` must be"),
        ({"activation": "swish"}, "`activation` must be one of"),
        ({"norm": "group"}, "`norm` must be one of"),
        ({"embedding": "fourier"}, "`embedding` must be one of"),
        ({"dropout": 1.0}, "`dropout` must"),
        ({"target_mean": [1.0, 2.0, 3.0]}, "`target_mean` must be one number, or one for each"),
        ({"target_std": 0.0}, "`target_std` must be one positive number, or one for each of 2"),
        ({"target_std": "one"}, "`target_std` must be .* but got target_std='one'"),
    ],
)
def test_wrong_arguments(changes, message):
    with pytest.raises(ValueError, match=message):
        network(4, **changes)
