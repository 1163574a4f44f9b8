"""What a controller learns, and from what: the update, the baseline, the fold over trials."""

from __future__ import annotations

import datetime
import itertools
import random
from collections.abc import Sequence

import optuna
import pytest
import torch
from optuna.distributions import CategoricalDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState

from optuna_nas.keys import LOG_PROB_KEY
from optuna_nas.samplers.base import Assignment, Member
from optuna_nas.samplers.base._decisions import DecisionTable, as_decides
from optuna_nas.samplers.base._outcomes import outcome_key
from optuna_nas.samplers.base._roles import Roles
from optuna_nas.samplers.policy._controller import Controller
from optuna_nas.samplers.policy._gradient import (
    behaviour,
    imitation_loss,
    policy_loss,
    skip_loss,
)
from optuna_nas.samplers.policy._policy import Policy
from optuna_nas.samplers.policy._settings import (
    AdamOptions,
    ControllerNetwork,
    Imitation,
    PolicySettings,
    SkipPenalty,
)
from optuna_nas.samplers.policy._token_sequences import read

TABLE = DecisionTable(as_decides(None))
FIRST = TABLE.get("first", CategoricalDistribution(["a", "b", "c"]))
SECOND = TABLE.get("second", CategoricalDistribution([0, 1]))
assert FIRST is not None
assert SECOND is not None

NETWORK = ControllerNetwork(
    hidden_size=8,
    num_layers=2,
    init_range=0.5,
    temperature=None,
    tanh_constant="auto",
    name_bias=True,
)


def _settings(**changes: object) -> PolicySettings:
    settings = {
        "batch_size": 1,
        "inner_steps": 1,
        "clip": None,
        "optimizer": AdamOptions(lr=0.05),
        "baseline_decay": 0.9,
        "entropy_weight": 0.0,
        "reward": "raw",
        "imitation": None,
        "skip_penalty": None,
    }
    return PolicySettings(**(settings | changes))


def _policy(*, maximize: bool = True, **changes: object) -> Policy:
    return Policy(NETWORK, _settings(**changes), seed=0, maximize=maximize, roles=Roles())


def _member(
    number: int,
    choice: tuple[int, int] = (0, 0),
    value: float | None = 0.0,
    *,
    state: TrialState = TrialState.COMPLETE,
    reports: dict[int, float] | None = None,
    violation: float = 0.0,
    log_prob: float | None = None,
    directions: Sequence[StudyDirection] = (StudyDirection.MAXIMIZE,),
) -> Member:
    decisions = dict(zip((FIRST, SECOND), choice, strict=True))
    trial = optuna.create_trial(
        params={decision.name: decision.value(index) for decision, index in decisions.items()},
        distributions={decision.name: decision.distribution for decision in decisions},
        state=state,
        value=value,
        intermediate_values=reports,
        constraints={"limit": violation} if violation else None,
        system_attrs=None if log_prob is None else {LOG_PROB_KEY: log_prob},
    )
    trial.number = number
    trial.datetime_complete = datetime.datetime(2026, 1, 1) + datetime.timedelta(seconds=number)
    decisions = {
        decision.name: Assignment(decision, index) for decision, index in decisions.items()
    }
    return Member(trial, decisions, outcome_key(trial, directions))


def _random_members(count: int) -> list[Member]:
    rng = random.Random(0)
    return [_member(n, (rng.randrange(3), rng.randrange(2)), rng.random()) for n in range(count)]


def _weights(policy: Policy) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in policy.controller.parameters()]


def _core(policy: Policy) -> torch.Tensor:
    return policy.controller.lstm.weight_hh_l0.detach().clone()


def _equal(first: Policy, second: Policy) -> bool:
    pairs = zip(_weights(first), _weights(second), strict=True)
    return all(torch.equal(a, b) for a, b in pairs) and first.baseline == second.baseline


