"""A user's space of a few lines does what ours do; its mistakes are named where they are made."""

import json
import pickle
from abc import ABC, abstractmethod
from dataclasses import dataclass

import optuna
import pytest
from own_spaces import GrowingSpace, PlainSpace
from space_testing import SpaceTestCase, sample
from torch import nn

from optuna_nas.drawing import to_png, to_svg
from optuna_nas.objectives import TrainingObjective
from optuna_nas.samplers import (
    LocalSearchSampler,
    PPOSampler,
    PredictorSampler,
    ProgressiveSampler,
    RandomSearchSampler,
    RegularizedEvolutionSampler,
    ReinforceSampler,
)
from optuna_nas.spaces import Architecture, NASBench201Space, SearchSpace, published
from optuna_nas.training import load_data

PLAIN, GROWING = PlainSpace(), GrowingSpace()
TEXT = 'layer_1_width=2, layer_1_op="re lu", layer_2_width=8, layer_2_op="2"'
SAMPLERS = {
    "random": RandomSearchSampler,
    "evolution": lambda **options: RegularizedEvolutionSampler(population_size=4, **options),
    "reinforce": lambda **options: ReinforceSampler(batch_size=4, **options),
    "ppo": lambda **options: PPOSampler(batch_size=4, **options),
    "predictor": PredictorSampler,
    "local": LocalSearchSampler,
}


class TestPlainSpace(SpaceTestCase):
    @pytest.fixture
    def space(self):
        return PLAIN


class TestGrowingSpace(SpaceTestCase):
    @pytest.fixture
    def space(self):
        return GROWING


@pytest.mark.parametrize("space", [PLAIN, GROWING], ids=["plain", "growing"])
@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("given", [False, True], ids=["names alone", "space given"])
def test_every_sampler_decides_in_it(space, name, given):
    sampler = SAMPLERS[name](seed=0, **({"space": space} if given else {}))
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(lambda trial: len(space.suggest(trial).digest.replace("0", "")), n_trials=10)
    assert [space.architecture(trial).params for trial in study.trials] == [
        trial.params for trial in study.trials
    ]
    assert len({space.architecture(trial).digest for trial in study.trials}) > 4


def test_it_grows_under_progressive_search():
    study = optuna.create_study(
        direction="maximize", sampler=ProgressiveSampler(space=GROWING, beam_size=4, seed=0)
    )
    study.optimize(lambda trial: len(GROWING.suggest(trial).params), n_trials=12)
    depths = [trial.params["num_layers"] for trial in study.trials]
    assert depths == sorted(depths)
    assert {*depths} >= {1, 2}


def test_it_is_trained_reused_and_drawn(tmp_path):
    data = load_data("digits", train_size=32, val_size=16, test_size=0)
    study = optuna.create_study(direction="maximize")
    objective = TrainingObjective(GROWING, data, epochs=1, device="cpu")
    for _ in range(2):
        GROWING.parse("num_layers=1, layer_1_width=2, layer_1_op=tanh").enqueue(study)
    study.optimize(objective, n_trials=3)
    assert study.trials[1].values == study.trials[0].values
    assert study.trials[1].user_attrs["optuna_nas:copy_of"] == 0
    best = GROWING.architecture(study.best_trial)
    assert "layer_1\nwidth: " in best.graph().nodes[2].label
    assert to_svg(best.graph()).startswith(("<?xml", "<svg"))
    assert to_png(best.graph()).startswith(b"\x89PNG")


def test_the_text_stands_in_the_order_of_the_decisions():
    architecture = PLAIN.parse(TEXT)
    assert str(architecture) == TEXT
    assert (
        PLAIN.parse(' layer_2_op = "2" ,layer_1_width=2\n,layer_2_width=8 ,layer_1_op="re lu"')
        == architecture
    )
    assert architecture.params["layer_2_op"] == "2"
    assert PLAIN.parse(TEXT.replace('"2"', "2")).params["layer_2_op"] == 2
    assert PLAIN.parse(TEXT.replace('"2"', "False")).params["layer_2_op"] is False
    assert PLAIN.parse(TEXT.replace('"2"', '"tanh"')).params["layer_2_op"] == "tanh"
    assert str(PlainSpace(prefix="a_").parse(TEXT)) == TEXT


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("layer_1_width=3", r"`layer_1_width` must be one of 2, 4, 8 in .*got '3'", 15),
        ("layer_1_width=2, layer_1_op=False", r"Expected a further decision, layer_2_w", 34),
        ("layer_1_width=2, layer_1_width=2", "`layer_1_width` is decided twice", 18),
        ("layer_1_width 2", "Expected '=' and a value of `layer_1_width`", 15),
        ("layer_1_width=", "Expected a value of `layer_1_width`", 15),
        ("layer_1_width=2; x=3", "Expected ',' and a further decision, or the end", 16),
        ("=2", "Expected a decision, such as name=value", 1),
        (TEXT + ", layer_3_width=2", "does not ask for 'layer_3_width' here, but for l", 71),
        (TEXT.replace('"2"', r'"\x"'), "Expected a text in double quotes as in JSON", 66),
        ("layer_1_width=" + "9" * 99, "`layer_1_width` must be one of 2, 4, 8", 15),
    ],
)
def test_a_wrong_text_is_refused_at_its_place(text, message, place):
    with pytest.raises(ValueError, match=rf"(?s){message}.*\(at character {place}\)\n"):
        PLAIN.parse(text)


