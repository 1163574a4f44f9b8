"""Children on shared weights: what a step touches, when the weights learn, and from whom."""

from __future__ import annotations

import multiprocessing
import os
import signal
import warnings
from pathlib import Path
from typing import Any, ClassVar

import optuna
import pytest
import torch
from optuna.trial import TrialState

from optuna_nas.objectives import (
    SharedWeightsObjective,
    TrainingObjective,
    best_trials,
    derived_metrics,
    fail_dead_trials,
)
from optuna_nas.objectives.one_shot import _shared_weights as weights_module
from optuna_nas.samplers import RandomSearchSampler, ReinforceSampler
from optuna_nas.spaces import (
    DARTSSpace,
    ENASMacroSpace,
    ENASMicroSpace,
    NASBench201Space,
    choice,
    function_space,
    sample_architectures,
)
from optuna_nas.stores import open_storage
from optuna_nas.training import NonFiniteLossError, Recipe, evaluate, load_data

SPACE = NASBench201Space()
SIZE = {"cells": 1, "channels": 2}
DATA = load_data("digits", train_size=64, val_size=40)
RECIPE = Recipe(batch_size=16)
EPOCH = "optuna_nas:shared:epoch"


pytestmark = pytest.mark.usefixtures("one_thread")


def objective(space=SPACE, **options: Any) -> SharedWeightsObjective:
    settings: dict[str, Any] = {
        "epochs": 3,
        "children_per_epoch": 4,
        "supernet": SIZE,
        "recipe": RECIPE,
        "device": "cpu",
    }
    return SharedWeightsObjective(space, DATA, **settings | options)


def study(sampler=None, **options: Any) -> optuna.Study:
    sampler = sampler or RandomSearchSampler(seed=0)
    return optuna.create_study(direction="maximize", sampler=sampler, **options)


def values(of: optuna.Study) -> list[float | None]:
    return [trial.value for trial in of.trials]


class Watched(torch.nn.Linear):
    """Notes in which mode it is called."""

    modes: ClassVar[list[bool]] = []

    def forward(self, x):
        self.modes.append(self.training)
        return super().forward(x)


@function_space
def watched(trial, *, num_classes: int = 10):
    body = choice(trial, "body", {"identity": torch.nn.Identity, "relu": torch.nn.ReLU})
    return torch.nn.Sequential(body, torch.nn.Flatten(), Watched(64, num_classes))


def test_weights_are_trained_in_train_mode_and_judge_in_eval_mode():
    Watched.modes.clear()
    ours = objective(watched, supernet={}, epochs=2)
    study().optimize(ours, n_trials=6)  # four steps, four children, four steps, two children
    assert Watched.modes == [True] * 4 + [False] * 4 + [True] * 4 + [False] * 2


def test_weights_learn_before_each_block_of_trials():
    ours = study()
    told = []
    ours.optimize(objective(on_epoch=lambda *event: told.append(event)), n_trials=14)
    assert [(phase, result.epoch) for phase, result in told] == [
        *(("shared_weights", 1), ("shared_weights", 2), ("shared_weights", 3))
    ]
    assert [trial.user_attrs[EPOCH] for trial in ours.trials] == [
        *(1, 1, 1, 1, 2, 2, 2, 2),
        *(3, 3, 3, 3, 3, 3),
    ]
    again = study()
    again.optimize(objective(), n_trials=14)
    assert values(ours) == values(again)
    assert len(set(values(ours))) > 3


def test_children_are_those_that_the_sampler_proposes():
    asked = []

    class Noting(RandomSearchSampler):
        def propose(self, study, suggest, n, *, seed=None):
            asked.append((len(study.trials), n))
            return [SPACE.architecture(dict.fromkeys(SPACE.distributions(), "nor_conv_1x1"))] * n

    sharing = objective()
    before = {name: w.clone() for name, w in supernet_of(sharing).weights().items()}
    study(Noting(seed=0)).optimize(sharing, n_trials=5)
    assert asked == [(1, 4), (5, 4)]  # 64 images in batches of 16, before trials 0 and 4
    changed = {
        name
        for name, weight in supernet_of(sharing).weights().items()
        if not torch.equal(weight, before[name])
    }
    on_edges = {name for name in before if ".mixed." in name}
    used = {name for name in on_edges if ".ops.1." in name}  # beside identity, without `none`
    assert changed & on_edges == used
    assert changed - on_edges


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


def supernet_of(sharing: SharedWeightsObjective):
    return sharing.weights._network.supernet


def test_a_step_touches_only_its_path():
    """Neither momentum nor weight decay moves what a child does not use."""
    sharing = objective(recipe=Recipe(batch_size=16, weight_decay=0.1))
    children = sample_architectures(SPACE, 4, seed=3)
    shared = sharing.weights
    shared.train_until(1, lambda epoch, steps: children)
    rest = {name: w.clone() for name, w in supernet_of(sharing).weights().items()}
    child = SPACE.architecture(dict.fromkeys(SPACE.distributions(), "skip_connect"))
    shared.train_until(2, lambda epoch, steps: [child] * steps)
    for name, weight in supernet_of(sharing).weights().items():
        assert torch.equal(weight, rest[name]) == (".mixed." in name), name
    assert all(p.grad is None for p in supernet_of(sharing).alphas().values())


