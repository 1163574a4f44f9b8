"""Function spaces: recording, the meta device, counting, pickling, refusals."""

import copy
import math
import pickle
import warnings

import function_examples
import pytest
import torch
from function_examples import (
    Groups,
    chain_net,
    floating_net,
    needs_a_real_device,
    prefixed_net,
    pruning_net,
    wide_net,
)
from space_testing import new_study, sample
from torch import nn

from optuna_nas.spaces import Architecture, FunctionSpace, MetaDeviceWarning, function_space

# Recording


def test_build_runs_the_function_again_with_its_keywords():
    architecture = chain_net.architecture(
        {"num_layers": 2, "width_0": 8, "norm_0": True, "width_1": 4, "norm_1": False}
    )
    model = architecture.build(num_classes=7, in_channels=1)
    kinds = [type(layer).__name__ for layer in model]
    assert kinds[:5] == ["Conv2d", "ReLU", "BatchNorm2d", "Conv2d", "ReLU"]
    assert model(torch.zeros(2, 1, 5, 5)).shape == (2, 7)


def test_suggesting_builds_nothing():
    @function_space
    def huge_net(trial, num_classes=10):
        width = trial.suggest_categorical("width", [10**6])
        return nn.Linear(width, width)  # 4 TB

    assert huge_net.suggest(new_study().ask()).params == {"width": 10**6}


def test_floats_are_recorded():
    study = new_study()
    study.optimize(lambda t: floating_net.suggest(t).params["dropout"], n_trials=3)
    for trial in study.trials:
        architecture = floating_net.architecture(trial)
        assert architecture.build()[1].p == trial.value
        assert Architecture.from_json(architecture.to_json(), floating_net) == architecture
    with pytest.raises(ValueError, match=r"`dropout` must be a float in \[0.0, 0.5\].*got 0.6"):
        floating_net.architecture({"dropout": 0.6})


def test_it_can_still_be_called():
    study = new_study()
    trial = study.ask()
    model = chain_net(trial, num_classes=3)
    assert isinstance(model, nn.Module)
    assert chain_net.suggest(trial).params == trial.params


def test_other_parameters_are_passed_over_unless_the_prefix_claims_them():
    params = sample(chain_net, 1)[0].params
    assert chain_net.architecture({**params, "lr": 0.1}).params == params
    params = sample(prefixed_net, 1)[0].params
    assert prefixed_net.architecture({**params, "lr": 0.1}).params == params
    with pytest.raises(ValueError, match=r"did not ask for \['my_lr'\]"):
        prefixed_net.architecture({**params, "my_lr": 0.1})


def test_any_keyword_where_the_function_takes_any():
    architecture = Groups.static_net.architecture({"width": 3})
    assert architecture.build(num_classes=4, colour="red").out_features == 4
    assert Groups.static_net.build_arguments == {}


def test_keyword_arguments_of_the_signature():
    assert chain_net.build_arguments == {"num_classes": 10, "in_channels": 3}
    with pytest.raises(TypeError, match=r"build arguments \['cells'\], only num_classes=10"):
        sample(chain_net, 1)[0].build(cells=3)


# The meta device


def test_falls_back_to_the_real_device_once():
    space = FunctionSpace(function=needs_a_real_device)
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    study = new_study()
    with pytest.warns(MetaDeviceWarning, match=r"real device.*RuntimeError: .*item\(\)"):
        first = space.suggest(study.ask())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = space.suggest(study.ask())
    assert torch.equal(before, torch.random.get_rng_state())
    assert first.build().in_features == first.params["width"]
    assert space.architecture(second.params) == second
    assert space.num_architectures == 4


def test_what_was_asked_on_the_meta_device_is_forgotten():
    @function_space
    def two_faced_net(trial):
        probe = torch.ones(1)
        if probe.is_meta:
            trial.suggest_int("only_there", 1, 4)
            probe.item()
        return nn.Linear(trial.suggest_int("width", 1, 4), 1)

    with pytest.warns(MetaDeviceWarning):
        architecture = two_faced_net.suggest(new_study().ask())
    assert list(architecture.params) == ["width"]


def test_a_refused_decision_is_no_matter_of_devices():
    calls = []

    @function_space
    def counted_net(trial):
        calls.append(1)
        return nn.Linear(trial.suggest_int("width", 1, 4), 1)

    with pytest.raises(ValueError, match="`width` must be an int"):
        counted_net.architecture({"width": 9})
    assert len(calls) == 1


