"""`choice` on trials and in supernets of function spaces, and what a mixture refuses."""

import copy
import math
import operator

import optuna
import pytest
import torch
from optuna.trial import FixedTrial
from space_testing import new_study
from torch import nn

from optuna_nas.nn import make_op
from optuna_nas.spaces import Architecture, MixtureError, choice, function_space

X = torch.linspace(-1, 1, 2 * 3 * 6 * 6).sin().reshape(2, 3, 6, 6)
OPS = ("skip_connect", "sep_conv_3x3", "max_pool_3x3")


def factories(channels=4):
    return {op: lambda op=op: make_op(op, channels, in_channels=channels) for op in OPS}


def head(channels, num_classes):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)]


@function_space
def chain(trial, num_classes=5, in_channels=3):
    layers = [nn.Conv2d(in_channels, 4, 3, padding=1)]
    for i in range(trial.suggest_int("num_layers", 1, 3)):
        layers.append(choice(trial, f"layer_{i}_op", factories()))
        if trial.suggest_categorical("norm", [False, True]):
            layers.append(nn.BatchNorm2d(4))
    return nn.Sequential(*layers, *head(4, num_classes))


FIXED = {"num_layers": 2, "norm": True}


class Read(nn.Module):
    """Applies an operation to one of several states."""

    def __init__(self, state, op):
        super().__init__()
        self.state = state
        self.op = op

    def forward(self, states):
        return self.op(states[self.state])


class Banks(nn.Module):
    def __init__(self, nodes, num_classes):
        super().__init__()
        self.nodes = nn.ModuleList(nodes)
        self.head = nn.Sequential(*head(3, num_classes))

    def forward(self, x):
        states = [x]
        for node in self.nodes:
            states.append(node(states))
        return self.head(states[-1])


@function_space(prefix="bank_")
def banks(trial, num_classes=5):
    """Nodes that choose an input and an operation: one set of weights for each pair."""
    nodes = []
    for i in (1, 2):
        inputs = {
            j: lambda j=j, i=i: Read(j, choice(trial, f"{i}_op", factories(3))) for j in range(i)
        }
        nodes.append(choice(trial, f"{i}_input", inputs))
    return Banks(nodes, num_classes)


# On a trial


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


# In a supernet


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
            supernet(X.double(), architecture),
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
    supernet(X, architecture).square().sum().backward()
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
    assert supernet(X, derived).shape == derived.build()(X).shape
    other = supernet.derive({name: torch.tensor([0.1, 0.2, 0.7]) for name in supernet.alphas()})
    assert other.params["layer_1_op"] == "max_pool_3x3"
    other.enqueue(new_study())


def test_choices_of_one_name_share_their_alpha_only():
    @function_space
    def twins(trial):
        return nn.Sequential(*(choice(trial, "op", factories(3)) for _ in range(2)))

    supernet = twins.supernet()
    assert list(supernet.alphas()) == ["op"]
    first, second = supernet.network.network
    assert all(a is not b for a, b in zip(first.parameters(), second.parameters(), strict=True))
    supernet(X, twins.architecture({"op": "sep_conv_3x3"})).sum().backward()
    grads = [p.grad is not None for switch in (first, second) for p in switch.parameters()]
    assert grads == [True] * 16


def test_softmax_once_per_forward(monkeypatch):
    @function_space
    def twins(trial):
        return nn.Sequential(*(choice(trial, "op", factories(3)) for _ in range(2)))

    supernet = twins.supernet()
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
        supernet(X, architecture).square().sum().backward()
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
    assert torch.equal(supernet(x, supernet.derive()), x)


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
            chain.architecture(
                {**FIXED, "layer_0_op": "max_pool_3x3", "layer_1_op": "skip_connect"}
            ),
        )


def test_numbers_must_be_fixed():
    with pytest.raises(
        MixtureError, match=r"`num_layers` is a number.*fixed=\{'num_layers': \.\.\."
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


# What Python does with a value

MISUSES = {
    "if": (lambda m: 1 if m else 2, "cannot be true or false"),
    "and": (lambda m: m and 1, "cannot be true or false"),
    "eq": (lambda m: m == "a", "cannot be compared"),
    "ne": (lambda m: m != "a", "cannot be compared"),
    "lt": (lambda m: 3 < m, "cannot be compared"),
    "in": (lambda m: m in ("x", "y"), "cannot be compared"),
    "hash": (lambda m: {m: 1}, "cannot be a key"),
    "lookup": (lambda m: {"a": 1}[m], "cannot be a key"),
    "f-string": (lambda m: f"{m}_conv", "has no text"),
    "str": (str, "has no text"),
    "join": (lambda m: "_".join(["conv", str(m)]), "has no text"),
    "int": (int, "is no number"),
    "float": (float, "is no number"),
    "round": (round, "is no number"),
    "ceil": (math.ceil, "is no number"),
    "range": (range, "is no number"),
    "index": (lambda m: [1, 2][m], "is no number"),
    "iter": (list, "cannot be iterated"),
    "unpack": (lambda m: (lambda a, b: a)(*m), "cannot be iterated"),
    "len": (len, "has no length"),
    "item": (lambda m: m[0], "has no items"),
    "contains": (lambda m: "a" in m, "has no items"),
    "call": (lambda m: m(), "cannot be called"),
    "add": (lambda m: m + 1, "cannot be computed with"),
    "radd": (lambda m: 1 + m, "cannot be computed with"),
    "concat": (lambda m: "x" + m, "cannot be computed with"),
    "mul": (lambda m: 2 * m, "cannot be computed with"),
    "div": (lambda m: m // 2, "cannot be computed with"),
    "neg": (operator.neg, "cannot be computed with"),
    "pow": (lambda m: 2**m, "cannot be computed with"),
    "mod": (lambda m: 8 % m, "cannot be computed with"),
    "conv": (lambda m: nn.Conv2d(3, m, 3), "cannot be computed with"),
    "make_op": (lambda m: make_op(m, 4, in_channels=4), "cannot be a key|cannot be compared"),
    "unused": (lambda m: None, "must not be left without use"),
}


@pytest.mark.parametrize("use", MISUSES)
def test_any_use_of_a_mixture_is_an_error(use):
    misuse, message = MISUSES[use]

    @function_space(prefix="my_")
    def careless(trial):
        misuse(trial.suggest_categorical("op", ["a", "b"]))
        return nn.Identity()

    with pytest.raises(MixtureError, match=rf"`my_op`.*({message}).*fixed=\{{'my_op': \.\.\."):
        careless.supernet()


def test_attributes_of_a_mixture():
    @function_space
    def careless(trial):
        return nn.Linear(trial.suggest_categorical("width", [3, 4]).bit_length(), 1)

    with pytest.raises(AttributeError, match=r"`width`.*no `\.bit_length`.*fixed=\{'width'"):
        careless.supernet()


def test_a_mixture_can_be_looked_at_and_copied():
    seen = []

    @function_space
    def curious(trial):
        module = choice(trial, "op", {"a": nn.Identity, "b": nn.ReLU})
        seen.append(repr(copy.copy(trial.params["op"])))
        return module

    curious.supernet()
    assert seen == ["Mixture('op', choices=('a', 'b'))"]


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
