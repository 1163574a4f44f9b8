"""`choice` on trials: one suggestion and one module."""

import pytest
from choice_examples import X, chain
from optuna.trial import FixedTrial
from space_testing import new_study
from torch import nn

from optuna_nas.spaces import Architecture, choice


def test_on_an_ordinary_trial_one_module_is_made():
    made = []

    def objective(trial):
        module = choice(
            trial,
            "op",
            {"linear": lambda: made.append(1) or nn.Linear(2, 3), "nothing": nn.Identity},
        )
        assert isinstance(module, nn.Linear) == (trial.params["op"] == "linear")
        return 0.0

    study = new_study()
    study.enqueue_trial({"op": "nothing"})
    study.enqueue_trial({"op": "linear"})
    study.optimize(objective, n_trials=2)
    assert made == [1]
    assert study.trials[0].distributions["op"].choices == ("linear", "nothing")
    assert isinstance(
        choice(FixedTrial({"op": "nothing"}), "op", {"nothing": nn.Identity}), nn.Identity
    )


def test_in_a_function_space():
    study = new_study()
    study.optimize(lambda trial: len(str(chain.suggest(trial))), n_trials=4)
    for trial in study.trials:
        architecture = chain.architecture(trial)
        assert architecture.build()(X).shape == (2, 5)
        assert Architecture.from_json(architecture.to_json(), chain) == architecture
    # sum over depths of 3^layers, times norm or not
    assert chain.num_architectures == 2 * (3 + 9 + 27)


@pytest.mark.parametrize(
    ("candidates", "error", "message"),
    [
        ({}, ValueError, "`op` must be at least one"),
        ([nn.Identity], TypeError, "`op` must be a dictionary of factories"),
        (
            {"a": nn.Linear(1, 1)},
            TypeError,
            "'a' of `op` must be a function.*got a module.*lambda:",
        ),
        ({"a": 3}, TypeError, "'a' of `op` must be a function that makes a module, but got 3"),
        ({"a": lambda: 3}, TypeError, r"'a' of `op` must make a torch\.nn\.Module, but made 3"),
    ],
)
def test_wrong_candidates(candidates, error, message):
    with pytest.raises(error, match=message):
        choice(FixedTrial({"op": "a"}), "op", candidates)
