"""`choice` in supernets of function spaces."""

import copy

import optuna
import pytest
import torch
from choice_examples import FIXED, OPS, X, banks, chain, factories
from space_testing import new_study
from torch import nn

from optuna_nas.spaces import MixtureError, choice, function_space


def test_mixture_is_the_weighted_sum():
    supernet = chain.supernet(fixed=FIXED, num_classes=7).double().eval()
    stem, first, norm_1, second, norm_2, *rest = supernet.network.network
    x = X.double()
    out = stem(x)
    for switch, norm, alpha in zip(
        (first, second), (norm_1, norm_2), supernet.alphas().values(), strict=True
    ):
        a, b, c = alpha.softmax(-1)
        skip, conv, pool = switch.candidates
        out = norm(a * skip(out) + b * conv(out) + c * pool(out))
    expected = nn.Sequential(*rest)(out)
    torch.testing.assert_close(supernet(x), expected, rtol=0, atol=1e-12)
    assert supernet(x).shape == (2, 7)


def test_alphas():
    torch.manual_seed(0)
    supernet = chain.supernet(fixed=FIXED)
    assert list(supernet.alphas()) == ["layer_0_op", "layer_1_op"]
    assert supernet.choices == {"layer_0_op": OPS, "layer_1_op": OPS}
    values = torch.cat(list(supernet.alphas().values()))
    assert values.shape == (6,)
    assert 0 < values.abs().max() < 5e-3
    everything = {id(p) for p in supernet.parameters()}
    parts = [id(p) for p in [*supernet.alphas().values(), *supernet.weights().values()]]
    assert supernet.weights().items() <= dict(supernet.named_parameters()).items()
    assert len(parts) == len(set(parts))
    assert set(parts) == everything


def test_one_path_is_the_mixture_with_one_hot_weights():
    supernet = chain.supernet(fixed=FIXED).double().eval()
    for ops in (("skip_connect", "sep_conv_3x3"), ("max_pool_3x3", "max_pool_3x3")):
        named = {f"layer_{i}_op": op for i, op in enumerate(ops)}
        one_hot = {
            name: torch.eye(3, dtype=torch.float64)[OPS.index(op)] for name, op in named.items()
        }
        architecture = chain.architecture({**FIXED, **named})
        torch.testing.assert_close(
            supernet(X.double(), architecture=architecture),
            supernet(X.double(), mixture=one_hot),
            rtol=0,
            atol=1e-12,
        )


def test_gradients():
    supernet = chain.supernet(fixed=FIXED)
    supernet(X).square().sum().backward()
    assert all(p.grad is not None for p in supernet.parameters())
    supernet.zero_grad()
    architecture = chain.architecture(
        {**FIXED, "layer_0_op": "sep_conv_3x3", "layer_1_op": "skip_connect"}
    )
    supernet(X, architecture=architecture).square().sum().backward()
    assert all(alpha.grad is None for alpha in supernet.alphas().values())
    touched = {name for name, p in supernet.weights().items() if p.grad is not None}
    assert any(name.startswith("network.network.1.candidates.1") for name in touched)
    assert not any(name.startswith("network.network.3.candidates") for name in touched)
    assert {"network.network.0.weight", "network.network.2.weight"} <= touched


def test_derive():
    supernet = chain.supernet(fixed=FIXED)
    with torch.no_grad():
        supernet.alphas()["layer_0_op"].copy_(torch.tensor([0.0, 2.0, 2.0]))
        supernet.alphas()["layer_1_op"].copy_(torch.tensor([1.0, 1.0, 1.0]))
    derived = supernet.derive()
    assert derived.params == {**FIXED, "layer_0_op": "sep_conv_3x3", "layer_1_op": "skip_connect"}
    assert derived == chain.architecture(derived.params)
    assert supernet(X, architecture=derived).shape == derived.build()(X).shape
    other = supernet.derive({name: torch.tensor([0.1, 0.2, 0.7]) for name in supernet.alphas()})
    assert other.params["layer_1_op"] == "max_pool_3x3"
    other.enqueue(new_study())


