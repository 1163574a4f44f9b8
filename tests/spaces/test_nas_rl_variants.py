"""NAS-RL's variants: predicted strides, and blocks of three layers with pooling."""

import pytest
import torch
from space_testing import ImageSpaceTestCase

from optuna_nas.spaces import NASRLSpace, published, sample_architectures

POOLING = NASRLSpace(num_layers=13, filters=(6, 12, 24, 36), block_layers=3, pool_after=(13, 24))


class TestNASRLSpaceOfBlocks(ImageSpaceTestCase):
    num_builds = 1

    @pytest.fixture
    def space(self):
        return NASRLSpace(num_layers=3, filters=(6, 12), block_layers=3, pool_after=(4, 7))


def test_thirteen_decisions_are_39_layers():
    assert POOLING.num_architectures == (4 * 4 * 4) ** 13 * 2**78
    model = sample_architectures(POOLING, 1)[0].build()
    assert len(model.layers) == 39
    assert len(POOLING.distributions()) == 13 * 3 + 78


def test_a_block_is_fully_connected():
    space = NASRLSpace(num_layers=2, filters=(6, 12), block_layers=3)
    one = space.parse("3x3@6 | 5x1@12 <- 1").build()
    assert one.inputs == [(0,), (0, 1), (0, 1, 2), (1, 2, 3), (1, 2, 3, 4), (1, 2, 3, 4, 5)]
    assert one.outputs == (6,)
    widths = [layer[0].in_channels for layer in one.layers]
    assert widths == [3, 9, 15, 18, 30, 42]
    apart = space.parse("3x3@6 | 5x1@12").build()
    assert apart.inputs[3:] == [(0,), (0, 4), (0, 4, 5)]
    assert apart.outputs == (3, 6)


def test_more_filters_for_every_layer():
    space = NASRLSpace(num_layers=1, filters=(6,), block_layers=3)
    model = space.parse("3x3@6").build(extra_filters=40)
    assert [layer[0].out_channels for layer in model.layers] == [46, 46, 46]
    with pytest.raises(ValueError, match="`extra_filters` must be at least 0, but got"):
        space.parse("3x3@6").build(extra_filters=-1)


def test_a_pool_halves_all_maps():
    space = NASRLSpace(num_layers=3, pool_after=(1, 2))
    model = space.parse("3x3@24 | 1x1@36 <- 1 | 1x1@24 <- 1").build()
    seen = []
    for layer in model.layers:
        layer.register_forward_hook(lambda module, x, out: seen.append(tuple(out.shape[2:])))
    assert model(torch.zeros(2, 3, 9, 6)).shape == (2, 10)
    assert seen == [(9, 6), (5, 3), (3, 2)]
    assert model.eval()(torch.zeros(1, 3, 1, 1)).shape == (1, 10)


def test_pools_by_hand():
    model = NASRLSpace(num_layers=2, pool_after=(1,)).parse("3x3@24 | 1x1@36").build().eval()
    x = torch.randn(1, 3, 6, 6)
    pool = torch.nn.MaxPool2d(2)
    first, second = pool(model.layers[0](x)), model.layers[1](pool(x))
    expected = model.head(torch.cat([first, second], dim=1))
    assert torch.allclose(model(x), expected, atol=1e-6)


def test_digests_tell_pools_and_blocks_apart():
    text = "3x3@36 | 3x3@36 <- 1"
    spaces = [
        NASRLSpace(num_layers=2, pool_after=pools, block_layers=layers)
        for pools in ((), (1,), (2,), (1, 2))
        for layers in (1, 2)
    ]
    assert len({space.parse(text).digest for space in spaces}) == len(spaces)
    behind_the_end = NASRLSpace(num_layers=2, pool_after=(9,)).parse(text)
    assert behind_the_end.digest == spaces[0].parse(text).digest


def test_layers_are_exchanged_on_one_side_of_a_pool_only():
    one, other = "3x3@36 | 5x5@24 | 1x1@24 <- 1,2", "5x5@24 | 3x3@36 | 1x1@24 <- 1,2"
    for pools, equal in [((), True), ((2,), True), ((1,), False)]:
        space = NASRLSpace(num_layers=3, pool_after=pools)
        assert (space.parse(one).digest == space.parse(other).digest) is equal


def test_choices_of_filters_are_not_in_the_digest():
    text = "3x3@36 | 3x3@36 <- 1"
    digests = {
        NASRLSpace(num_layers=2, filters=filters).parse(text).digest
        for filters in ((24, 36, 48, 64), (6, 12, 24, 36))
    }
    assert len(digests) == 1
    assert published.NAS_RL_V1.space.filters == (24, 36, 48, 64)


def test_strides_shrink_the_maps():
    space = NASRLSpace(num_layers=2, strides=(1, 2, 3))
    model = space.parse("3x3/2x3@24 | 1x1/2x1@36 <- 1").build()
    assert [layer[0].stride for layer in model.layers] == [(2, 3), (2, 1)]
    shapes = [tuple(model.layers[0](torch.zeros(2, 3, 8, 8)).shape)]
    assert shapes == [(2, 24, 4, 3)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"filters": ()}, "`filters` must be different positive integers"),
        ({"filters": (6, 6)}, r"but got filters=\(6, 6\)"),
        ({"block_layers": 0}, "`block_layers` must be at least 1"),
        ({"block_layers": 3, "strides": (1, 2)}, r"above 1 only with strides=\(1,\)"),
        ({"pool_after": (0,)}, "`pool_after` must be different positive"),
    ],
)
def test_wrong_settings(options, message):
    with pytest.raises(ValueError, match=message):
        NASRLSpace(**options)


def test_picture():
    labels = [node.label for node in sample_architectures(POOLING, 1)[0].graph().nodes]
    assert len(labels) == 15
    assert labels[5].startswith("5\n")
    assert labels[5].endswith("3 layers\nhalved after 13")
    assert labels[8].endswith("3 layers\nhalved after 24")
