"""The trial that a space is a function of: three ``suggest`` methods, whatever answers them.

The answer comes from a *source*: a live trial, the fixed parameters of an architecture that is
decoded, or a walk through all decisions. A space cannot tell which, so an architecture depends on
its decisions only.
"""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from optuna.distributions import (
    BaseDistribution,
    CategoricalChoiceType,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from optuna_nas._ground.optuna_seam import changes_distribution, fixed_params
from optuna_nas.spaces.decisions._sizes import size_of
from optuna_nas.spaces.decisions._values import checked_value

__all__ = [
    "DecisionTrial",
    "DepthDistribution",
    "FirstChoices",
    "FixedParams",
    "LastChoices",
    "LiveTrial",
    "RandomChoices",
    "Source",
]

_CHOICE_TYPES = frozenset({type(None), bool, int, float, str})


class DepthDistribution(IntDistribution):
    """Integers in a row that are a number of layers."""


class Source(ABC):
    """Answer to every decision that a space asks for."""

    @abstractmethod
    def ask(self, name: str, distribution: BaseDistribution) -> Any:
        """Return a value for ``name`` (with prefix); the caller checks it."""

    def scheduled(self, name: str) -> int | None:
        """Return the number of a live trial in which ``name`` is still free, else None."""
        return None


class LiveTrial(Source):
    """A trial of a running study, a ``FixedTrial``, or anything that suggests like one."""

    def __init__(self, trial: Any, space: object) -> None:
        self._trial = trial
        self._space = space
        self.fixed = fixed_params(trial)

    def ask(self, name: str, distribution: BaseDistribution) -> Any:
        if name in self.fixed:  # before Optuna sees it, which would only warn
            checked_value(name, self.fixed[name], distribution, self._space)
        try:
            return self._suggest(name, distribution)
        except ValueError as error:
            if not changes_distribution(error):
                raise
            raise ValueError(self._explain_clash(name, distribution)) from error

    def scheduled(self, name: str) -> int | None:
        return None if name in self.fixed else int(self._trial.number)

    def _suggest(self, name: str, distribution: BaseDistribution) -> Any:
        if isinstance(distribution, CategoricalDistribution):
            return self._trial.suggest_categorical(name, distribution.choices)
        if isinstance(distribution, IntDistribution):
            return self._trial.suggest_int(
                name,
                distribution.low,
                distribution.high,
                step=distribution.step,
                log=distribution.log,
            )
        assert isinstance(distribution, FloatDistribution)
        return self._trial.suggest_float(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )

    def _explain_clash(self, name: str, distribution: BaseDistribution) -> str:
        wanted = (
            f"the choices {distribution.choices}"
            if isinstance(distribution, CategoricalDistribution)
            else f"{distribution}"
        )
        return (
            f"`{name}` has {wanted} in {self._space}, but this study has already used that name "
            "with others (or in another order), and Optuna keeps one list of choices for each "
            "name of a study. Use another `study_name`, or give the space a `prefix`."
        )


class FixedParams(Source):
    """Parameters that are known already: how an architecture is decoded.

    ``optuna.trial.FixedTrial`` is not used for that: it turns ``"1"`` into 1 and only warns of
    what lies outside the range.
    """

    def __init__(self, params: Mapping[str, Any], space: object) -> None:
        self._params = params
        self._space = space

    def ask(self, name: str, distribution: BaseDistribution) -> Any:
        if name not in self._params:
            raise ValueError(
                f"`{name}` is missing from the parameters, but {self._space} asks for it. Give "
                f"all decisions of the architecture; got {sorted(self._params)}."
            )
        return self._params[name]


class FirstChoices(Source):
    """The first choice and the lower end of everything, by which spaces list their decisions."""

    def ask(self, name: str, distribution: BaseDistribution) -> Any:
        if isinstance(distribution, CategoricalDistribution):
            return distribution.choices[0]
        assert isinstance(distribution, IntDistribution | FloatDistribution)
        return distribution.low


class LastChoices(Source):
    """The last choice and the upper end of everything."""

    def ask(self, name: str, distribution: BaseDistribution) -> Any:
        if isinstance(distribution, CategoricalDistribution):
            return distribution.choices[-1]
        assert isinstance(distribution, IntDistribution | FloatDistribution)
        return distribution.high


class RandomChoices(Source):
    """A uniform choice for every name, and the same answer whenever it is asked for again."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._values: dict[str, Any] = {}

    def ask(self, name: str, distribution: BaseDistribution) -> Any:
        if name not in self._values:
            self._values[name] = self._choose(distribution)
        return self._values[name]

    def _choose(self, distribution: BaseDistribution) -> Any:
        if isinstance(distribution, CategoricalDistribution):
            return self._rng.choice(distribution.choices)
        if isinstance(distribution, FloatDistribution):
            return self._rng.uniform(distribution.low, distribution.high)
        index = self._rng.randrange(size_of(distribution))
        return distribution.low + index * distribution.step  # type: ignore[attr-defined]


class DecisionTrial:
    """The trial that ``SearchSpace.decide`` is given: it suggests, and knows nothing else.

    Args:
        source: Answers to the decisions.
        space: The space that asks, for messages.
        prefix: Put before every name on its way to the source.

    Attributes:
        params: The decisions so far, by name without prefix, in the order asked.
        distributions: The distributions asked for, by name without prefix.
        parts: Architectures of other spaces within this one, by their prefix.
        error: The exception that this object raised itself, if it did.
    """

    def __init__(self, source: Source, space: object, prefix: str = "") -> None:
        self._source = source
        self._space = space
        self._prefix = prefix
        self.params: dict[str, Any] = {}
        self.distributions: dict[str, BaseDistribution] = {}
        self.parts: dict[str, Any] = {}
        self._claims: dict[str, Any] = {}
        self.error: Exception | None = None

    def suggest_categorical(self, name: str, choices: Sequence[CategoricalChoiceType]) -> Any:
        """Decide between ``choices``: None, booleans, numbers or strings."""
        if not _CHOICE_TYPES.issuperset(map(type, choices)):
            self._refuse_choices(name, choices)
        return self._decide(name, CategoricalDistribution(choices))

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Decide on an integer in ``[low, high]``."""
        value: int = self._decide(name, IntDistribution(low, high, log=log, step=step))
        return value

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Decide on a float in ``[low, high]`` (function spaces only)."""
        value: float = self._decide(name, FloatDistribution(low, high, log=log, step=step))
        return value

    def suggest_depth(self, name: str, low: int, high: int) -> Any:
        """Decide how many layers follow each other; a supernet can leave that open."""
        return self._decide(name, DepthDistribution(low, high))

    def suggest_scheduled_int(
        self, name: str, low: int, high: int, *, schedule: Callable[[int], int]
    ) -> int:
        """Decide on an integer that a live trial's number dictates.

        A live trial in which ``name`` is free suggests the single value ``schedule(number)``,
        moved into ``[low, high]``. An enqueued value and a decoded one may lie anywhere in the
        range, so that decoding never depends on a trial's number.
        """
        number = self._source.scheduled(self._prefix + name)
        if number is not None:
            low = high = min(max(schedule(number), low), high)
        return self.suggest_int(name, low, high)

    def restart(self) -> None:
        """Forget the decisions; the source gives the same answers again."""
        self.params.clear()
        self.distributions.clear()
        self.parts.clear()
        self._claims.clear()
        self.error = None

    def build_part(self, space: Any, prefix: str, arguments: Mapping[str, Any]) -> Any:
        """Decide on a space within this one, and build its network.

        Args:
            space: A ``SearchSpace``.
            prefix: Put before the names of its decisions.
            arguments: Of its network.

        Raises:
            ValueError: If another one has the same prefix.
        """
        self._claim(space, prefix)
        self.parts[prefix], network = space.build_part(self, prefix, arguments)
        return network

    def _claim(self, space: Any, prefix: str) -> None:
        if prefix in self._claims:
            self._fail(
                ValueError(
                    f"`prefix` must differ between the spaces within {self._space}, but "
                    f"prefix={prefix!r} is that of {self._claims[prefix]} and of {space}: give "
                    f"one of them another, such as prefix={prefix + 'b_'!r}."
                )
            )
        self._claims[prefix] = space

    def _decide(self, name: str, distribution: BaseDistribution) -> Any:
        if name in self.params:
            return self._decided(name, distribution)
        full_name = self._prefix + name
        try:
            value = self._source.ask(full_name, distribution)
            value = checked_value(full_name, value, distribution, self._space)
        except Exception as error:
            self.error = error
            raise
        self.params[name] = value
        self.distributions[name] = distribution
        return value

    def _decided(self, name: str, distribution: BaseDistribution) -> Any:
        if self.distributions[name] != distribution:
            self._fail(
                ValueError(
                    f"`{name}` is asked for twice in {self._space}, as {self.distributions[name]} "
                    f"and as {distribution}. Give each decision a name of its own."
                )
            )
        return self.params[name]

    def _refuse_choices(self, name: str, choices: Sequence[Any]) -> NoReturn:
        odd = next(choice for choice in choices if type(choice) not in _CHOICE_TYPES)
        self._fail(
            TypeError(
                f"The choices of `{name}` must be None, bool, int, float or str, but got {odd!r}: "
                "others do not come back from a storage as they were. Choose a name and look it "
                f'up: {{"a": ...}}[trial.suggest_categorical({name!r}, ["a", ...])].'
            )
        )

    def _fail(self, error: Exception) -> NoReturn:
        self.error = error
        raise error

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"A space sees no `trial.{name}`: an architecture must depend on its decisions only "
            "(suggest_categorical, suggest_int, and suggest_float in a @function_space function; "
            "`trial.params` holds those made so far). Use it in the objective instead."
        )
