"""The recurrent controller: what its probabilities are, whoever computes them."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys

import numpy as np
import optuna
import pytest
import torch
from optuna.distributions import CategoricalDistribution, IntDistribution

from optuna_nas._ground.keyed import KeyedGenerator
from optuna_nas.samplers.base._decisions import Assignment, Decision, DecisionTable, as_decides
from optuna_nas.samplers.base._roles import Roles
from optuna_nas.samplers.policy._controller import Controller
from optuna_nas.samplers.policy._rollout import Rollout
from optuna_nas.samplers.policy._settings import ControllerNetwork
from optuna_nas.samplers.policy._token_sequences import Block, read
from optuna_nas.spaces import NASRLSpace

TABLE = DecisionTable(as_decides(None))
OP = TABLE.get("op", CategoricalDistribution(["a", "b", "c"]))
ACT = TABLE.get("act", CategoricalDistribution(["relu", "tanh"]))
DEPTH = TABLE.get("depth", IntDistribution(1, 4))
assert OP is not None
assert ACT is not None
assert DEPTH is not None


def _network(**changes: object) -> ControllerNetwork:
    settings = {
        "hidden_size": 8,
        "num_layers": 2,
        "init_range": 0.5,
        "temperature": None,
        "tanh_constant": "auto",
        "name_bias": True,
    }
    return ControllerNetwork(**(settings | changes))


def _log_prob(controller: Controller, steps: list[Assignment]) -> float:
    sequence = read(
        {decision.name: Assignment(decision, index) for decision, index in steps}, Roles()
    )
    controller.grow(list(sequence.blocks.values()))
    return float(controller([controller.encode(sequence)])[0].detach())


def _anchors(layers: int) -> list[Decision]:
    names = [(i, j) for i in range(2, layers + 1) for j in range(1, i)]
    decisions = [
        TABLE.get(f"layer_{i:02d}_from_{j:02d}", CategoricalDistribution([False, True]))
        for i, j in names
    ]
    return [decision for decision in decisions if decision is not None]


def test_probabilities_of_all_sequences_sum_to_one() -> None:
    controller = Controller(_network(), seed=3)
    total = sum(
        math.exp(
            _log_prob(controller, [Assignment(OP, a), Assignment(ACT, b), Assignment(DEPTH, c)])
        )
        for a, b, c in itertools.product(range(3), range(2), range(4))
    )
    assert total == pytest.approx(1.0, abs=1e-5)


def test_a_decision_depends_on_earlier_ones() -> None:
    controller = Controller(_network(init_range=1.0), seed=0)
    first, second = (
        _log_prob(controller, [Assignment(OP, a), Assignment(ACT, 0)])
        - _log_prob(controller, [Assignment(OP, a)])
        for a in (0, 2)
    )
    assert abs(first - second) > 1e-3


def test_entropy_is_that_of_the_distributions_along_the_trial() -> None:
    controller = Controller(_network(init_range=1.0), seed=1)
    expected = 0.0
    for prefix, decision in (([], OP), ([Assignment(OP, 1)], ACT)):
        before = _log_prob(controller, prefix) if prefix else 0.0
        p = [
            math.exp(_log_prob(controller, [*prefix, Assignment(decision, i)]) - before)
            for i in range(decision.size)
        ]
        expected -= sum(each * math.log(each) for each in p)
    sequence = read({"op": Assignment(OP, 1), "act": Assignment(ACT, 0)}, Roles())
    entropy = controller([controller.encode(sequence)])[1].item()
    assert entropy == pytest.approx(expected, abs=1e-5)


def test_a_batch_of_trials_of_different_length_changes_nothing() -> None:
    controller = Controller(_network(), seed=0)
    sequences = [
        [Assignment(OP, 0)],
        [Assignment(OP, 1), Assignment(ACT, 1), Assignment(DEPTH, 2)],
        [Assignment(OP, 2), *(Assignment(anchor, i % 2) for i, anchor in enumerate(_anchors(3)))],
    ]
    alone = [_log_prob(controller, steps) for steps in sequences]
    encoded = [
        controller.encode(read({s.name: (s, i) for s, i in steps}, Roles())) for steps in sequences
    ]
    together, entropy, bits = controller(encoded)
    assert together.detach().tolist() == pytest.approx(alone, abs=1e-5)
    assert len(entropy) == 3
    assert len(bits) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tanh_constant": None},
        {"tanh_constant": 1.1, "temperature": 5.0},
        {"num_layers": 1},
        {"name_bias": False},
    ],
)
def test_the_rollout_in_numpy_is_the_same_controller(changes: dict[str, object]) -> None:
    """Against torch's LSTM, on conditional trials with anchors, with learned and new heads."""
    space = NASRLSpace(num_layers=(2, 5))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: len(space.suggest(trial).params), n_trials=6)
    controller = Controller(_network(**changes), seed=5)
    for grown, trial in enumerate(study.trials):
        decisions = {
            name: Assignment(decision, decision.index(value))
            for name, value in trial.params.items()
            if (decision := TABLE.get(name, trial.distributions[name])) is not None
        }
        sequence = read(decisions, Roles())
        if grown % 2:
            controller.grow(list(sequence.blocks.values()))
        rollout = Rollout(controller, Roles(), KeyedGenerator(0, 0))
        for decision, index in decisions.values():
            rollout.note(decision, index)
        controller.grow(list(sequence.blocks.values()))
        in_torch = float(controller([controller.encode(sequence)])[0].detach())
        assert rollout.log_prob == pytest.approx(in_torch, rel=1e-5)