def test_pretrain_trains_first_and_then_evaluates():
    ours = study(optuna.samplers.TPESampler(seed=0))
    sharing = objective(schedule="pretrain")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours.optimize(sharing, n_trials=5)
    assert {trial.user_attrs[EPOCH] for trial in ours.trials} == {3}
    before = {name: w.clone() for name, w in supernet_of(sharing).weights().items()}
    ours.optimize(sharing, n_trials=2)
    assert all(torch.equal(w, before[n]) for n, w in supernet_of(sharing).weights().items())


def test_other_samplers_train_on_uniform_children_with_a_warning():
    sharing, tpe = objective(), study(optuna.samplers.TPESampler(seed=0))
    with pytest.warns(UserWarning, match="uniformly sampled children.*has no `propose`"):
        tpe.optimize(sharing, n_trials=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # once is enough
        tpe.optimize(sharing, n_trials=5)


def test_a_child_is_judged_by_the_batch():
    """A child's value is that on one batch; equal trials look at equal images."""
    sharing = objective()
    child = sample_architectures(SPACE, 1)[0]
    sharing.weights.train_until(1, lambda epoch, steps: [child] * steps)
    scores = [sharing.weights.accuracy_on_batch(child, key) for key in (*range(6), 0)]
    assert scores[0] == scores[-1]
    assert len(set(scores)) > 1
    assert all(score * 16 == int(score * 16) for score in scores)
    network = sharing.weights._network
    alone = evaluate(network, DATA.val, DATA, device="cpu", batch_size=16)
    assert sharing.weights.accuracy(child) == alone.accuracy


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
    everything = [child.accuracy for child in sharing.derive(ours, 9)]
    assert everything == sorted(everything, reverse=True)
    scored = sharing.derive(ours, 3)
    assert [child.accuracy for child in scored] == sorted(
        (child.accuracy for child in scored), reverse=True
    )
    assert len({child.architecture.digest for child in scored}) == 3
    cut = sorted(values(ours), reverse=True)[2]
    for child in scored:
        assert SPACE.architecture(ours.trials[child.trial]) == child.architecture
        assert sharing.weights.accuracy(child.architecture) == child.accuracy
        assert ours.trials[child.trial].value >= cut
    ours.add_trial(optuna.trial.create_trial(value=1.0))  # lucky on its batch
    ranked = best_trials(ours, 4)
    assert [trial.number for trial in ranked[:3]] == [child.trial for child in scored]
    assert derived_metrics(ours) == {child.trial: child.accuracy for child in scored}
    assert ranked[3].value == 1.0
    other = study()
    other.enqueue_trial(scored[0].architecture.params)
    other.optimize(TrainingObjective(SPACE, DATA, epochs=1, build=SIZE), n_trials=1)
    assert SPACE.architecture(other.trials[0]) == scored[0].architecture


@pytest.mark.parametrize(
    ("space", "sampler", "supernet"),
    [
        (ENASMicroSpace(num_blocks=1), ReinforceSampler.enas_micro(seed=0, batch_size=2), SIZE),
        (ENASMacroSpace(num_layers=3), ReinforceSampler.enas_macro(seed=0), {"channels": 2}),
        (DARTSSpace(num_nodes=1), RandomSearchSampler(seed=0), {"cells": 3, "channels": 2}),
    ],
)
def test_other_spaces(space, sampler, supernet):
    ours = study(sampler)
    sharing = objective(space, supernet=supernet, epochs=2, children_per_epoch=3)
    ours.optimize(sharing, n_trials=6)
    assert {trial.state for trial in ours.trials} == {TrialState.COMPLETE}
    assert sharing.weights.epochs_done == 2


def test_published_recipes():
    micro = SharedWeightsObjective(ENASMicroSpace(), DATA, device="cpu").recipe
    assert (micro.batch_size, micro.lr, micro.weight_decay, micro.drop_path) == (
        160,
        0.05,
        2e-4,
        0,
    )
    macro = SharedWeightsObjective(ENASMacroSpace(num_layers=3), DATA, device="cpu").recipe
    assert (macro.batch_size, macro.weight_decay) == (128, 5e-4)
    assert SharedWeightsObjective(DARTSSpace(), DATA, device="cpu").recipe.lr_min == 0.001


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"schedule": "both"}, ValueError, "`schedule` must be one of"),
        ({"epochs": 0}, ValueError, "`epochs` must be at least 1"),
        ({"children_per_epoch": 0}, ValueError, "`children_per_epoch` must be"),
        ({"supernet": {"depth": 1}}, TypeError, r"`supernet` must name.*not \['depth'\]"),
        ({"keep_checkpoints": 1}, ValueError, "`keep_checkpoints` must be 0, since all trials"),
        ({"weights": "shared.pt"}, TypeError, r"SharedWeightsObjective takes .*not \['weights'\]"),
    ],
)
def test_settings_out_of_range(options, error, message):
    with pytest.raises(error, match=message):
        objective(**options)