def test_the_update_is_the_gradient_of_the_expected_reward() -> None:
    """REINFORCE summed over all trials of a two-decision toy against autograd of sum p R."""
    controller = Controller(NETWORK, seed=1).double()
    rewards = {pair: float(i) ** 2 for i, pair in enumerate(itertools.product(range(3), range(2)))}
    encoded = {}
    for a, b in rewards:
        sequence = read({"first": Assignment(FIRST, a), "second": Assignment(SECOND, b)}, Roles())
        controller.grow(list(sequence.blocks.values()))
        encoded[a, b] = controller.encode(sequence)
    controller.double()
    log_prob = controller(list(encoded.values()))[0]
    reward = torch.tensor(list(rewards.values()), dtype=torch.float64)
    expected = torch.autograd.grad((log_prob.exp() * reward).sum(), controller.lstm.parameters())
    log_prob = controller(list(encoded.values()))[0]
    nothing = torch.zeros(1)
    losses = [
        p.exp().detach() * policy_loss(p[None], nothing, (r - 7.0)[None], nothing, _settings())
        for p, r in zip(log_prob, reward, strict=True)
    ]
    got = torch.autograd.grad(-sum(losses), controller.lstm.parameters())
    for ours, closed in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, closed, rtol=1e-9, atol=1e-9)
    assert max(float(each.abs().max()) for each in expected) > 1e-3


def test_ppo_counts_a_ratio_within_its_bounds_only() -> None:
    settings = _settings(clip=0.2)
    before = torch.zeros(4)
    log_prob = torch.tensor([0.1, 0.5, -0.5, 100.0]).requires_grad_()
    advantage = torch.tensor([1.0, 1.0, -1.0, 1.0])
    loss = policy_loss(log_prob, torch.zeros(4), advantage, before, settings)
    expected = torch.tensor([0.1, 0.0, 0.0, 0.0]).exp()[0] + 1.2 - 0.8 + 1.2
    assert float(loss.detach()) == pytest.approx(-float(expected) / 4)
    (gradient,) = torch.autograd.grad(loss, log_prob)
    assert gradient[0] < 0
    assert gradient[1:].tolist() == [0.0, 0.0, 0.0]  # beyond the bounds nothing is gained
    # A bad trial that has become likelier still pushes back.
    worse = policy_loss(
        torch.tensor([0.5]).requires_grad_(), torch.zeros(1), -torch.ones(1), before[:1], settings
    )
    assert float(worse.detach()) == pytest.approx(float(torch.tensor(0.5).exp()))


@pytest.mark.parametrize("clip", [None, 0.2])
def test_entropy_is_rewarded(clip: float | None) -> None:
    settings = _settings(clip=clip, entropy_weight=0.5)
    zeros, entropy = torch.zeros(2), torch.tensor([1.0, 3.0])
    assert float(policy_loss(zeros, entropy, zeros, zeros, settings)) == -1.0


def test_the_behaviour_of_foreign_trials_is_computed() -> None:
    assert behaviour([-3.0, None], torch.tensor([-1.0, -2.0])).tolist() == [-3.0, -2.0]


def test_imitation_is_weighted_by_the_logarithm_of_the_rank() -> None:
    log_prob = torch.tensor([-1.0, -2.0, -4.0])
    w = torch.tensor([4.0 / 1, 4.0 / 2, 4.0 / 3]).log()
    expected = -0.3 * float((w / w.sum() * log_prob).sum())
    assert float(imitation_loss(log_prob, Imitation(weight=0.3))) == pytest.approx(expected)
    assert imitation_loss(torch.zeros(0), Imitation(weight=0.3)) == 0.0
    assert imitation_loss(log_prob, None) == 0.0


def test_the_skip_penalty_is_nought_at_its_target() -> None:
    penalty = SkipPenalty(target=0.4, weight=0.8)
    assert float(skip_loss(torch.full((5,), 0.4), penalty)) == pytest.approx(0.0, abs=1e-6)
    assert float(skip_loss(torch.tensor([0.9]), penalty)) == pytest.approx(
        0.8 * (0.9 * torch.tensor(0.9 / 0.4).log() + 0.1 * torch.tensor(0.1 / 0.6).log()).item()
    )
    assert skip_loss(torch.tensor([0.9]), None) == 0.0


def test_the_baseline_is_a_moving_average_of_earlier_rewards() -> None:
    policy = _policy(baseline_decay=0.75)
    rewards = [0.5, 0.9, 0.1, 0.4]
    policy.catch_up([_member(n, value=r) for n, r in enumerate(rewards)])
    b = rewards[0]
    for reward in rewards:
        b = 0.75 * b + 0.25 * reward
    assert policy.baseline == pytest.approx(b)


def test_the_first_reward_is_its_own_baseline_and_teaches_nothing() -> None:
    policy = _policy()
    before = _core(policy)
    policy.catch_up([_member(0, value=0.7)])
    assert torch.equal(before, _core(policy))
    first = _member(0, value=0.7)
    policy = _policy()
    policy.catch_up([first, _member(1, (1, 1), value=0.9)])
    assert not torch.equal(before, _core(policy))