def test_rollouts_draw_from_these_probabilities() -> None:
    controller = Controller(_network(init_range=1.0), seed=2)
    counts = np.zeros(3)
    for number in range(2000):
        rollout = Rollout(controller, Roles(), KeyedGenerator(0, number))
        counts[rollout.choose(OP, [0, 1, 2])] += 1
    p = np.exp([_log_prob(controller, [Assignment(OP, i)]) for i in range(3)])
    assert p.max() > 0.4
    # Four standard deviations of a binomial share of 2,000.
    assert np.abs(counts / 2000 - p).max() < 4 * np.sqrt(0.25 / 2000)


def test_closed_choices_are_never_drawn() -> None:
    controller = Controller(_network(), seed=2)
    drawn = {
        Rollout(controller, Roles(), KeyedGenerator(0, n)).choose(DEPTH, [1, 3]) for n in range(50)
    }
    assert drawn == {1, 3}


@pytest.mark.parametrize("layers", [2, 15])
def test_all_anchors_of_a_layer_are_one_step(layers: int) -> None:
    """Section 3.3 of the paper: 15 layers take 15 steps, of which 14 have 105 bits."""
    sequence = read(
        {decision.name: Assignment(decision, 1) for decision in _anchors(layers)}, Roles()
    )
    assert len(sequence.inputs) == layers - 1
    assert len(sequence.bits) == layers * (layers - 1) // 2
    assert not sequence.choices
    # Layer 1 has no decision here; layer 3 reads layer 2 at the step where layer 2 was decided.
    assert {bit.source for bit in sequence.bits if bit.step == 0} == {None}
    if layers > 2:
        assert [bit.source for bit in sequence.bits if bit.step == 1] == [None, 0]


def test_an_anchor_reads_the_step_at_which_the_earlier_layer_ended() -> None:
    space = NASRLSpace(num_layers=3)
    trial = optuna.create_study().ask()
    space.suggest(trial)
    decisions = {name: (TABLE.get(name, d), 0) for name, d in trial.distributions.items()}
    sequence = read(decisions, Roles())
    names = ["height", "width", "filters"]
    assert len(sequence.inputs) == 3 * len(names) + 2
    # Layer 1 ends at step 2 (its filters), layer 2 at step 6 (its anchors).
    assert [(bit.step, bit.source) for bit in sequence.bits] == [(6, 2), (10, 2), (10, 6)]


