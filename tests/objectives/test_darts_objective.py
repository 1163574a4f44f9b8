"""One trial is one search: what it reports, keeps, derives, and how it goes on after a kill."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState

from optuna_nas.objectives import (
    AlphaRecipe,
    DARTSObjective,
    Dirichlet,
    EigenvalueStop,
    HardGumbel,
    Sigmoid,
    TrainingObjective,
    fail_dead_trials,
    read_alphas,
    read_identity,
)
from optuna_nas.objectives._trainer import training_seed
from optuna_nas.objectives.one_shot import _bilevel as bilevel_module
from optuna_nas.objectives.one_shot import _search as search_module
from optuna_nas.objectives.one_shot._learner import BilevelLearner
from optuna_nas.objectives.one_shot._mixing import Softmax
from optuna_nas.objectives.one_shot._readings import skip_share
from optuna_nas.objectives.one_shot._search import split_for_alpha
from optuna_nas.spaces import DARTSSpace, NASBench201Space, NASRLSpace, choice, function_space
from optuna_nas.stores import open_storage
from optuna_nas.training import Recipe, fit, load_data, seeded
from optuna_nas.training._feed import Batch
from optuna_nas.training._seeded import derived_seed

SPACE = NASBench201Space()
SIZE = {"cells": 1, "channels": 2}
DATA = load_data("digits", train_size=64, val_size=40)
RECIPE = Recipe(batch_size=16, nesterov=False, clip_grad_norm=5.0)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def objective(space=SPACE, **options: Any) -> DARTSObjective:
    settings: dict[str, Any] = {
        "epochs": 3,
        "judge_epochs": 1,
        "supernet": SIZE,
        "build": SIZE,
        "recipe": RECIPE,
        "alpha": AlphaRecipe(lr=0.1),
        "device": "cpu",
    }
    return DARTSObjective(space, DATA, **settings | options)


def run(objective: DARTSObjective, trials: int = 1, **study: Any) -> optuna.Study:
    made = optuna.create_study(direction="maximize", **study)
    made.optimize(objective, n_trials=trials)
    return made


def test_a_trial_keeps_its_search():
    study = run(objective(watch_eigenvalue=True))
    first = study.trials[0]
    attributes = first.user_attrs
    assert sorted(first.intermediate_values) == [1, 2, 3]
    architecture = SPACE.architecture(first)
    seed = derived_seed(training_seed(0, first), 0, "judge")
    with seeded(seed):
        model = architecture.build(num_classes=10, in_channels=1, **SIZE)
    alone = fit(model, DATA, epochs=1, recipe=RECIPE, seed=seed, device="cpu", channels_last=True)
    assert first.value == alone.last.val_accuracy
    assert json.loads(attributes["optuna_nas:architecture"])["params"] == architecture.params
    assert attributes["optuna_nas:digest"] == architecture.digest
    assert attributes["optuna_nas:one_shot_accuracy"] == first.intermediate_values[3]
    for key in ("entropy", "skip_share", "eigenvalue"):
        assert len(attributes[f"optuna_nas:darts:{key}"]) == 3
    alphas = read_alphas(first)
    assert [list(rows) for rows in alphas] == [list(SPACE.distributions())] * 3
    assert all(sum(row) == pytest.approx(1.0, abs=1e-3) for row in alphas[2].values())
    best = {name: max(range(5), key=row.__getitem__) for name, row in alphas[2].items()}
    ops = SPACE.distributions()["op_1_from_0"].choices
    assert architecture.params == {name: ops[i] for name, i in best.items()}
    assert alphas[0] != alphas[2]
    assert attributes["optuna_nas:darts:choices"] == {
        name: list(distribution.choices) for name, distribution in SPACE.distributions().items()
    }
    assert first.params == {}


def test_epochs_are_told_as_they_end():
    told = []
    study = run(objective(on_epoch=lambda *event: told.append(event), judge_epochs=2))
    assert [(phase, result.epoch) for phase, result in told] == [
        *(("search", 1), ("search", 2), ("search", 3), ("judge", 1), ("judge", 2))
    ]
    searched = [result.val_accuracy for phase, result in told if phase == "search"]
    assert searched == list(study.trials[0].intermediate_values.values())
    assert told[-1][1].val_accuracy == study.trials[0].value


def test_the_architecture_goes_to_another_study():
    derived = SPACE.architecture(run(objective()).best_trial)
    other = optuna.create_study(direction="maximize")
    other.enqueue_trial(derived.params)
    other.optimize(TrainingObjective(SPACE, DATA, epochs=1, build=SIZE), n_trials=1)
    assert SPACE.architecture(other.trials[0]) == derived


def test_the_value_may_be_that_of_the_supernet():
    trial, other = run(objective(value="one_shot"), 2).trials
    assert trial.value == trial.intermediate_values[3]
    assert read_alphas(trial)[0] != read_alphas(other)[0]  # each has a seed of its own


def test_hyperparameters_are_suggestions():
    seen = []

    def suggest(trial):
        seen.append(trial.suggest_float("alpha_lr", 1e-3, 1e-2))
        return {
            "alpha_lr": seen[-1],
            "alpha_warmup_epochs": 1,
            "lr": trial.suggest_float("lr", 0, 1),
        }

    study = run(objective(hyperparameters=suggest, value="one_shot"))
    assert study.trials[0].params.keys() == {"alpha_lr", "lr"}
    first, second, _ = read_alphas(study.trials[0])
    assert (
        max(max(row) - min(row) for row in first.values()) < 0.01
    )  # they have not begun to learn
    assert first != second
    with pytest.raises(ValueError, match=r"`hyperparameters` must return.*returned \['gamma'\]"):
        run(objective(hyperparameters=lambda trial: {"gamma": 1.0}))


# The learner


def batch(seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(8, 1, 8, 8, generator=generator)
    return Batch(images, torch.arange(8) % 10, 8)


def learner(
    space=SPACE, *, order=1, mixing=None, recipe=RECIPE, fixed=None, **alpha: Any
) -> BilevelLearner:
    torch.manual_seed(0)
    supernet = space.supernet(num_classes=10, in_channels=1, fixed=fixed, **SIZE)
    return BilevelLearner(
        supernet,
        DATA,
        recipe,
        AlphaRecipe(**alpha),
        mixing or Softmax(),
        order=order,
        device=torch.device("cpu"),
    )


def test_alpha_and_weights_learn_from_their_own_batches():
    ours = learner(lr=0.1)
    supernet = ours.network.supernet
    alphas = [alpha.clone() for alpha in supernet.alphas().values()]
    weights = [weight.clone() for weight in supernet.weights().values()]
    with torch.enable_grad():
        copy = learner().network
        loss = torch.nn.functional.cross_entropy(copy(batch(1).images), batch(1).labels)
        copied = list(copy.supernet.alphas().values())
        for alpha in copied:
            alpha.requires_grad_(True)
        expected = torch.autograd.grad(
            torch.nn.functional.cross_entropy(copy(batch(1).images), batch(1).labels), copied
        )
    assert loss.isfinite()
    found = ours.alpha_gradients(batch(0), batch(1), 0.1)
    for gradient, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(gradient, theirs, rtol=1e-4, atol=1e-7)
    assert all(map(torch.equal, weights, supernet.weights().values()))
    ours.step(batch(0), None, 0.1)
    assert all(map(torch.equal, alphas, supernet.alphas().values()))
    assert not all(map(torch.equal, weights, supernet.weights().values()))
    ours.step(batch(0), batch(1), 0.1)
    assert not any(map(torch.equal, alphas, supernet.alphas().values()))
    assert all(alpha.grad is None for alpha in supernet.alphas().values())


def test_the_products_agree_on_a_smooth_supernet(monkeypatch):
    """With average pooling and softplus the finite difference converges to the exact product."""

    def gradient(**options):
        ours = learner(**options)
        ours.network.double()
        for module in list(ours.network.modules()):
            for name, child in module.named_children():
                if isinstance(child, torch.nn.ReLU):
                    setattr(module, name, torch.nn.Softplus())
        batches = [Batch(b.images.double(), b.labels, b.whole) for b in (batch(0), batch(1))]
        return torch.cat(ours.alpha_gradients(*batches, 0.1))

    first, close, exact = gradient(), gradient(order=2), gradient(order=2, exact=True)
    assert (close - exact).norm() < 2e-3 * (exact - first).norm()
    assert (exact - first).norm() > 0.1 * exact.norm()
    monkeypatch.setattr(bilevel_module, "STEP", bilevel_module.STEP / 2)
    closer = gradient(order=2)
    error = (close - exact).norm() / (closer - exact).norm()
    assert error == pytest.approx(4.0, rel=0.1)  # of the second order in the step


@pytest.mark.parametrize("mixing", [HardGumbel(), Sigmoid(), Dirichlet(), Dirichlet(kl=1.0)])
def test_every_mixing_searches(mixing):
    ours = learner(mixing=mixing, lr=0.05)
    before = torch.cat([alpha.clone() for alpha in ours.network.supernet.alphas().values()])
    ours.network.train()
    for seed in range(2):
        assert ours.step(batch(seed), batch(seed + 2), 0.1).isfinite()
    ours.take_reading(None)
    reading = ours.readings[-1]
    after = torch.cat(list(ours.network.supernet.alphas().values()))
    assert not torch.equal(before, after)
    weights = {n: mixing.mean(a).tolist() for n, a in ours.network.supernet.alphas().items()}
    assert reading.weights == {n: [round(w, 4) for w in row] for n, row in weights.items()}


def test_judging_draws_nothing():
    ours = learner(mixing=HardGumbel())
    ours.network.eval()
    x = batch(0).images
    assert torch.equal(ours.network(x), ours.network(x))
    one = {n: torch.eye(5)[a.argmax()] for n, a in ours.network.supernet.alphas().items()}
    assert torch.equal(ours.network(x), ours.network.supernet(x, mixture=one))


def test_the_share_of_skips_is_that_of_the_worst_cell():
    space = DARTSSpace(num_nodes=2)
    supernet = space.supernet(cells=1, channels=2)
    params = dict(supernet.derive().params)
    params |= {name: "sep_conv_3x3" for name in params if "_op_" in name}
    params |= {name: "skip_connect" for name in params if name.startswith("reduce_2_op")}
    assert skip_share(supernet, space.architecture(params)) == 0.5
    params |= {name: "skip_connect" for name in params if name.startswith("normal_2_op_a")}
    assert skip_share(supernet, space.architecture(params)) == 0.5
    names = list(SPACE.distributions())
    cell = dict.fromkeys(names[:2], "skip_connect") | dict.fromkeys(names[2:], "none")
    assert skip_share(SPACE.supernet(**SIZE), SPACE.architecture(cell)) == pytest.approx(2 / 6)


def test_alpha_learns_from_the_last_images():
    weights, alpha = split_for_alpha(DATA, 0.25)
    assert (len(weights.train), len(alpha.train)) == (48, 16)
    assert torch.equal(weights.train.images, DATA.train.images[:48])
    assert torch.equal(alpha.train.images, DATA.train.images[48:])
    with pytest.raises(ValueError, match="`alpha_share` must leave two training images"):
        split_for_alpha(DATA, 0.99)


def test_what_cannot_be_searched():
    with pytest.raises(ValueError, match="`space` must leave something open.*one choice"):
        learner(fixed=dict.fromkeys(SPACE.distributions(), "nor_conv_1x1"))
    with pytest.raises(ValueError, match="`precision` must not be that of float16"):
        learner(recipe=Recipe(precision="float16"))
    suggest = {"hyperparameters": lambda trial: {"optimizer": "adamw", "nesterov": False}}
    with pytest.raises(ValueError, match="`order` must be 1 unless the weights learn by SGD"):
        run(objective(order=2, **suggest))


# Early ends


def test_the_eigenvalue_ends_a_search(monkeypatch):
    """Epochs are read until the average has risen; the architecture is that of an earlier one."""
    given = iter([1.0, 1.0, 5.0, 5.0, 5.0])
    monkeypatch.setattr(BilevelLearner, "_eigenvalue", lambda self, val: next(given))
    stop = EigenvalueStop(window=1, lag=1, from_epoch=0)
    ours = objective(epochs=5, stop=stop, value="one_shot")
    trial = run(ours).trials[0]
    assert trial.user_attrs["optuna_nas:darts:eigenvalue"] == [1.0, 1.0, 5.0]
    weights = read_alphas(trial)[1]
    ops = SPACE.distributions()["op_1_from_0"].choices
    expected = {n: ops[max(range(5), key=row.__getitem__)] for n, row in weights.items()}
    assert SPACE.architecture(trial).params == expected


def test_optuna_prunes():
    class Second(optuna.pruners.BasePruner):
        def prune(self, study, trial):
            return trial.last_step == 2

    trial = run(objective(), pruner=Second()).trials[0]
    assert trial.state == TrialState.PRUNED
    assert len(trial.user_attrs["optuna_nas:darts:entropy"]) == 2


def test_what_cannot_be_trained_is_pruned():
    trial = run(objective(recipe=Recipe(lr=1e30, batch_size=16))).trials[0]
    assert trial.state == TrialState.PRUNED
    assert "searching in" in trial.user_attrs["optuna_nas:infeasible"]


# Other spaces


@function_space
def small_space(trial, *, num_classes: int = 10):
    layers = {
        "narrow": lambda: torch.nn.Conv2d(1, 4, 1),
        "wide": lambda: torch.nn.Conv2d(1, 4, 3, padding=1),
    }
    first = choice(trial, "first", layers)
    return torch.nn.Sequential(
        first, torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(256, num_classes)
    )


@pytest.mark.parametrize(
    ("space", "supernet", "build"),
    [
        (small_space, {}, {}),
        (
            DARTSSpace(num_nodes=1, ops=("skip_connect", "sep_conv_3x3")),
            {"cells": 3, "channels": 2},
            {"cells": 3, "channels": 2},
        ),
    ],
)
def test_other_spaces(space, supernet, build):
    trial = run(objective(space, epochs=1, supernet=supernet, build=build)).trials[0]
    assert trial.state == TrialState.COMPLETE
    assert space.architecture(trial).build(**build) is not None


def test_a_space_without_a_supernet():
    with pytest.raises(TypeError, match="has no supernet"):
        objective(NASRLSpace())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"order": 3}, ValueError, "`order` must be 1 or 2"),
        ({"order": 2, "mixing": HardGumbel()}, ValueError, "`order` must be 1 with HardGumbel"),
        (
            {"order": 2, "recipe": Recipe(optimizer="adamw", nesterov=False)},
            ValueError,
            "`order` must be 1 unless the weights learn by SGD",
        ),
        (
            {"alpha": AlphaRecipe(warmup_epochs=3)},
            ValueError,
            "`warmup_epochs` of alpha must be below the epochs of the search, 3",
        ),
        ({"value": "best"}, ValueError, '`value` must be "derived" or "one_shot"'),
        ({"epochs": 0}, ValueError, "`epochs` must be an integer of at least 1"),
        ({"supernet": {"depth": 3}}, TypeError, r"`supernet` must name.*not \['depth'\]"),
        ({"keep_checkpoints": 1}, ValueError, "`keep_checkpoints` needs `checkpoints`"),
    ],
)
def test_settings_out_of_range(options, error, message):
    with pytest.raises(error, match=message):
        objective(**options)


def test_a_study_goes_on_with_the_same_settings_only():
    study = run(objective(value="one_shot"))
    assert read_identity(study)["objective"] == "DARTSObjective"
    with pytest.raises(ValueError, match=r"order was 1 and is now 2"):
        study.optimize(objective(value="one_shot", order=2), n_trials=1)
    with pytest.raises(ValueError, match=r"direction=.maximize"):
        objective()(optuna.create_study().ask())


# Kills


class KillAt(optuna.pruners.BasePruner):
    """Kills the process after an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def prune(self, study, trial):
        if trial.last_step == self.epoch:
            os.kill(os.getpid(), signal.SIGKILL)
        return False