def test_a_study_that_does_not_fit():
    with pytest.raises(ValueError, match="direction=.maximize"):
        objective()(optuna.create_study().ask())
    ours = study()
    ours.optimize(objective(), n_trials=1)
    with pytest.raises(ValueError, match="children_per_epoch was 4 and is now 5"):
        ours.optimize(objective(children_per_epoch=5), n_trials=1)
    with pytest.raises(NonFiniteLossError):  # nobody's fault but the settings'
        study().optimize(objective(recipe=Recipe(lr=1e30, batch_size=16)), n_trials=1)


# Kills and several workers


def test_a_file_is_shared(tmp_path, monkeypatch):
    trained = []
    epoch = weights_module.SharedWeights._epoch
    monkeypatch.setattr(
        weights_module.SharedWeights,
        "_epoch",
        lambda self, number, children: trained.append(number) or epoch(self, number, children),
    )
    ours, alone = study(study_name="a/b"), study()
    for _ in range(3):  # as after a restart, in the middle of a block
        ours.optimize(objective(checkpoints=tmp_path), n_trials=3)
    assert trained == [1, 2, 3]
    assert (tmp_path / "a%2Fb-weights.pt").exists()  # where the first version had it
    alone.optimize(objective(), n_trials=9)
    assert values(ours) == values(alone)
    with pytest.raises(ValueError, match="`checkpoint` must hold the same run.*epochs was 3"):
        study(study_name="a/b").optimize(objective(checkpoints=tmp_path, epochs=4), n_trials=1)
    sharing = objective(checkpoints=tmp_path)
    other = study(study_name="other")
    other.optimize(sharing, n_trials=1)
    assert trained == [1, 2, 3, *(1, 2, 3), 1]  # weights of its own
    with pytest.raises(ValueError, match="weights of one study, 'other', but.*belongs to 'a/b'"):
        ours.optimize(sharing, n_trials=1)


def test_an_artifact_store_keeps_the_weights(tmp_path):
    ours, alone = study(study_name="s"), study()
    for epochs in (2, 3):
        store = optuna.artifacts.FileSystemArtifactStore(tmp_path)
        sharing = objective(checkpoints=store)
        ours.optimize(sharing, n_trials=5)
        assert sharing.weights.epochs_done == epochs
    alone.optimize(objective(), n_trials=10)
    assert values(ours) == values(alone)
    assert [path.name for path in tmp_path.iterdir()] == ["s-weights.pt"]


def test_what_was_trained_before_a_study_is_known_is_kept(tmp_path):
    told = []
    sharing = objective(checkpoints=tmp_path, on_epoch=lambda *event: told.append(event[1].epoch))
    child = sample_architectures(SPACE, 1)[0]
    sharing.weights.train_until(1, lambda epoch, steps: [child] * steps)
    trained = {name: w.clone() for name, w in supernet_of(sharing).weights().items()}
    ours = study(study_name="s")
    ours.optimize(sharing, n_trials=2)  # which need no more than that epoch
    assert all(torch.equal(w, trained[n]) for n, w in supernet_of(sharing).weights().items())
    ours.optimize(sharing, n_trials=3)
    assert told == [1, 2]


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


def _work(folder: Path, kill_in: int) -> None:
    torch.set_num_threads(1)
    epoch = weights_module.SharedWeights._epoch

    def killed(self, number, children):
        result = epoch(self, number, children)
        if number == kill_in:
            os.kill(os.getpid(), signal.SIGKILL)  # trained, but not written
        return result

    weights_module.SharedWeights._epoch = killed  # type: ignore[method-assign]
    ours = optuna.create_study(
        study_name="s",
        storage=open_storage(f"journal:{folder / 'nas.log'}"),
        load_if_exists=True,
        direction="maximize",
        sampler=RandomSearchSampler(seed=0),
    )
    fail_dead_trials(ours)
    stop = optuna.study.MaxTrialsCallback(9, states=(TrialState.COMPLETE,))
    ours.optimize(objective(schedule="pretrain", checkpoints=folder), callbacks=[stop])


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # forks beside threads
def test_killed_while_the_weights_learn(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for kill_in, code in ((2, -signal.SIGKILL), (0, 0)):
        process = context.Process(target=_work, args=(tmp_path, kill_in))
        process.start()
        process.join()
        assert process.exitcode == code
    storage = open_storage(f"journal:{tmp_path / 'nas.log'}")
    ours = optuna.load_study(study_name="s", storage=storage)
    sharing = objective(schedule="pretrain")
    sharing.weights.train_until(3, sharing._uniform)
    complete = ours.get_trials(states=(TrialState.COMPLETE,))
    assert len(complete) == 9
    for trial in complete:
        child = SPACE.architecture(trial)
        assert sharing.weights.accuracy_on_batch(child, trial.number) == trial.value