def test_choices_of_one_name_share_their_alpha_only():
    @function_space
    def alike(trial):
        return nn.Sequential(*(choice(trial, "op", factories(3)) for _ in range(2)))

    supernet = alike.supernet()
    assert list(supernet.alphas()) == ["op"]
    first, second = supernet.network.network
    assert all(a is not b for a, b in zip(first.parameters(), second.parameters(), strict=True))
    supernet(X, architecture=alike.architecture({"op": "sep_conv_3x3"})).sum().backward()
    grads = [p.grad is not None for switch in (first, second) for p in switch.parameters()]
    assert grads == [True] * 16


def test_softmax_once_per_forward(monkeypatch):
    @function_space
    def alike(trial):
        return nn.Sequential(*(choice(trial, "op", factories(3)) for _ in range(2)))

    supernet = alike.supernet()
    calls = []
    softmax = torch.Tensor.softmax
    monkeypatch.setattr(
        torch.Tensor, "softmax", lambda self, dim: calls.append(1) or softmax(self, dim)
    )
    supernet(X)
    assert calls == [1]


# Nested choices


def test_nested_choices_are_banks():
    supernet = banks.supernet()
    assert list(supernet.alphas()) == [
        "bank_1_op",
        "bank_2_input",
        "bank_2_op",
    ]  # 1_input is single
    assert supernet(X).shape == (2, 5)
    first = {"bank_1_input": 0, "bank_1_op": "sep_conv_3x3", "bank_2_input": 0}
    one = banks.architecture({**first, "bank_2_op": "sep_conv_3x3"})
    other = banks.architecture({**first, "bank_2_input": 1, "bank_2_op": "sep_conv_3x3"})

    def touched(architecture):
        supernet.zero_grad()
        supernet(X, architecture=architecture).square().sum().backward()
        return {name: p for name, p in supernet.weights().items() if p.grad is not None}

    # In both, node 2 is a separable convolution; of the image, or of node 1.
    nodes = "network.network.nodes."
    of_image, of_node = (
        {name for name in touched(architecture) if name.startswith(nodes)}
        for architecture in (one, other)
    )
    assert {name.startswith(f"{nodes}1.candidates.0.op.candidates.1.") for name in of_image} == {
        True
    }
    assert len(of_image) == 8
    assert not any(name.startswith(f"{nodes}1.candidates.0") for name in of_node)
    assert len(of_node) == 16  # node 1 is read, and so touched
    assert supernet.derive().space == banks


def test_derive_asks_for_what_the_path_needs_only():
    @function_space(prefix="my_")
    def tree(trial):
        inner = {"x": lambda: nn.Linear(3, 3), "y": nn.Identity}
        outer = {"inner": lambda: choice(trial, "inner", inner), "none": nn.Identity}
        return choice(trial, "outer", outer)

    supernet = tree.supernet()
    assert list(supernet.alphas()) == ["my_outer", "my_inner"]  # in the order asked
    with torch.no_grad():
        supernet.alphas()["my_outer"].copy_(torch.tensor([0.0, 1.0]))
    assert supernet.derive().params == {"my_outer": "none"}
    x = torch.ones(2, 3)
    assert torch.equal(supernet(x, architecture=supernet.derive()), x)


# What is decided beforehand


def test_fixed_choices_make_nothing_else():
    supernet = chain.supernet(fixed={**FIXED, "layer_0_op": "skip_connect"})
    assert isinstance(supernet.network.network[1], nn.Identity)
    assert list(supernet.alphas()) == ["layer_1_op"]
    assert supernet.derive().params["layer_0_op"] == "skip_connect"
    with pytest.raises(
        ValueError, match="`layer_0_op` among .*skip.* has 'max_pool_3x3'.*`fixed`"
    ):
        supernet(
            X,
            architecture=chain.architecture(
                {**FIXED, "layer_0_op": "max_pool_3x3", "layer_1_op": "skip_connect"}
            ),
        )