def test_exceptions_pass_through_untouched():
    class MyError(Exception):
        pass

    error = MyError("mine")

    @function_space
    def failing_net(trial):
        trial.suggest_int("width", 1, 4)
        raise error

    with pytest.raises(MyError) as caught:
        failing_net.suggest(new_study().ask())
    assert caught.value is error
    assert error.__context__ is None


def test_exceptions_of_the_build_pass_through():
    @function_space
    def picky_net(trial, num_classes=10):
        width = trial.suggest_int("width", 1, 4)
        if num_classes > 10:
            raise KeyError("too many")
        return nn.Linear(width, num_classes)

    with pytest.raises(KeyError, match="too many"):
        sample(picky_net, 1)[0].build(num_classes=11)


def test_a_network_must_be_returned():
    @function_space
    def forgetful_net(trial):
        nn.Linear(trial.suggest_int("width", 1, 4), 1)

    with pytest.raises(TypeError, match=r"must return a torch\.nn\.Module, but returned None"):
        forgetful_net.suggest(new_study().ask())


# Decisions must repeat


def test_decisions_must_not_depend_on_build_arguments():
    @function_space
    def unsteady_net(trial, num_classes=10):
        name = "wide" if num_classes > 5 else "narrow"
        return nn.Linear(trial.suggest_int(name, 1, 4), num_classes)

    architecture = sample(unsteady_net, 1)[0]
    architecture.build()
    with pytest.raises(ValueError, match="asked for `narrow` when it was built.*not on build"):
        architecture.build(num_classes=2)


def test_decisions_must_be_asked_for_again():
    @function_space
    def lazy_net(trial, num_classes=10):
        width = trial.suggest_int("width", 1, 4) if num_classes > 5 else 1
        return nn.Linear(width, num_classes)

    with pytest.raises(ValueError, match=r"did not ask for \['width'\] when it was built"):
        sample(lazy_net, 1)[0].build(num_classes=2)


def test_a_changed_function_refuses_an_enqueued_architecture():
    def make(name):
        @function_space
        def net(trial):
            return nn.Linear(trial.suggest_int(name, 1, 4), 1)

        return net

    study = new_study()
    sample(make("width"), 1)[0].enqueue(study)
    with pytest.raises(ValueError, match=r"\['depth', 'width'\] were decided otherwise"):
        make("depth").suggest(study.ask())


def test_one_name_for_two_things():
    @function_space
    def doubled_net(trial):
        return nn.Linear(trial.suggest_int("n", 1, 4), trial.suggest_int("n", 1, 5))

    with pytest.raises(ValueError, match="`n` is asked for twice"):
        doubled_net.suggest(new_study().ask())


def test_choices_must_be_plain():
    @function_space
    def tuple_net(trial):
        return nn.Linear(*trial.suggest_categorical("shape", [(1, 2), (2, 3)]))

    with pytest.raises(TypeError, match=r"choices of `shape` must be .* got \(1, 2\).*look it up"):
        tuple_net.suggest(new_study().ask())


def test_a_function_sees_its_decisions_only():
    @function_space
    def curious_net(trial):
        return nn.Linear(1 + trial.number, 1)

    with pytest.raises(AttributeError, match=r"sees no `trial\.number`"):
        curious_net.suggest(new_study().ask())


# Size


def test_exact_size():
    # layers of 2 widths x norm or not: 4 + 16 + 64
    assert chain_net.num_architectures == 84
    assert pruning_net.num_architectures == 6  # of 9, 3 are dead ends


def test_leaves_are_different_decisions():
    seen = {a.params["width"] for a in sample(Groups.static_net, 40)}
    assert len(seen) == Groups.static_net.num_architectures == 4


def test_floats_have_no_size():
    with pytest.raises(ValueError, match="no number of architectures: `dropout` is a float"):
        _ = floating_net.num_architectures
    with pytest.raises(ValueError, match="`dropout` is a float"):
        floating_net.estimate_size()


def test_large_spaces_are_estimated():
    with pytest.raises(ValueError, match=r"counted one by one.*Use estimate_size\(\)"):
        _ = wide_net.num_architectures
    estimate = wide_net.estimate_size(samples=3)
    assert math.isclose(estimate.mean, 3.0**60)
    assert estimate.standard_error == 0.0


