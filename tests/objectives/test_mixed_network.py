"""A supernet mixed in one way: sampled by its progress, with a penalty, its edges apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from darts_searches import DATA, RECIPE, SIZE, SPACE, objective, run

from optuna_nas.objectives import AlphaRecipe, DARTSVariant, Mixing, SigmoidMixing, SoftmaxMixing
from optuna_nas.objectives.one_shot._learner import BilevelLearner, MixedNetwork
from optuna_nas.spaces import DARTSSpace
from optuna_nas.training.data import Batch

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
    def gradients(mixing: Mixing) -> torch.Tensor:
        torch.manual_seed(0)
        learner = BilevelLearner(
            SPACE.supernet(num_classes=10, in_channels=1, **SIZE),
            DATA,
            RECIPE,
            AlphaRecipe(),
            DARTSVariant(mixing=mixing, order=order),
            device=torch.device("cpu"),
        )
        batches = [
            Batch(DATA.val.images[part].float() / 255, DATA.val.labels[part], 8)
            for part in (slice(8), slice(8, 16))
        ]
        return torch.cat(learner.alpha_gradients(*batches, lr=0.1))

    without, charged = gradients(SoftmaxMixing()), gradients(Charged())
    torch.testing.assert_close(charged - without, torch.full_like(without, 3.0))
