"""A thousand random architectures of every space: text, JSON, parameters, and back."""

import pytest
from cell_examples import SPACES as CELL_SPACES
from function_examples import chain_net, prefixed_net

from optuna_nas.spaces import (
    SPACES,
    Architecture,
    CellSpace,
    ENASMacroSpace,
    FunctionSpace,
    MLPSpace,
    MnasNetSpace,
    NASBench201Space,
    NASRLSpace,
    published,
    sample_architectures,
)
from optuna_nas.testing import ToySpace

EVERY_SPACE = [
    *CELL_SPACES,
    NASBench201Space(),
    NASRLSpace(num_layers=15),
    NASRLSpace(num_layers=(1, 6), strides=(1, 2, 3)),
    NASRLSpace(num_layers=3, filters=(6, 12), block_layers=3, pool_after=(4, 7)),
    ENASMacroSpace(),
    ENASMacroSpace(num_layers=(3, 12), rules="release"),
    MnasNetSpace(),
    MLPSpace(),
    published.MNASNET_A1.space,
    published.MNASNET_SMALL.space,
    chain_net,
    prefixed_net,
    ToySpace(num_layers=(1, 5), num_ops=5),
]


def test_no_space_is_forgotten():
    kinds = {type(space) for space in EVERY_SPACE}
    assert {*SPACES.values(), CellSpace, FunctionSpace} <= kinds


@pytest.mark.parametrize("space", EVERY_SPACE, ids=lambda s: s.name)
def test_a_thousand_round_trips(space):
    count = 100 if isinstance(space, FunctionSpace) else 1000  # these run a function each time
    for architecture in sample_architectures(space, count, seed=5):
        assert space.architecture(architecture.params) == architecture
        assert space.parse(str(architecture)) == architecture
        assert Architecture.from_json(architecture.to_json(), space) == architecture
