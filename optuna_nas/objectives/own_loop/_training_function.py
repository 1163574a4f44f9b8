"""An objective whose training loop is a function of the user's own.

Limits, reuse, identity, picture, notes and the command line are those of every objective; how a
network is trained, and by what, the function alone knows.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
import pickle
import time
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from optuna import TrialPruned
from optuna.trial import FixedTrial

from optuna_nas._ground.checks import require_options, require_seed, shown
from optuna_nas._ground.inputs import InputSpec
from optuna_nas._ground.source import hash_of_source
from optuna_nas.keys import RUN_KEY, SECONDS_KEY
from optuna_nas.objectives._base import Objective, TrialRun
from optuna_nas.objectives._build import checked_build
from optuna_nas.objectives.evaluation import training_seed
from optuna_nas.objectives.identity import FunctionIdentity, StudyIdentity
from optuna_nas.objectives.own_loop._input_costs import InputCosts
from optuna_nas.objectives.own_loop._report import Report, finite
from optuna_nas.objectives.own_loop._run import FunctionRun
from optuna_nas.objectives.own_loop._settings import (
    FunctionOptions,
    TrainingLoop,
    checked_function,
    direction_of,
    named_metric,
    refuse_costs,
)
from optuna_nas.objectives.own_loop._shared_trial import SharedTrial
from optuna_nas.objectives.trial import (
    ReusableRuns,
    Value,
    attributed_failures,
    is_out_of_memory,
    is_the_architectures,
    run_key,
)
from optuna_nas.spaces import Architecture, SearchSpace
from optuna_nas.training import OptunaPruningCallback, seeded, share
from optuna_nas.training.loop import processes

if TYPE_CHECKING:
    from optuna.trial import BaseTrial, FrozenTrial

__all__ = ["TrainingFunction"]


# Hashed once in a process: values that the function itself changes, such as a list of what it has
# done, would make it another one.
_HASHES: weakref.WeakKeyDictionary[TrainingLoop, str] = weakref.WeakKeyDictionary()


@dataclasses.dataclass(frozen=True, kw_only=True)
class FunctionPlan:
    """Training of one trial.

    Attributes:
        architecture: The network.
        key: Hash of everything that the result depends on, if the function samples nothing.
    """

    architecture: Architecture
    key: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnnouncedCall:
    """A call of the function that the other processes carry out too.

    Attributes:
        params: Decisions of the architecture.
        seed: Seed of weights and training.
        reports: Whether the trial is reported, and may be pruned.
    """

    params: Mapping[str, Any]
    seed: int
    reports: bool


class TrainingFunction(Objective[FunctionPlan]):
    """An Optuna objective that trains each network by a function; see :func:`training_function`.

    Args:
        function: ``function(model, trial, report)``.
        space: As for :func:`training_function`, and so are all that follow.

    Attributes:
        function: The function as it was written.
        space: Space to suggest from.
        build: Arguments for ``architecture.build``.
        inputs: Description of a network's inputs; None: unknown.
        seed: Seed of weights and training.
    """

    costs: InputCosts | None = None

    def __init__(
        self,
        function: TrainingLoop,
        *,
        space: SearchSpace,
        inputs: Any = None,
        metric: str = "metric",
        direction: str | None = None,
        value: Value = "metric",
        build: Mapping[str, Any] | None = None,
        seed: int = 0,
        reuse: bool = True,
        version: str | None = None,
        **options: Unpack[FunctionOptions],
    ) -> None:
        self.function = checked_function(function)
        require_options(type(self).__name__, options, FunctionOptions)
        require_seed(seed)
        super().__init__(
            value=value, metric=metric, direction=direction_of(metric, direction), **options
        )
        self.space = space
        self.build = checked_build(space, build)
        self.inputs = None if inputs is None else InputSpec.of(inputs)
        self.seed = seed
        self._value = value
        self._version = version
        self._reuse = reuse
        self._options = options
        if self.inputs is None:
            refuse_costs(options, self.value.costs)
        else:
            self.costs = InputCosts(self.build, self._meter, self.inputs)
        within = (-math.inf, math.inf)
        self._reusable = ReusableRuns(None, None, within=within) if reuse else None
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__

    def with_options(self, **changes: Any) -> TrainingFunction:
        """Return the objective with other arguments, such as ``artifact_store`` or ``seed``.

        Args:
            changes: As for :func:`training_function`.
        """
        return type(self)(self.function, **{**self._arguments, **changes})

    @property
    def _arguments(self) -> dict[str, Any]:
        return {
            "space": self.space,
            "inputs": self.inputs,
            "metric": self.metric,
            "direction": self.value.direction,
            "value": self._value,
            "build": self.build,
            "seed": self.seed,
            "reuse": self._reuse,
            "version": self._version,
            **self._options,
        }

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the function by its name, under which this objective may stand."""
        module, name = self.function.__module__, self.function.__qualname__
        if "<locals>" in name:
            raise pickle.PicklingError(
                f"The training function {name} cannot be pickled, since it is defined within "
                "another function. Move it to the top level of a module."
            )
        return _found, (module, name, type(self), self._arguments)

    @property
    def version(self) -> str:
        """Hash of the function's source and its helpers', or what was said instead."""
        if self._version is not None:
            return self._version
        if self.function not in _HASHES:
            _HASHES[self.function] = hash_of_source([self.function], decorated=False)
        return _HASHES[self.function]

    @property
    def identity(self) -> StudyIdentity:
        """Settings that a study keeps of this objective (``optuna_nas:study``)."""
        meter = None if self.costs is None else self.costs.meter_identity
        inputs = None if self.inputs is None else str(self.inputs)
        return StudyIdentity.of(
            self.space,
            None,
            self.value.identity(meter),
            task=self._told_metric,
            build=self.build,
            function=FunctionIdentity(
                name=self.function.__qualname__, version=self.version, inputs=inputs
            ),
        )

    @property
    def _told_metric(self) -> dict[str, Any]:
        told = {"metric": self.metric, "direction": self.value.direction}
        return {"name": "training_function", **told}

    @classmethod
    def evaluates(cls, identity: StudyIdentity) -> bool:
        """Whether an objective of this class can have an identity."""
        return identity.function is not None

    @classmethod
    def from_identity(cls, identity: StudyIdentity, **options: Any) -> TrainingFunction:
        """Ask for the objective, since no function is imported from a name in a storage.

        Raises:
            ValueError: Always.
        """
        assert identity.function is not None
        raise ValueError(
            "The objective must be given, since the study is evaluated by a training function of "
            f"your own ({shown(identity.function.name)}), which is never imported from a name in "
            "a storage: call study.optimize with it."
        )

    def suggest(self, run: TrialRun) -> FunctionPlan:
        architecture = self.space.suggest(run.trial)
        run.record(architecture)
        return FunctionPlan(architecture=architecture, key=self._key(architecture))

    def reused(self, run: TrialRun, plan: FunctionPlan) -> float | None:
        return None if self._reusable is None else self._reusable.repeat(run, plan.key)

    def evaluate(self, run: TrialRun, plan: FunctionPlan) -> float:
        run.admit(plan.architecture)
        seed = training_seed(self.seed, run.trial)
        factor = run.factor()  # before the training: reports are multiplied as the value is
        report = Report(self.metric, run.reporter(), factor=factor)
        if processes().count > 1:
            params = dict(plan.architecture.params)
            share(AnnouncedCall(params=params, seed=seed, reports=run.takes_reports))
        started = time.perf_counter()
        try:
            with attributed_failures(run.trial, plan.architecture, self.inputs, "training"):
                trained = self._carried_out(plan.architecture, run.trial, report, seed)
        finally:
            run.trial.set_user_attr(SECONDS_KEY, round(time.perf_counter() - started, 4))
        run.trial.set_user_attr(RUN_KEY, self._key(plan.architecture, run.trial.params))
        return trained.metric

    def distributed_worker(self) -> None:
        """Train what the first of several processes trains; see :func:`distributed_optimize`."""
        nothing: AnnouncedCall | None = None
        while (announced := share(nothing)) is not None:
            callback = OptunaPruningCallback(None, name=self.metric) if announced.reports else None
            architecture = self.space.architecture(announced.params)
            try:
                self._carried_out(
                    architecture, None, Report(self.metric, callback), announced.seed
                )
            except TrialPruned:  # as in the first process
                continue
            except Exception as e:
                if not is_the_architectures(e):
                    raise

    def train(self, trial: FrozenTrial, *, seed: int = 0) -> FunctionRun:
        """Train the network of a trial again, outside of its study.

        The function suggests the hyperparameters that the trial had, and nothing is pruned.

        Example::

            final = objective.with_options(build={"channels": 36})
            print([final.train(study.best_trial, seed=seed).metric for seed in range(3)])

        Args:
            trial: Such as ``study.best_trial``.
            seed: Seed of weights and training, any integer of at most 64 bits.

        Raises:
            NonFiniteMetricError: If the metric is NaN or infinite.
            ValueError: If the seed is out of range, or the function suggests what the trial had
                not.
        """
        require_seed(seed)
        fixed = FixedTrial(trial.params, number=trial.number)
        architecture = self.space.architecture(trial)
        return self._carried_out(architecture, fixed, Report(self.metric), seed)

    def format_metric(self, metric: float) -> str:
        named = named_metric(self.metric)
        return f"{metric:.2%}" if named is not None and named.percent else f"{metric:.4g}"

    def _carried_out(
        self, architecture: Architecture, trial: BaseTrial | None, report: Report, seed: int
    ) -> FunctionRun:
        """Build the network and call the function; the metric is that of the first process."""
        several = processes().count > 1
        try:
            with seeded(seed):
                model = architecture.build(**self.build)
            with seeded(seed):
                found = self.function(model, SharedTrial(trial) if several else trial, report)
        except Exception as e:
            if several and is_out_of_memory(e):
                raise RuntimeError(
                    "no room in one of several processes, which cannot go on without each other: "
                    "a smaller batch, or max_params / max_macs, would prevent it."
                ) from None
            raise
        if found is None:
            found = report.last
        if found is None and processes().rank == 0:
            raise TypeError(
                f"`{self.__name__}` must return its {self.metric}, or report it after each epoch, "
                "but did neither."
            )
        return FunctionRun(metric=finite(found, self.metric), reports=report.values, model=model)

    def _key(self, architecture: Architecture, params: Mapping[str, Any] | None = None) -> str:
        """Hash what a result depends on, with what the function has sampled for itself."""
        own = {n: v for n, v in (params or {}).items() if n not in architecture.params}
        parts = {"params": own} if own else {}
        return run_key(
            digest=architecture.digest,
            build=self.build,
            function=[self.function.__qualname__, self.version],
            metric=self._told_metric,
            **parts,
        )


def _found(
    module: str, name: str, cls: type[TrainingFunction], arguments: Mapping[str, Any]
) -> TrainingFunction:
    """Make an objective again from the name of its function."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    function = found.function if isinstance(found, TrainingFunction) else found
    return cls(function, **arguments)
