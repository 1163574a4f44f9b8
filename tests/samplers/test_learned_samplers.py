"""ReinforceSampler and PPOSampler in studies: what they propose, record and refuse."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import optuna
import pytest
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from optuna_nas.keys import LOG_PROB_KEY
from optuna_nas.samplers import (
    AdamOptions,
    ArchitectureSampler,
    ControllerNetwork,
    Imitation,
    PPOSampler,
    RandomSearchSampler,
    ReinforceSampler,
    SkipPenalty,
)
from optuna_nas.samplers.base import History
from optuna_nas.samplers.policy._learned import LearnedSampler
from optuna_nas.samplers.policy._reinforce import cubed
from optuna_nas.samplers.policy._token_sequences import read
from optuna_nas.testing import ToySpace

both = pytest.mark.parametrize("make", [ReinforceSampler, PPOSampler])
Make = Callable[..., LearnedSampler]


def _ones(trial: optuna.Trial) -> float:
    return sum(trial.suggest_categorical(f"bit_{i}", [0, 1]) for i in range(12))


@both
def test_it_learns_a_conditional_space(make: Make) -> None:
    space = ToySpace(num_layers=(1, 6), num_ops=5)
    optimum = space.optimum()[1]

    def regret(sampler: ArchitectureSampler) -> float:
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(lambda t: space.evaluate(space.suggest(t).params), n_trials=120)
        return optimum - study.best_value

    learned = statistics.mean(regret(make(seed=seed)) for seed in range(3))
    random = statistics.mean(regret(RandomSearchSampler(seed=seed)) for seed in range(3))
    assert learned < 0.6 * random


@both
def test_trials_of_others_are_learned_from(make: Make) -> None:
    """The policy after enqueued and TPE-made trials of all ones proposes more ones."""
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    for i in range(12):
        study.enqueue_trial({f"bit_{j}": int(j != i) for j in range(12)})
    study.optimize(_ones, n_trials=12)
    for i in range(12):
        study.enqueue_trial({f"bit_{j}": int(j == i) for j in range(12)})
    study.optimize(_ones, n_trials=12)
    study.sampler = make(seed=0)
    study.optimize(_ones, n_trials=20)
    later = [trial.value for trial in study.trials[24:]]
    assert statistics.mean(later) > 8.0


def test_the_probability_of_a_trial_is_recorded_and_is_the_policys() -> None:
    """In a sequential run without de-duplication PPO's first ratio is 1."""
    sampler = PPOSampler(batch_size=4, avoid_duplicates=False, seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(_ones, n_trials=11)  # two batches, and three trials that wait
    replay = sampler._state_of(study).replay
    replay.refresh(study)
    history = History(replay)
    policy = sampler._policy(history)
    for member in history.members[-3:]:
        trial = policy.controller.encode(read(member.decisions, sampler._roles))
        now = policy.controller([trial])[0].item()
        assert member.trial.system_attrs[LOG_PROB_KEY] == pytest.approx(now, abs=1e-4)
    stale = history.members[0]
    trial = policy.controller.encode(read(stale.decisions, sampler._roles))
    now = policy.controller([trial])[0].item()
    assert stale.trial.system_attrs[LOG_PROB_KEY] != pytest.approx(now, abs=1e-4)


def test_keys_are_pinned() -> None:
    assert LOG_PROB_KEY == "optuna_nas:log_prob"


@both
def test_two_workers_and_a_newcomer_hold_the_same_policy(make: Make, tmp_path: Path) -> None:
    """Workers that take turns on one journal, each seeing the other's trials late."""
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal")))
    optuna.create_study(study_name="s", storage=storage, direction="maximize")
    workers = [
        optuna.load_study(study_name="s", storage=storage, sampler=make(seed=3)) for _ in range(2)
    ]
    running = [worker.ask() for worker in workers]
    for _ in range(20):
        for i in (1, 0):
            workers[i].tell(running[i], _ones(running[i]))
            running[i] = workers[i].ask()
    for worker, trial in zip(workers, running, strict=True):
        worker.tell(trial, _ones(trial))
    newcomer = optuna.load_study(study_name="s", storage=storage, sampler=make(seed=3))
    space = ToySpace(num_layers=3)
    drawn = []
    for study in (*workers, newcomer):
        assert isinstance(study.sampler, LearnedSampler)
        drawn.append(study.sampler.propose(study, _bits, 5, seed=0))
    assert drawn[0] == drawn[1] == drawn[2]
    assert space.num_architectures == 27


def _bits(trial: optuna.Trial) -> tuple[int, ...]:
    return tuple(trial.suggest_categorical(f"bit_{i}", [0, 1]) for i in range(12))


@pytest.mark.parametrize(
    "surrounding",
    [
        torch.no_grad,
        torch.inference_mode,
        lambda: torch.device("meta"),
        lambda: torch.autocast("cpu", torch.bfloat16),
    ],
)
def test_what_the_user_has_set_does_not_disturb_learning(
    surrounding: Callable[[], AbstractContextManager[object]],
) -> None:
    drawn = []
    for around in (nullcontext, surrounding):
        study = optuna.create_study(direction="maximize", sampler=ReinforceSampler(seed=0))
        for _ in range(12):
            with around():
                trial = study.ask()
                value = _ones(trial)
            study.tell(trial, value)
        drawn.append([trial.params for trial in study.trials])
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("make", [ReinforceSampler.nas_rl, PPOSampler.nasnet])
def test_published_settings_repeat_architectures(make: Make) -> None:
    sampler = make(seed=0, optimizer=AdamOptions(lr=0.1), batch_size=2)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(lambda t: float(t.suggest_categorical("a", [0, 1])), n_trials=8)
    assert len(study.trials) == 8
    assert {t.params["a"] for t in study.trials} <= {0, 1}


def test_published_settings() -> None:
    """Of specs: arXiv:1611.01578, arXiv:1707.07012 and the code released with 1802.03268."""
    nas_rl, nasnet = ReinforceSampler.nas_rl(), PPOSampler.nasnet()
    micro, macro = ReinforceSampler.enas_micro(), ReinforceSampler.enas_macro()
    assert (nas_rl._network.hidden_size, nas_rl._network.num_layers) == (35, 2)
    assert nas_rl._network.init_range == 0.08
    assert nas_rl._settings.optimizer.lr == 0.0006
    assert nas_rl._settings.batch_size == 8
    assert nas_rl._settings.reward is cubed
    assert cubed(0.8) == pytest.approx(0.512)
    assert (nasnet._network.hidden_size, nasnet._network.num_layers) == (100, 1)
    assert nasnet._network.init_range == 0.1
    assert nasnet._settings.optimizer.lr == 0.00035
    assert nasnet._settings.entropy_weight == 0.00001
    assert nasnet._settings.baseline_decay == 0.95
    assert nasnet._settings.batch_size == 20
    for enas, lr, constant in ((micro, 0.0035, 1.1), (macro, 0.001, 1.5)):
        assert enas._network.hidden_size == 64
        assert enas._network.num_layers == 1
        assert enas._network.tanh_constant == constant
        assert enas._settings.optimizer.lr == lr
        assert enas._settings.optimizer.betas[0] == 0.0
        assert enas._settings.optimizer.eps == 1e-3
        assert enas._settings.baseline_decay == 0.99
        assert not enas._avoid_duplicates
    assert macro._settings.skip_penalty == SkipPenalty(target=0.4, weight=0.8)
    assert micro._settings.skip_penalty is None
    assert ReinforceSampler.nas_rl(optimizer=AdamOptions(lr=0.1))._settings.optimizer.lr == 0.1


@both
@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be 1 or more, but got batch_size=0"),
        ({"baseline_decay": 1.0}, r"`baseline_decay` must lie in \[0, 1\)"),
        ({"entropy_weight": -0.1}, "`entropy_weight` must be 0 or more"),
        ({"reward": "accuracy"}, '`reward` must be "rank", "raw" or a function'),
        ({"roles": {"x": "weights"}}, "`roles` must map patterns"),
    ],
)
def test_bad_settings_are_refused(make: Make, kwargs: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**kwargs)


