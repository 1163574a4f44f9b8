"""A supernet mixed in one way: sampled by its progress, with a penalty, its edges apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from darts_searches import SIZE, SPACE, batch, learner, objective, run

from optuna_nas.objectives import Mixing, SigmoidMixing, SoftmaxMixing
from optuna_nas.objectives.one_shot._learner import MixedNetwork
from optuna_nas.spaces import DARTSSpace

pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass(frozen=True)
class Told(Mixing):
    """A softmax that notes at which progress it is sampled."""

    name: ClassVar[str] = "Told"
    told: ClassVar[list[float]] = []

    def mean(self, alpha):
        return alpha.softmax(-1)

    def sample(self, alpha, progress):
        self.told.append(progress)
        return self.mean(alpha)


@dataclass(frozen=True)
class Charged(SoftmaxMixing):
    """A softmax whose penalty has the slope 3 in each logit."""

    name: ClassVar[str] = "Charged"

    def penalty(self, alphas, layout):
        return 3.0 * torch.cat(list(alphas.values())).sum()


def test_training_samples_by_the_progress_of_the_search():
    Told.told.clear()
    run(objective(epochs=3, mixing=Told()))
    assert sorted(set(Told.told)) == [0.0, 0.5, 1.0]
    network = MixedNetwork(SPACE.supernet(**SIZE), Told())
    network.progress = 0.25
    Told.told.clear()
    network.eval().mixture()
    assert not Told.told
    network.train().mixture()
    assert set(Told.told) == {0.25}


def test_edges_share_a_node_by_a_softmax_whatever_mixes_operations():
    supernet = DARTSSpace(num_nodes=2).supernet(cells=1, channels=2, edge_normalisation=True)
    mixture = MixedNetwork(supernet, SigmoidMixing()).eval().mixture()
    edges = supernet.layout.edge_weights
    assert edges
    for name, alpha in supernet.alphas().items():
        mixed = alpha.softmax(-1) if name in edges else alpha.sigmoid()
        assert torch.equal(mixture[name], mixed)


@pytest.mark.parametrize("order", [1, 2])
def test_alpha_learns_from_the_penalty_too(order):
    without, charged = (
        torch.cat(learner(mixing=mixing, order=order).alpha_gradients(batch(0), batch(1), lr=0.1))
        for mixing in (SoftmaxMixing(), Charged())
    )
    torch.testing.assert_close(charged - without, torch.full_like(without, 3.0))


def test_a_penalty_is_of_operations_alone():
    supernet = DARTSSpace(num_nodes=2).supernet(cells=1, channels=2, edge_normalisation=True)
    penalty = MixedNetwork(supernet, Charged()).penalty()
    penalty.backward()
    layout = supernet.layout
    charged = {name for name, alpha in supernet.alphas().items() if alpha.grad is not None}
    assert charged == {*layout.operations} == {*layout.choices} - layout.edge_weights