def test_nothing_is_learned_before_a_batch_is_full() -> None:
    policy, members = _policy(batch_size=4), _random_members(8)
    before = _core(policy)
    policy.catch_up(members[:3])
    assert torch.equal(before, _core(policy))
    policy.catch_up(members[:4])
    assert not torch.equal(before, _core(policy))


@pytest.mark.parametrize("maximize", [True, False])
def test_learning_makes_good_decisions_likelier(maximize: bool) -> None:
    directions = [StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE]
    for reward in ("raw", "rank"):
        policy = _policy(maximize=maximize, reward=reward, optimizer=AdamOptions(lr=0.01))
        sign = 1.0 if maximize else -1.0
        members = [
            _member(n, (n % 3, 0), value=sign * float(n % 3 == 1), directions=directions)
            for n in range(120)
        ]
        policy.catch_up(members)
        p = []
        for index in range(3):
            sequence = read({"first": Assignment(FIRST, index)}, Roles())
            p.append(policy.controller([policy.controller.encode(sequence)])[0].exp().item())
        assert p[1] > 0.8, (reward, p)


def test_ranks_count_the_trials_that_were_beaten() -> None:
    policy = _policy(reward="rank")
    members = [
        _member(0, value=0.5),
        _member(1, value=0.9),
        _member(2, value=0.7),
        _member(3, value=0.7),
        _member(4, value=None, state=TrialState.PRUNED, reports={3: 0.99}),
        _member(5, value=1.0, violation=2.0),
        _member(6, value=1.0, violation=1.0),
    ]
    rewards = [policy._reward(member) for member in members]
    # Beats 1 of 1; 1 of 2; the tie counts half: 1.5 of 3; pruned: 0 of 4; infeasible: 0, then 1.
    assert rewards == pytest.approx([0.5, 1.0, 0.5, 1.5 / 3, 0.0, 0.0, 1.0 / 6])


def test_raw_rewards_of_trials_without_a_value_are_the_worst_so_far() -> None:
    policy = _policy(maximize=False)
    minimize = [StudyDirection.MINIMIZE]
    members = [
        _member(0, value=2.0, directions=minimize),
        _member(1, value=9.0, violation=1.0, directions=minimize),
        _member(2, value=None, state=TrialState.PRUNED, reports={1: 3.0}, directions=minimize),
        _member(3, value=None, state=TrialState.PRUNED, directions=minimize),
    ]
    assert [policy._reward(m) for m in members] == [-2.0, -2.0, -3.0, -3.0]


def test_a_function_makes_rewards_of_values() -> None:
    policy = _policy(reward=lambda value: value**3)
    assert policy._reward(_member(0, value=0.5)) == 0.125


@pytest.mark.parametrize(
    "changes",
    [
        {"reward": "rank", "imitation": Imitation(size=5)},
        {"batch_size": 5, "inner_steps": 3, "clip": 0.2},
        {"batch_size": 3, "reward": "raw"},
    ],
)
def test_a_rebuilt_policy_equals_the_one_that_learned_on_line(changes: dict[str, object]) -> None:
    members = _random_members(50)
    whole = _policy(**changes)
    whole.catch_up(members)
    piecewise = _policy(**changes)
    for count in (1, 2, 7, 20, 21, 50):
        piecewise.catch_up(members[:count])
    assert _equal(whole, piecewise)
    other = _policy(**changes)
    other.catch_up(members[:-20])
    assert not _equal(whole, other)


@pytest.mark.parametrize("late", [0, 3, 15, 30, 31, 44, 47])
def test_a_late_arrival_rolls_the_policy_back(late: int) -> None:
    members = _random_members(48)
    settings = {"batch_size": 2, "reward": "rank", "imitation": Imitation(size=4)}
    punctual, surprised = _policy(**settings), _policy(**settings)
    punctual.catch_up(members)
    missing = members[:late] + members[late + 1 :]
    surprised.catch_up(missing[:20])
    surprised.catch_up(missing)
    surprised.catch_up(members)
    assert _equal(punctual, surprised)
    assert surprised.count == 48


def test_many_late_arrivals_beyond_all_snapshots() -> None:
    members = _random_members(200)
    punctual, surprised = _policy(), _policy()
    punctual.catch_up(members)
    surprised.catch_up(members[2:])
    surprised.catch_up(members[1:])
    surprised.catch_up(members)
    assert _equal(punctual, surprised)