@pytest.mark.parametrize("value", ["0", "4", "1.5", "one", "1e0", "9" * 30, "True", '"1"'])
def test_a_wrong_int_is_refused_at_its_place(value):
    with pytest.raises(ValueError, match=r"`layer_1_width` must be an int in \[1, 3\] in .*char"):
        GROWING.parse(f"num_layers=1, layer_1_width={value}, layer_1_op=relu")


def test_floats_and_steps_are_read():
    @dataclass(frozen=True, kw_only=True)
    class FloatSpace(SearchSpace):
        name = "float"

        def decide(self, trial):
            return trial.suggest_float("rate", 0.0, 1.0), trial.suggest_int("n", 2, 8, step=3)

        def build_network(self, genotype):
            return nn.Identity()

    space = FloatSpace()
    assert space.parse("rate=1e-3, n=5").params == {"rate": 0.001, "n": 5}
    again = space.parse(str(space.parse("rate=0.3, n=8")))
    assert again.params == {"rate": 0.3, "n": 8}
    for text, message in (
        ("rate=2, n=5", r"`rate` must be a float in \[0.0, 1.0\]"),
        ("rate=nan, n=5", r"`rate` must be a float"),
        ("rate=1, n=4", r"`n` must be an int in \[2, 8\] in steps of 3"),
    ):
        with pytest.raises(ValueError, match=message):
            space.parse(text)


def test_odd_names_are_quoted():
    class OddSpace(SearchSpace):
        name = "odd"

        def decide(self, trial):
            return trial.suggest_categorical("a, b=", ("x\n", "é", "\ud800", 'q"'))

        def build_network(self, genotype):
            return nn.Identity()

    space = OddSpace()
    for architecture in sample(space, 12):
        assert space.parse(str(architecture)) == architecture
        assert str(architecture).startswith('"a, b="=')


# Size, names and conditions


def test_whether_it_is_conditional_is_found_out():
    assert not PLAIN.conditional
    assert GROWING.conditional
    assert PLAIN.num_architectures == 15**2
    assert list(PLAIN.distributions()) == [
        *("layer_1_width", "layer_1_op", "layer_2_width", "layer_2_op"),
    ]
    assert GROWING.num_architectures == sum(6**n for n in (1, 2, 3))
    assert abs(GROWING.estimate_size(samples=300).mean - 258) < 60
    assert LastSpace().conditional


class LastSpace(SearchSpace):
    """Asks for a further decision under the last choices only."""

    name = "last"

    def decide(self, trial):
        ops = [trial.suggest_categorical(f"op_{i}", tuple("abcdef")) for i in range(9)]
        return trial.suggest_int("more", 0, 1) if set(ops) == {"f"} else 0

    def build_network(self, genotype):
        return nn.Identity()


class RareSpace(SearchSpace):
    """Asks for a further decision where few walks come by."""

    name = "rare"

    def decide(self, trial):
        digits = [trial.suggest_int(f"digit_{i}", 0, 9) for i in range(6)]
        return trial.suggest_int("more", 0, 1) if digits == [1, 2, 3, 4, 5, 6] else 0

    def build_network(self, genotype):
        return nn.Identity()


def test_a_condition_that_was_missed_is_said():
    params = {f"digit_{i}": i + 1 for i in range(6)}
    assert not RareSpace().conditional
    with pytest.raises(ValueError, match="`conditional` of RareSpace must be True, since `more`"):
        RareSpace().architecture({**params, "more": 1})

    class Mended(RareSpace):
        name = "mended"
        conditional = True

    assert Mended().architecture({**params, "more": 1}).genotype == 1


def test_choices_that_depend_on_others_are_refused():
    class Shifting(SearchSpace):
        name = "shifting"

        def decide(self, trial):
            return trial.suggest_int("b", 0, trial.suggest_int("a", 1, 3))

        def build_network(self, genotype):
            return nn.Identity()

    with pytest.raises(ValueError, match=r"`b` of .* is Int.*high=1.* under others.*same choices"):
        Shifting().architecture({"a": 1, "b": 1})


def test_decisions_of_a_larger_space_are_not_passed_over():
    larger = sample(PlainSpace(num_layers=4), 1)[0]
    with pytest.raises(ValueError, match=r"did not ask for \['layer_3_op', 'layer_3_width', 'la"):
        PLAIN.architecture(larger.params)
    deeper = GROWING.parse(
        "num_layers=2, layer_1_width=1, layer_1_op=tanh, layer_2_width=1, layer_2_op=relu"
    )
    with pytest.raises(ValueError, match=r"did not ask for \['layer_2_op', 'layer_2_width'\]"):
        GROWING.architecture({**deeper.params, "num_layers": 1})
    with pytest.raises(ValueError, match=r"num_layers=2 here, num_layers=4 there"):
        Architecture.from_json(larger.to_json(), PLAIN)
    assert PLAIN.architecture({**PLAIN.parse(TEXT).params, "lr": 0.1}) == PLAIN.parse(TEXT)