def test_anchors_are_independent_bits() -> None:
    """The log-probability of a set is the sum over its bits: sigmoid(v^T tanh(W h_j + U h_i))."""
    controller = Controller(_network(init_range=1.0), seed=4)
    bits = _anchors(3)[1:]
    joint = {
        pair: math.exp(_log_prob(controller, list(zip(bits, pair, strict=True))))
        for pair in itertools.product((0, 1), repeat=2)
    }
    assert sum(joint.values()) == pytest.approx(1.0, abs=1e-5)
    first = joint[1, 0] + joint[1, 1]
    second = joint[0, 1] + joint[1, 1]
    assert joint[1, 1] == pytest.approx(first * second, rel=1e-4)


def test_a_head_does_not_depend_on_when_it_was_met() -> None:
    early, late = Controller(_network(), seed=7), Controller(_network(), seed=7)
    early.grow([Block.of(OP), Block.of(ACT)])
    late.grow([Block.of(ACT)])
    late.grow([Block.of(OP)])
    steps = [Assignment(OP, 2), Assignment(ACT, 1)]
    assert _log_prob(early, steps) == pytest.approx(_log_prob(late, steps), abs=1e-6)
    assert _log_prob(Controller(_network(), seed=8), steps) != _log_prob(early, steps)


def test_equal_lists_of_choices_share_a_head_and_others_do_not() -> None:
    again = TABLE.get("other_op", CategoricalDistribution(["a", "b", "c"]))
    numbers = TABLE.get("numbers", CategoricalDistribution([1, 2]))
    truths = TABLE.get("truths", CategoricalDistribution([True, 2]))
    assert Block.of(again) == Block.of(OP)
    assert Block.of(numbers) != Block.of(truths)  # 1 == True in Python


def test_a_name_has_biases_of_its_own() -> None:
    again = TABLE.get("other_op", CategoricalDistribution(["a", "b", "c"]))
    assert again is not None
    controller = Controller(_network(), seed=0)
    before = [
        _log_prob(controller, [Assignment(decision, 0)]) for decision in Assignment(OP, again)
    ]
    assert before[0] == before[1]  # one list, one head
    with torch.no_grad():
        controller.own[controller.first_row[Block.own(again).key]] += 0.1
    after = [
        _log_prob(controller, [Assignment(decision, 0)]) for decision in Assignment(OP, again)
    ]
    assert after[0] == before[0]
    assert after[1] > before[1] + 0.1


@pytest.mark.parametrize("size", [2, 3, 5, 13])
def test_no_choice_gets_more_than_the_largest_probability(size: int) -> None:
    cap = _network().cap(size)
    largest = math.exp(cap) / (math.exp(cap) + (size - 1) * math.exp(-cap))
    assert largest == pytest.approx(0.974, abs=1e-6)


def test_logits_are_shaped_as_enas_says() -> None:
    shape = _network(temperature=5.0, tanh_constant=2.5)
    logits = torch.tensor([0.0, 5.0, 1e3])
    shaped = shape.shaped(logits, shape.cap(3), tanh=torch.tanh)
    assert shaped.tolist() == pytest.approx([0.0, 2.5 * math.tanh(1.0), 2.5])


def test_making_a_controller_leaves_the_random_state_alone() -> None:
    before = torch.get_rng_state()
    Controller(_network(), seed=0).grow([Block.of(OP)])
    assert torch.equal(before, torch.get_rng_state())


def test_samplers_are_imported_without_torch() -> None:
    code = (
        "import sys\nfrom optuna_nas.samplers import PPOSampler, ReinforceSampler\n"
        "ReinforceSampler(seed=0), PPOSampler(seed=0)\nsys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