def test_numbers_must_be_fixed():
    with pytest.raises(
        MixtureError, match=r"`num_layers` is a number.*repeat\(.*fixed=\{'num_layers': \.\.\."
    ):
        chain.supernet()

    @function_space
    def floating(trial):
        return nn.Dropout(trial.suggest_float("rate", 0.0, 0.5))

    with pytest.raises(MixtureError, match="`rate` is a number"):
        floating.supernet()
    assert floating.supernet(fixed={"rate": 0.25}).network.network.p == 0.25


def test_single_values_are_decided():
    @function_space
    def narrow(trial):
        width = trial.suggest_int("width", 4, 4) + int(trial.suggest_float("more", 1.0, 1.0))
        assert trial.params == {"width": 4, "more": 1.0}
        return nn.Linear(3, width if trial.suggest_categorical("wide", [True]) else 1)

    supernet = narrow.supernet()
    assert supernet.alphas() == {}
    assert supernet(torch.ones(1, 3)).shape == (1, 5)
    assert supernet.derive().params == {"width": 4, "more": 1.0, "wide": True}


def test_wrong_fixed_values():
    with pytest.raises(ValueError, match=r"`num_layers` must be an int in \[1, 3\].*got 9"):
        chain.supernet(fixed={**FIXED, "num_layers": 9})
    with pytest.raises(ValueError, match=r"`fixed` must hold decisions.*did not ask for \['lr'\]"):
        chain.supernet(fixed={**FIXED, "lr": 0.1})


def test_trial_methods_are_those_of_an_ordinary_run():
    @function_space
    def curious(trial):
        return nn.Linear(trial.number, 1)

    @function_space
    def doubled(trial):
        choice(trial, "op", {"a": nn.Identity, "b": nn.Identity})
        return choice(trial, "op", {"a": nn.Identity})

    @function_space
    def odd(trial):
        return trial.suggest_categorical("shape", [(1, 2), (2, 3)])

    @function_space
    def scheduled(trial):
        depth = trial.suggest_scheduled_int("depth", 1, 3, schedule=lambda n: 2)
        return nn.Linear(depth, len(trial.distributions))

    with pytest.raises(AttributeError, match=r"sees no `trial\.number`"):
        curious.supernet()
    with pytest.raises(ValueError, match="`op` is asked for twice"):
        doubled.supernet()
    with pytest.raises(TypeError, match="choices of `shape` must be"):
        odd.supernet()
    assert scheduled.supernet(fixed={"depth": 2}).network.network.in_features == 2


def test_it_must_return_a_module():
    @function_space
    def forgetful(trial):
        choice(trial, "op", {"a": nn.Identity, "b": nn.Identity})

    with pytest.raises(TypeError, match=r"must return a torch\.nn\.Module"):
        forgetful.supernet()


# As a module


def test_supernets_copy_and_store():
    supernet = banks.supernet().eval()
    supernet(X)
    other = copy.deepcopy(supernet)
    with torch.no_grad():
        other.alphas()["bank_2_op"].add_(torch.tensor([0.0, 3.0, 0.0]))
    assert not torch.equal(supernet(X), other(X))
    supernet.load_state_dict(other.state_dict())
    assert torch.equal(supernet(X), other(X))
    assert supernet.derive() == other.derive()


def test_on_the_meta_device():
    with torch.device("meta"):
        supernet = chain.supernet(fixed=FIXED)
        assert supernet(X.to("meta")).shape == (2, 5)
    assert all(p.is_meta for p in supernet.parameters())


def test_suggesting_from_a_supernet_under_a_study():
    """A one-shot result goes on as an enqueued trial."""
    supernet = chain.supernet(fixed=FIXED)
    study = optuna.create_study()
    supernet.derive().enqueue(study)
    study.optimize(lambda trial: len(str(chain.suggest(trial))), n_trials=1)
    assert chain.architecture(study.trials[0]) == supernet.derive()