@pytest.mark.parametrize(
    ("make", "kwargs", "message"),
    [
        (
            ControllerNetwork,
            {"hidden_size": 0},
            "`hidden_size` must be 1 or more, but got hid.*=0",
        ),
        (ControllerNetwork, {"num_layers": 1.0}, "`num_layers` must be 1 or more"),
        (ControllerNetwork, {"init_range": 0.0}, "`init_range` must be above 0"),
        (ControllerNetwork, {"temperature": -1.0}, "`temperature` must be above 0"),
        (ControllerNetwork, {"tanh_constant": "big"}, 'must be a number above 0, "auto" or None'),
        (ControllerNetwork, {"tanh_constant": 0.0}, "`tanh_constant` must be above 0"),
        (ControllerNetwork, {"name_bias": 1}, "`name_bias` must be True or False"),
        (AdamOptions, {"lr": 0.0}, "`lr` must be above 0, but got lr=0.0"),
        (AdamOptions, {"eps": 0.0}, "`eps` must be above 0"),
        (AdamOptions, {"betas": (0.9, 1.0)}, r"`betas` must lie in \[0, 1\)"),
        (AdamOptions, {"betas": 0.9}, r"`betas` must be two numbers in \[0, 1\)"),
        (Imitation, {"size": 0}, "`size` must be 1 or more"),
        (Imitation, {"weight": -1.0}, "`weight` must be 0 or more"),
        (SkipPenalty, {"target": 1.0}, "`target` must lie between 0 and 1"),
        (SkipPenalty, {"weight": -1.0}, "`weight` must be 0 or more"),
        (PPOSampler, {"clip": 0.0}, "`clip` must be above 0"),
        (PPOSampler, {"inner_steps": 0}, "`inner_steps` must be 1 or more"),
    ],
)
def test_bad_values_are_refused(
    make: Callable[..., object], kwargs: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make(**kwargs)


@both
@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (
            {"controller": {"hidden_size": 3}},
            "`controller` must be ControllerNetwork",
        ),
        ({"optimizer": 0.1}, r"`optimizer` must be AdamOptions\(...\), but got optimizer=0.1"),
        ({"imitation": 0}, r"`imitation` must be Imitation\(...\) or None, but got imitation=0"),
        ({"hidden_size": 3}, "unexpected keyword argument 'hidden_size'"),
    ],
)
def test_settings_of_another_kind_are_refused(
    make: Make, kwargs: dict[str, object], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        make(**kwargs)


def test_a_skip_penalty_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match=r"`skip_penalty` must be SkipPenalty\(...\) or None"):
        ReinforceSampler(skip_penalty=0.4)


@both
def test_several_objectives_are_refused_with_the_way_out(make: Make) -> None:
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=make())
    with pytest.raises(ValueError, match="searches one objective, but the study has 2"):
        study.ask().suggest_categorical("op", ["a", "b"])
