"""Spaces of multilayer perceptrons: decisions, settings, digests, pictures."""

import dataclasses
import json

import pytest
import torch
from space_testing import new_study

from optuna_nas.spaces import SPACES, MLPSpace, sample_architectures, space_from_settings
from optuna_nas.testing import SpaceTestCase, SupernetTestCase

SPACE = MLPSpace()
SMALL = {"widths": (4, 8), "dropout": (0.0, 0.5)}
SIZES = {"in_features": 3, "out_features": 2, "embedding_size": 2, "frequencies": 2}


class TableSpaceTestCase(SpaceTestCase, SupernetTestCase):
    build = SIZES
    supernet_build = SIZES

    def inputs(self, space):
        return [torch.randn(5, 3), torch.randn(2, 3)]

    def check_output(self, output, space):
        super().check_output(output, space)
        assert output.shape[1:] == (2,)


class TestMLPSpace(TableSpaceTestCase):
    digests = {
        "num_layers=2, width=128, activation=gelu, norm=batch, skip=True, dropout=0.2, "
        "embedding=periodic": "01ce19e19b033527d94af2e6ca9fb629",
    }

    @pytest.fixture
    def space(self):
        return SPACE


class TestMLPSpaceOfOwnWidths(TableSpaceTestCase):
    @pytest.fixture
    def space(self):
        return MLPSpace(num_layers=(1, 3), same_width=False, prefix="table_", **SMALL)


class TestMLPSpaceOfOneDepth(TableSpaceTestCase):
    @pytest.fixture
    def space(self):
        return MLPSpace(num_layers=2, same_width=False, norms=("layer",), skip=(True,), **SMALL)


def test_sizes():
    assert SPACE.num_architectures == 7_200
    own = MLPSpace(same_width=False)
    assert own.num_architectures == (6 + 6**2 + 6**3 + 6**4 + 6**5) * 240 == 2_239_200
    assert MLPSpace(num_layers=3, same_width=False).num_architectures == 6**3 * 240


def test_golden_names_and_json():
    """Stored in people's studies: a change here breaks them."""
    trial = new_study().ask()
    architecture = SPACE.suggest(trial)
    assert {name: getattr(d, "choices", None) for name, d in trial.distributions.items()} == {
        "num_layers": None,
        "width": (16, 32, 64, 128, 256, 512),
        "activation": ("relu", "gelu", "silu", "tanh"),
        "norm": ("none", "batch", "layer"),
        "skip": (False, True),
        "dropout": (0.0, 0.1, 0.2, 0.3, 0.5),
        "embedding": ("none", "periodic"),
    }
    assert architecture.to_json().startswith(
        '{"space": "mlp", "version": 1, "settings": {"prefix": "", "num_layers": [1, 5], '
        '"widths": [16, 32, 64, 128, 256, 512], '
        '"activations": ["relu", "gelu", "silu", "tanh"], "norms": ["none", "batch", "layer"], '
        '"skip": [false, true], "dropout": [0.0, 0.1, 0.2, 0.3, 0.5], '
        '"embeddings": ["none", "periodic"], "same_width": true}, "params": {'
    )
    own = sample_architectures(MLPSpace(num_layers=2, same_width=False), 1)[0]
    assert {name for name in own.params if "width" in name} == {
        "layer_01_width",
        "layer_02_width",
    }


def test_the_space_is_known_by_its_name():
    assert SPACES["mlp"] is MLPSpace
    space = MLPSpace(num_layers=(2, 3), widths=(8, 16), same_width=False)
    assert space_from_settings(json.loads(json.dumps(space.identity))) == space


def test_a_shortcut_needs_a_second_layer():
    def digest(**decisions):
        others = {"width": 16, "activation": "relu", "norm": "none", "embedding": "none"}
        return SPACE.digest({**others, "dropout": 0.0, **decisions})

    assert digest(num_layers=1, skip=True) == digest(num_layers=1, skip=False)
    assert digest(num_layers=2, skip=True) != digest(num_layers=2, skip=False)


def test_parameters_of_another_kind_of_widths_are_refused():
    params = sample_architectures(MLPSpace(num_layers=2, same_width=False), 1)[0].params
    with pytest.raises(ValueError, match=r"did not ask for \['layer_01_width'"):
        SPACE.architecture({**params, "num_layers": 2, "width": 16})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_layers": (0, 3)}, r"`num_layers` must be .* but got num_layers=\(0, 3\)"),
        ({"same_width": 1}, "`same_width` must be True or False, but got same_width=1"),
        ({"widths": (16, 16)}, r"`widths` must be a tuple of different .* widths=\(16, 16\)"),
        ({"widths": (0,)}, "`widths` must be .* integers from 1 to 65536, but got"),
        ({"widths": (16.0,)}, r"`widths` must be .* but got widths=\(16.0,\)"),
        ({"widths": ()}, r"`widths` .* got widths=\(\)\. Leave it out for \(16, 32, 64"),
        ({"activations": ("relu", "swish")}, r"`activations` must be .* among \('relu'"),
        ({"norms": ["none"]}, "`norms` must be a tuple of different choices, among"),
        ({"skip": (0, 1)}, "`skip` must be a tuple of different choices, booleans, but got"),
        ({"dropout": (0.0, 1.0)}, r"`dropout` must be .* numbers in \[0, 1\), but got"),
        ({"embeddings": ("periodic", "fourier")}, r"`embeddings` must be .* 'periodic'\), but"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        MLPSpace(**settings)


def test_the_picture_shows_every_layer():
    space = MLPSpace(num_layers=2, same_width=False)
    network = space.parse(
        "layer_01_width=64, layer_02_width=16, activation=tanh, norm=layer, skip=True, "
        "dropout=0.3, embedding=periodic"
    )
    labels = [node.label for node in network.graph().nodes]
    assert labels == [
        "row",
        "periodic\nembedding",
        "layer 1\n64 units, tanh\nlayer norm\ndropout 0.3",
        "layer 2\n16 units, tanh\nlayer norm\ndropout 0.3\nresidual",
        "output",
    ]
    plain = space.architecture(
        {**network.params, "norm": "none", "dropout": 0.0, "embedding": "none", "skip": False}
    )
    assert [node.label for node in plain.graph().nodes] == [
        "row",
        "layer 1\n64 units, tanh",
        "layer 2\n16 units, tanh",
        "output",
    ]


def test_fixed_decisions_are_checked():
    space = dataclasses.replace(SPACE, prefix="table_", same_width=False)
    with pytest.raises(ValueError, match=r"does not ask for \['table_layer_03_width'\]"):
        space.supernet(fixed={"table_num_layers": 2, "table_layer_03_width": 16}, **SIZES)
    with pytest.raises(ValueError, match="`table_num_layers` must be"):
        space.supernet(fixed={"table_num_layers": 9}, **SIZES)
    with pytest.raises(ValueError, match="`table_norm` must be one of"):
        space.supernet(fixed={"table_norm": "group"}, **SIZES)