def test_the_digest_is_of_decisions_settings_and_version():
    digest = PLAIN.parse(TEXT).digest
    assert digest == PlainSpace(prefix="p_").parse(TEXT).digest
    assert len({architecture.digest for architecture in sample(PLAIN, 40)}) > 30

    class Later(PlainSpace):
        name = "plain"
        version = 2

    class Renamed(PlainSpace):
        name = "renamed"

    assert len({digest, Later().parse(TEXT).digest, Renamed().parse(TEXT).digest}) == 3
    assert pickle.loads(pickle.dumps(PLAIN)) == PLAIN


def test_hooks_of_ones_own_take_the_place_of_the_defaults():
    class Unordered(PlainSpace):
        name = "unordered"

        def canonical(self, genotype):
            return sorted(map(str, genotype))

        def owns(self, name):
            return False

    space = Unordered()
    one, other = (
        space.parse(TEXT),
        space.parse('layer_2_width=2, layer_2_op="re lu", layer_1_width=8, layer_1_op="2"'),
    )
    assert one != other
    assert one.digest == other.digest
    assert space.architecture({**one.params, "layer_3_op": 1}) == one


def test_it_has_no_supernet():
    with pytest.raises(TypeError, match="GrowingSpace.* has no supernet, since it does not write"):
        GROWING.supernet()


def test_its_json_is_read_by_it_only():
    text = PLAIN.parse(TEXT).to_json()
    with pytest.raises(ValueError, match="never imported from a name"):
        Architecture.from_json(text)
    with pytest.raises(ValueError, match="space='nasbench201' here, space='plain' there"):
        Architecture.from_json(text, NASBench201Space())
    with pytest.raises(ValueError, match="belongs to another space"):
        PLAIN.architecture(
            optuna.trial.create_trial(
                value=0.0,
                user_attrs={"optuna_nas:architecture": published.NASBENCH201_RESNET.to_json()},
            )
        )
    assert json.loads(text)["space"] == "plain"


# Mistakes of authors


@pytest.mark.parametrize("name", ["", "  ", 3, ["x"], "x" * 101])
def test_a_name_must_be_a_text(name):
    with pytest.raises(TypeError, match=r'must have a `name`.*has the name.*Write `name = "mine"'):
        type("Mine", (PlainSpace,), {"name": name})


def test_a_missing_name_is_an_error_when_the_class_is_made():
    hooks = {"decide": PlainSpace.decide, "build_network": PlainSpace.build_network}
    with pytest.raises(TypeError, match="must have a `name` of its own.*but Mine has none"):
        type("Mine", (SearchSpace,), hooks)
    with pytest.raises(TypeError, match="but Mine only inherits 'nasbench201'"):
        type("Mine", (NASBench201Space,), {})


def test_bases_for_several_spaces_need_no_name():
    class Base(SearchSpace, ABC):
        decide = PlainSpace.decide
        build_network = PlainSpace.build_network

    class OtherBase(SearchSpace):
        @abstractmethod
        def width(self):
            """Return something."""

        decide = PlainSpace.decide
        build_network = PlainSpace.build_network

    class Leaf(OtherBase):
        name = "leaf"
        num_layers = 1

        def width(self):
            return 3

    assert Leaf().parse("layer_1_width=2, layer_1_op=tanh").digest
    with pytest.raises(TypeError, match="but Mine has none"):
        type("Mine", (Base,), {})


def test_missing_hooks_are_an_error_when_a_space_is_made():
    class Mine(SearchSpace):
        name = "mine"

    with pytest.raises(TypeError, match="abstract.*build_network.*decide"):
        Mine()


@pytest.mark.parametrize(("has", "lacks"), [("format", "encode"), ("encode", "format")])
def test_a_notation_is_written_and_read(has, lacks):
    with pytest.raises(TypeError, match=f"Mine has `{has}` only. Write `{lacks}` as well"):
        type("Mine", (PlainSpace,), {"name": "mine", has: lambda self, given: None})


def test_build_arguments_need_defaults():
    def build_network(self, genotype, *, num_classes, width=3):
        """Never called."""

    with pytest.raises(TypeError, match=r"need defaults.*\['num_classes'\] of Mine have none"):
        type("Mine", (PlainSpace,), {"name": "mine", "build_network": build_network})


def test_settings_need_the_decorator():
    class Mine(PlainSpace):
        name = "mine"
        width: int = 3

    with pytest.raises(TypeError, match=r"Mine has \['width'\].*Put @dataclass\(frozen=True"):
        Mine()