def _work(folder: Path, kill_at: int) -> None:
    torch.set_num_threads(1)
    study = optuna.create_study(
        study_name="s",
        storage=open_storage(f"journal:{folder / 'nas.log'}"),
        load_if_exists=True,
        direction="maximize",
        pruner=KillAt(kill_at),
    )
    fail_dead_trials(study)
    with (folder / "epochs.txt").open("a") as file:
        train = search_module.AlphaSearch._epoch

        def noted(self, epoch):
            file.write(f"{epoch}\n")
            file.flush()
            return train(self, epoch)

        search_module.AlphaSearch._epoch = noted  # type: ignore[method-assign]
        ours = objective(order=2, checkpoints=folder / "kept", keep_checkpoints=1)
        stop = optuna.study.MaxTrialsCallback(1, states=(TrialState.COMPLETE,))
        study.optimize(ours, callbacks=[stop])


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # forks beside threads
def test_killed_at_any_epoch(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for kill_at, code in ((1, -signal.SIGKILL), (3, -signal.SIGKILL), (0, 0)):
        process = context.Process(target=_work, args=(tmp_path, kill_at))
        process.start()
        process.join()
        assert process.exitcode == code
    assert (tmp_path / "epochs.txt").read_text().split() == ["1", "2", "3"]  # each but once

    storage = open_storage(f"journal:{tmp_path / 'nas.log'}")
    study = optuna.load_study(study_name="s", storage=storage)
    undisturbed = run(objective(order=2)).trials[0]
    trial = study.best_trial
    assert trial.number == 2
    assert trial.intermediate_values == undisturbed.intermediate_values
    assert read_alphas(trial) == read_alphas(undisturbed)
    assert SPACE.architecture(trial) == SPACE.architecture(undisturbed)
    assert trial.value == undisturbed.value

    supernet = objective(order=2, checkpoints=tmp_path / "kept").trained_supernet(trial)
    assert supernet.derive() == SPACE.architecture(trial)
    assert len(list((tmp_path / "kept").iterdir())) == 1  # none is left of the derived network
