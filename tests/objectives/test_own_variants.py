"""A user's own mixing, selection and stop: small classes that work like those of the papers."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import pytest
import torch
from darts_searches import SPACE, objective, run
from optuna.trial import TrialState

from optuna_nas.keys import STUDY_KEY
from optuna_nas.objectives import (
    DARTSVariant,
    EigenvalueStop,
    GumbelMixing,
    Mixing,
    Perturbation,
    Selection,
    SoftmaxMixing,
    Stopping,
    read_alphas,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tempered(Mixing):
    """A softmax with a temperature, and noise while it trains."""

    name: ClassVar[str] = "Tempered"
    samples: ClassVar[bool] = True
    temperature: float = 2.0

    def mean(self, alpha):
        return (alpha / self.temperature).softmax(-1)

    def sample(self, alpha, progress):
        return self.mean(alpha + (1.0 - progress) * torch.randn_like(alpha))

    def penalty(self, alphas, layout):
        assert list(alphas) == list(layout.operations)
        return 0.01 * torch.cat(list(alphas.values())).square().sum()


@dataclasses.dataclass(frozen=True)
class Worst(Selection):
    """Takes what alpha likes least, and shows that it was shown a supernet."""

    name: ClassVar[str] = "Worst"
    tuned: bool = True

    def select(self, supernet):
        before = supernet.score({})
        supernet.tune({}, epochs=1, lr_share=0.5)
        assert before != supernet.score({}) or not self.tuned
        return {name: [-weight for weight in row] for name, row in supernet.weights.items()}


@dataclasses.dataclass(frozen=True)
class After(Stopping):
    """Stops after an epoch."""

    name: ClassVar[str] = "After"
    epochs: int = 2

    def stops_at(self, readings):
        return len(readings) if len(readings) == self.epochs else None


@dataclasses.dataclass(frozen=True)
class Backwards(After):
    """Returns the first epoch, without saying that it does."""

    name: ClassVar[str] = "Backwards"

    def stops_at(self, readings):
        return 1 if len(readings) == 2 else None


@dataclasses.dataclass(frozen=True)
class HonestlyBackwards(Backwards):
    name: ClassVar[str] = "HonestlyBackwards"
    goes_back: ClassVar[bool] = True


def searched(**parts: Any):
    return run(objective(value="one_shot", **parts))


def test_own_parts_search_and_are_kept():
    study = searched(mixing=Tempered(), selection=Worst(), stop=After())
    (trial,) = study.trials
    assert trial.state == TrialState.COMPLETE
    assert sorted(trial.intermediate_values) == [1, 2]
    weights = read_alphas(trial)[-1]
    ops = SPACE.distributions()["op_1_from_0"].choices
    worst = {name: ops[min(range(5), key=row.__getitem__)] for name, row in weights.items()}
    assert SPACE.architecture(trial).params == worst
    identity = study.user_attrs[STUDY_KEY]
    assert identity["mixing"] == {"mixing": "Tempered", "temperature": 2.0}
    assert identity["selection"] == {"selection": "Worst", "tuned": True}
    assert identity["stop"] == {"stop": "After", "epochs": 2}
    with pytest.raises(ValueError, match=r"mixing\.temperature was 2\.0 and is now 3\.0"):
        study.optimize(
            objective(
                value="one_shot",
                mixing=Tempered(temperature=3.0),
                selection=Worst(),
                stop=After(),
            ),
            n_trials=1,
        )


def test_a_stop_may_go_back_where_it_says_so():
    (trial,) = searched(stop=HonestlyBackwards()).trials
    weights = read_alphas(trial)[0]
    ops = SPACE.distributions()["op_1_from_0"].choices
    first = {name: ops[max(range(5), key=row.__getitem__)] for name, row in weights.items()}
    assert SPACE.architecture(trial).params == first
    with pytest.raises(RuntimeError, match=r"`stops_at` of Backwards\(.*the last epoch, 2, but"):
        searched(stop=Backwards())


def test_what_parts_say_of_themselves_decides_what_goes_together():
    DARTSVariant(mixing=GumbelMixing(), stop=After())  # it needs no eigenvalue
    DARTSVariant(selection=Perturbation(), stop=After())  # the weights of its epoch are there
    with pytest.raises(ValueError, match="`order` must be 1 with Tempered"):
        DARTSVariant(mixing=Tempered(), order=2)
    with pytest.raises(ValueError, match="`selection` must be None with HonestlyBackwards"):
        DARTSVariant(selection=Worst(), stop=HonestlyBackwards())
    with pytest.raises(ValueError, match="`selection` must be None with GumbelMixing"):
        DARTSVariant(selection=Worst(), mixing=GumbelMixing())


def test_a_part_has_a_name_of_its_own():
    with pytest.raises(TypeError, match="Nameless must have a `name`.*write `name: ClassVar"):

        class Nameless(Mixing):
            def mean(self, alpha):
                return alpha

    with pytest.raises(TypeError, match="Hotter must have a `name`, under which studies keep it"):

        class Hotter(SoftmaxMixing):  # a study would take it for a softmax
            def mean(self, alpha):
                return (2 * alpha).softmax(-1)


class Bare(SoftmaxMixing):
    name: ClassVar[str] = "Bare"


@dataclasses.dataclass(frozen=True)
class Unkept(SoftmaxMixing):
    name: ClassVar[str] = "Unkept"
    scale: Any = None


@dataclasses.dataclass(frozen=True)
class Meanless(Mixing):
    name: ClassVar[str] = "Meanless"


@dataclasses.dataclass(frozen=True)
class Short(Mixing):
    name: ClassVar[str] = "Short"

    def mean(self, alpha):
        return alpha[1:].softmax(-1)


@dataclasses.dataclass(frozen=True)
class Says(Selection):
    name: ClassVar[str] = "Says"
    answer: Any = None

    def select(self, supernet):
        return self.answer


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"mixing": "softmax"}, "`mixing` must be an instance of Mixing, .*take SoftmaxMixing"),
        ({"mixing": Tempered}, r"`mixing` must be an instance of Mixing.*write Tempered\(\)"),
        ({"mixing": EigenvalueStop()}, "`mixing` must be an instance of Mixing"),
        ({"mixing": Bare()}, "Bare must be a frozen dataclass"),
        ({"mixing": Unkept(scale={1})}, "`mixing` must have fields that JSON can hold"),
        ({"selection": SoftmaxMixing()}, "`selection` must be an instance of Selection"),
        ({"stop": 3}, "`stop` must be an instance of Stopping, but got 3: take EigenvalueStop"),
    ],
)
def test_what_is_no_part(parts, message):
    with pytest.raises(TypeError, match=message):
        DARTSVariant(**parts)


def test_an_incomplete_part():
    with pytest.raises(TypeError, match="abstract class Meanless.*mean"):
        Meanless()
    with pytest.raises(RuntimeError, match="Short.. must give a weight for each of the 5 choices"):
        searched(mixing=Short())


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "must return mixing weights by decision, but returned None"),
        ({"op_9_from_0": [1.0] * 5}, r"must return weights of .* but returned also \['op_9"),
        ({"op_1_from_0": [1.0]}, "must return 5 numbers for 'op_1_from_0'"),
        ({"op_1_from_0": ["a"] * 5}, "must return 5 numbers for 'op_1_from_0'"),
    ],
)
def test_a_selection_that_returns_something_else(answer, message):
    with pytest.raises(RuntimeError, match=message):
        run(objective(value="one_shot", epochs=1, selection=Says(answer)))