def test_counting_stops_at_the_limit(monkeypatch):
    monkeypatch.setattr("optuna_nas.spaces.decisions._enumeration.MAX_LEAVES", 50)
    space = FunctionSpace(function=chain_net.function)
    with pytest.raises(ValueError, match="more than 50 architectures"):
        _ = space.num_architectures


def test_estimate_is_unbiased_and_seeded():
    estimates = [chain_net.estimate_size(samples=40, seed=seed) for seed in range(8)]
    mean = sum(e.mean for e in estimates) / 8
    error = math.sqrt(sum(e.standard_error**2 for e in estimates)) / 8
    assert abs(mean - 84) < 4 * error
    assert chain_net.estimate_size(samples=40, seed=3) == estimates[3]
    assert "(40 samples)" in str(estimates[0])
    assert abs(pruning_net.estimate_size(samples=400).mean - 6) < 1
    with pytest.raises(ValueError, match="`samples` must be at least 2"):
        chain_net.estimate_size(samples=1)


# Identity


@pytest.mark.parametrize("space", [chain_net, prefixed_net, Groups.static_net])
def test_pickle_and_copies(space):
    again = pickle.loads(pickle.dumps(space))
    assert again == space
    assert hash(again) == hash(space)
    assert copy.copy(space) is space
    assert copy.deepcopy([space])[0] is space
    architecture = sample(space, 1)[0]
    assert pickle.loads(pickle.dumps(architecture)) == architecture


def test_pickle_of_an_undecorated_function():
    space = FunctionSpace(function=needs_a_real_device, prefix="x_")
    assert pickle.loads(pickle.dumps(space)) == space
    assert b"needs_a_real_device" in pickle.dumps(space)
    assert function_examples.needs_a_real_device is needs_a_real_device


def test_local_functions_do_not_pickle():
    @function_space
    def local_net(trial):
        return nn.Linear(trial.suggest_int("width", 1, 4), 1)

    with pytest.raises(pickle.PicklingError, match="Move it to the top level"):
        pickle.dumps(local_net)
    assert copy.deepcopy(local_net) is local_net


def test_digest_follows_decisions_and_source():
    def make(out):
        if out == 1:

            @function_space
            def net(trial):
                return nn.Linear(trial.suggest_int("width", 1, 4), 1)

        else:

            @function_space
            def net(trial):
                return nn.Linear(trial.suggest_int("width", 1, 4), 2)

        return net

    one, other = make(1), make(2)
    digests = [s.digest({"width": w}) for s in (one, other) for w in (1, 2)]
    assert len(set(digests)) == 4
    assert one.source_hash != other.source_hash
    assert make(1).digest({"width": 1}) == digests[0]


def test_source_hash_without_source():
    namespace = {"nn": nn}
    code = "def net(trial, n={}):\n    return nn.Linear(trial.suggest_int('width', 1, 4), {})"
    hashes = []
    for out in (1, 2, 1):
        exec(code.format(out, out), namespace)
        hashes.append(FunctionSpace(function=namespace["net"]).source_hash)
    assert hashes[0] == hashes[2] != hashes[1]


def test_repr():
    assert repr(chain_net) == "FunctionSpace(chain_net)"
    assert repr(prefixed_net) == "FunctionSpace(prefixed_net, prefix='my_')"


def test_picture_is_the_list_of_decisions():
    architecture = Groups.static_net.architecture({"width": 3})
    assert [node.label for node in architecture.graph().nodes] == ["static_net", "width\n3"]


# What cannot be a space


class Stateful:
    def method(self, trial):
        return nn.Linear(1, 1)

    def __call__(self, trial):
        return nn.Linear(1, 1)


def needing_net(trial, width, *, depth=1):
    return nn.Linear(width, depth)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda trial: nn.Linear(1, 1), "got a lambda. Write a `def`"),
        (Stateful().method, "made from a plain function, but got <bound method"),
        (Stateful.method, "first argument of Stateful.method must be the trial"),
        (Stateful(), "made from a plain function"),
        (needing_net, r"need defaults.*\['width'\] have none"),
        (3, "made from a plain function, but got 3"),
    ],
)
def test_refused_functions(function, message):
    with pytest.raises(TypeError, match=message):
        function_space(function)


@pytest.mark.parametrize("text", ["width=3", "[1]"])
def test_wrong_text(text):
    with pytest.raises(ValueError, match=r"FunctionSpace\(chain_net\) are written as"):
        chain_net.parse(text)
