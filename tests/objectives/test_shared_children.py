"""A child's worth on shared weights: by batch, by its own statistics, within its limits."""

from __future__ import annotations

import optuna
import pytest
import torch
from optuna.trial import TrialState
from shared_children import DATA, SIZE, SPACE, objective, study, values

from optuna_nas.objectives import TrainingObjective, best_trials, derived_metrics
from optuna_nas.spaces import choice, function_space, sample_architectures
from optuna_nas.training import evaluate

pytestmark = pytest.mark.usefixtures("one_thread")


def _normed(trial, norm: torch.nn.Module, num_classes: int) -> torch.nn.Module:
    acts = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "identity": torch.nn.Identity}
    head = torch.nn.Linear(32, num_classes)
    layers = [torch.nn.Flatten(), torch.nn.Linear(64, 32), norm, choice(trial, "act", acts)]
    return torch.nn.Sequential(*layers, torch.nn.Flatten(), head)


@function_space
def normed_vectors(trial, *, num_classes: int = 10):
    return _normed(trial, torch.nn.BatchNorm1d(32), num_classes)


@function_space
def normed_maps(trial, *, num_classes: int = 10):
    maps = torch.nn.Unflatten(1, (32, 1, 1)), torch.nn.BatchNorm2d(32)
    return _normed(trial, torch.nn.Sequential(*maps), num_classes)


def test_children_are_worth_the_same_however_their_batch_norm_is_spelled():
    accuracies = []
    for space in (normed_vectors, normed_maps):
        ours = study()
        ours.optimize(objective(space, supernet={}, epochs=4), n_trials=6)
        accuracies.append(values(ours))
    assert accuracies[0] == pytest.approx(accuracies[1])
    assert min(accuracies[0]) > 0.3


def test_a_child_is_evaluated_by_the_batch():
    """A child's value is that on one batch; equal trials look at equal images."""
    sharing = objective()
    child = sample_architectures(SPACE, 1)[0]
    sharing.weights.train_until(1, lambda epoch, steps: [child] * steps)
    scores = [sharing.weights.metric_on_batch(child, key) for key in (*range(6), 0)]
    assert scores[0] == scores[-1]
    assert len(set(scores)) > 1
    assert all(score * 16 == int(score * 16) for score in scores)
    network = sharing.weights._network
    alone = evaluate(network, DATA.val, DATA, device="cpu", batch_size=16)
    assert sharing.weights.metric(child) == alone.metric


def test_children_have_no_running_statistics_in_common():
    """Batch norms use the batch's statistics, so a child is evaluated as it is trained."""
    sharing = objective()
    child = sample_architectures(SPACE, 1, seed=1)[0]
    sharing.weights.train_until(1, lambda epoch, steps: [child] * steps)
    network = sharing.weights._network
    network.child = sample_architectures(SPACE, 1, seed=2)[0]  # another one
    x = torch.randn(8, 1, 8, 8)
    torch.testing.assert_close(network.eval()(x), network.train()(x))


def test_derive_scores_the_best_again_and_hands_them_on():
    sharing, ours = objective(), study()
    ours.optimize(sharing, n_trials=9)
    everything = [child.metric for child in sharing.derive(ours, 9)]
    assert everything == sorted(everything, reverse=True)
    scored = sharing.derive(ours, 3)
    assert [child.metric for child in scored] == sorted(
        (child.metric for child in scored), reverse=True
    )
    assert len({child.architecture.digest for child in scored}) == 3
    cut = sorted(values(ours), reverse=True)[2]
    for child in scored:
        assert SPACE.architecture(ours.trials[child.trial]) == child.architecture
        assert sharing.weights.metric(child.architecture) == child.metric
        assert ours.trials[child.trial].value >= cut
    ours.add_trial(optuna.trial.create_trial(value=1.0))  # lucky on its batch
    ranked = best_trials(ours, 4)
    assert [trial.number for trial in ranked[:3]] == [child.trial for child in scored]
    assert derived_metrics(ours) == {child.trial: child.metric for child in scored}
    assert ranked[3].value == 1.0
    other = study()
    other.enqueue_trial(scored[0].architecture.params)
    other.optimize(TrainingObjective(SPACE, DATA, epochs=1, build=SIZE), n_trials=1)
    assert SPACE.architecture(other.trials[0]) == scored[0].architecture


def test_limits_end_the_trial_of_a_child():
    ours = study()
    sizes = {}
    for architecture in sample_architectures(SPACE, 40, seed=0):
        model = architecture.build(num_classes=10, in_channels=1, **SIZE)
        sizes[architecture.digest] = sum(p.numel() for p in model.parameters())
    limit = sorted(sizes.values())[len(sizes) // 2]
    sharing = objective(max_params=limit, build=SIZE)
    ours.optimize(sharing, n_trials=12)
    states = {trial.state for trial in ours.trials}
    assert states == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in ours.trials:
        fits = trial.user_attrs["optuna_nas:params"] <= limit
        assert (trial.state == TrialState.COMPLETE) == fits
    assert sharing.weights.epochs_done == 3


def test_nothing_is_counted_without_limits():
    ours = study()
    ours.optimize(objective(), n_trials=1)
    assert "optuna_nas:params" not in ours.trials[0].user_attrs


def test_a_child_is_drawn(tmp_path):
    ours = study()
    store = optuna.artifacts.FileSystemArtifactStore(tmp_path)
    ours.optimize(objective(artifact_store=store), n_trials=1)
    (picture,) = optuna.artifacts.get_all_artifact_meta(ours.trials[0], storage=ours._storage)
    assert picture.mimetype == "image/svg+xml"
