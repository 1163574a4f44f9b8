"""The toy space's size and optimum, against trying everything."""

import itertools

import pytest

from optuna_nas.testing import ToySpace


def all_architectures(space):
    depths = space.num_layers
    low, high = depths if isinstance(depths, tuple) else (depths, depths)
    for depth in range(low, high + 1):
        for chain in itertools.product(space.ops, repeat=depth):
            yield space.parse(">".join(chain))


@pytest.mark.parametrize("num_layers", [1, 4, 6, (1, 6), (2, 3)])
@pytest.mark.parametrize("interaction", [0.0, 0.5, 1.0])
def test_size_and_optimum(num_layers, interaction):
    space = ToySpace(num_layers=num_layers, interaction=interaction, prefix="t_")
    values = {a.digest: space.evaluate(a.params) for a in all_architectures(space)}
    assert len(values) == space.num_architectures
    params, best = space.optimum()
    assert best == pytest.approx(max(values.values()), abs=1e-12)
    assert space.evaluate(params) == pytest.approx(best, abs=1e-12)
    assert sum(v > best - 1e-9 for v in values.values()) == 1


def test_pairs_matter():
    """The best single decisions are not the best chain."""
    assert ToySpace(interaction=0.0).optimum()[1] != ToySpace(interaction=1.0).optimum()[1]
    alone = ToySpace(num_layers=(1, 6), interaction=0.0).optimum()[0]
    together, best = ToySpace(num_layers=(1, 6)).optimum()
    assert alone != together
    assert ToySpace(num_layers=(1, 6)).evaluate(alone) < best


def test_names():
    """They carry the roles that samplers read from them."""
    assert list(ToySpace(num_layers=2).distributions()) == ["layer_01_op", "layer_02_op"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_layers": 0}, "`num_layers` must be"),
        ({"num_layers": (3, 2)}, "`num_layers` must be"),
        ({"num_ops": 6}, r"`num_ops` must lie in \[1, 5\], but got num_ops=6"),
    ],
)
def test_wrong_settings(options, message):
    with pytest.raises(ValueError, match=message):
        ToySpace(**options)


def test_wrong_text():
    with pytest.raises(ValueError, match=r"Unknown operation 'conv_7x7'.*\n.*\n {13}\^"):
        ToySpace(num_layers=2).parse("conv_1x1>conv_7x7")
