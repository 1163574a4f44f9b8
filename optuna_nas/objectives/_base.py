"""The one life of a trial, which every objective goes through.

Mark the worker, check the study, suggest, reuse or limit, evaluate, report, attribute failures,
record, draw: the order stands here once. An objective writes what is its own in three hooks.
"""

from __future__ import annotations

import contextlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, Unpack, cast

from optuna import TrialPruned
from optuna.trial import Trial

from optuna_nas._ground.attributes import Attribute, text
from optuna_nas._ground.words import markdown
from optuna_nas.keys import DIGEST_KEY, WORKER_KEY
from optuna_nas.objectives._options import ObjectiveOptions, check_options
from optuna_nas.objectives._scorer import ProxyScorer
from optuna_nas.objectives.identity import StudyCheck, rebuilt_data, rebuilt_space, rebuilt_task
from optuna_nas.objectives.trial import (
    MACS,
    PARAMS,
    Costs,
    Limits,
    TrialCheckpoints,
    TrialRun,
    Value,
    this_worker,
    trial_value,
    write_note,
)
from optuna_nas.profiling import LatencyMeter
from optuna_nas.training import resolve_device

if TYPE_CHECKING:
    from optuna.study import Study

    from optuna_nas.objectives.identity import StudyIdentity
    from optuna_nas.objectives.trial import Direction
    from optuna_nas.spaces import SearchSpace
    from optuna_nas.training import Data, Task

__all__ = ["DIGEST", "Objective", "TrialRun"]

DIGEST = Attribute(DIGEST_KEY, text(200))

Plan = TypeVar("Plan")
"""Value that an objective has suggested for a trial."""


class Objective(ABC, Generic[Plan]):
    """Base of all objectives, and of one of your own.

    A subclass writes :attr:`identity`, :meth:`suggest` and :meth:`evaluate`. It gets limits,
    pictures, notes, checkpoints and the check that a study was created with the same settings.

    Example::

        import optuna
        from optuna_nas.objectives import Objective, StudyIdentity
        from optuna_nas.spaces import NASBench201Space

        class Convolutions(Objective):
            space = NASBench201Space()
            identity = StudyIdentity.from_json({**space.identity, "objective": "convolutions"})

            def __init__(self, **options):
                super().__init__(metric="convolutions", **options)

            def suggest(self, run):
                architecture = self.space.suggest(run.trial)
                run.record(architecture)
                return architecture

            def evaluate(self, run, architecture):
                run.admit(architecture)
                return str(architecture).count("conv")

        study = optuna.create_study(direction="maximize")
        study.optimize(Convolutions(), n_trials=5)

    Args:
        value: Value of a trial: ``"metric"``, a reward such as ``LatencyReward(target_ms=80)``,
            or ``("metric", "latency_ms", ...)`` for several objectives. Default: ``"metric"``.
        metric: Name of the metric, in plots and in the dashboard.
        direction: Direction of the metric, ``"maximize"`` or ``"minimize"``.
        task: Task whose words and direction these are, instead; None: there is none.
        options: See :class:`ObjectiveOptions`.

    Attributes:
        limits: Limits that the options set.
        costs: Costs of networks, for the limits and the value. An objective that has them sets
            this by :meth:`network_costs` when it is created; None: it takes no limits.
        device: Device that the options name.

    Raises:
        ValueError: If a setting is out of range.
        TypeError: If there is no such option.
    """

    costs: Costs | None = None
    _alone: ClassVar[bool] = True
    """Whether a single value must be the only one of a study."""
    _words: ClassVar[str] = "validation"
    """Words before the name of a task's metric."""
    metric_of: ClassVar[str] = ""
    """Network that the metric is of, for the note of a trial, such as ``" of the supernet"``."""

    def __init__(
        self,
        *,
        value: Value = "metric",
        metric: str = "metric",
        direction: Direction = "maximize",
        task: Task | None = None,
        **options: Unpack[ObjectiveOptions],
    ) -> None:
        check_options(self, options)
        if task is not None:
            direction = cast("Direction", task.direction)
            metric = f"{self._words} {task.metric_name}"
        self.value = trial_value(value, direction)
        self.metric = metric
        self._task = task
        self.limits = Limits(
            max_params=options.get("max_params"),
            max_macs=options.get("max_macs"),
            max_latency_ms=options.get("max_latency_ms"),
            min_proxy=options.get("min_proxy") or {},
        )
        device = options.get("device", "auto")
        self.device = resolve_device(device)
        meter = options.get("latency")
        self._meter = LatencyMeter(device=str(device)) if meter is None else meter
        self._pictures = options.get("artifact_store")
        self._notes = options.get("notes", True)
        self._checkpoints = TrialCheckpoints.at(
            options.get("checkpoints"), options.get("keep_checkpoints", 0)
        )
        self._on_epoch = options.get("on_epoch")
        self._studies = StudyCheck(self.value, metric)

    @property
    @abstractmethod
    def identity(self) -> StudyIdentity:
        """Settings that a study keeps (``optuna_nas:study``)."""

    @classmethod
    def evaluates(cls, identity: StudyIdentity) -> bool:
        """Whether an objective of this class can have an identity; by default it cannot."""
        return False

    @classmethod
    def from_identity(
        cls,
        identity: StudyIdentity,
        *,
        space: SearchSpace | None = None,
        data: str | Data | None = None,
        **options: Any,
    ) -> Self:
        """Make the objective of an identity; see :func:`objective_from_study`.

        Args:
            identity: One that :meth:`evaluates` accepts.
            space: The space, if it is the user's own.
            data: The data, if it is the user's own.
            options: Arguments that go before those of the identity.

        Raises:
            ValueError: If an argument must be given.
            NotImplementedError: If the class does not say how.
        """
        kept = {**cls.kept_arguments(identity, options), **rebuilt_task(identity, options)}
        make: Callable[..., Self] = cls
        return make(
            rebuilt_space(identity, space),
            rebuilt_data(identity.data, data),
            **{**kept, **options},
        )

    @classmethod
    def kept_arguments(
        cls, identity: StudyIdentity, options: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Return the arguments, beside space and data, that an identity tells.

        Args:
            identity: One that :meth:`evaluates` accepts.
            options: Arguments that are given, and so need not be asked for.

        Raises:
            ValueError: If an argument must be given.
            NotImplementedError: If the class does not say how.
        """
        raise NotImplementedError(f"{cls.__name__} does not say how it is made of an identity.")

    @abstractmethod
    def suggest(self, run: TrialRun) -> Plan:
        """Suggest what is evaluated, and record its architecture if that is known already.

        Args:
            run: The trial; ``run.trial`` is Optuna's.
        """

    @abstractmethod
    def evaluate(self, run: TrialRun, plan: Plan) -> float:
        """Return the metric of what was suggested, in the direction that was given.

        Call ``run.admit(architecture)`` as soon as the trial has an architecture: it checks the
        limits and draws it.

        Args:
            run: The trial.
            plan: Result of :meth:`suggest`.

        Raises:
            TrialPruned: If a limit is exceeded, or the pruner stops the trial.
        """

    def reused(self, run: TrialRun, plan: Plan) -> float | None:
        """Return the value of an earlier trial that was the same run; None if there is none.

        Args:
            run: The trial.
            plan: Result of :meth:`suggest`.
        """
        return None

    def format_metric(self, metric: float) -> str:
        """Write the metric for the note of a trial, as its task writes it."""
        return f"{metric:.4g}" if self._task is None else self._task.format(metric)

    @property
    def direction(self) -> Direction:
        """Direction of a study, for ``optuna.create_study``.

        Raises:
            ValueError: If trials return several values.
        """
        if len(self.directions) > 1:
            raise ValueError(
                f"`direction` needs a single value, but trials return {len(self.directions)}: "
                "create the study with directions=objective.directions."
            )
        return self.directions[0]

    @property
    def directions(self) -> list[Direction]:
        """Directions of a study, for ``optuna.create_study``."""
        return self.value.directions

    def network_costs(self, build: Mapping[str, Any], data: Data, **scorer: Any) -> Costs:
        """Return the costs of networks, measured as the options say.

        Args:
            build: Arguments for ``architecture.build``.
            data: Data that networks are built for.
            scorer: ``task``, ``batch_size`` and ``seed`` of proxies.
        """
        scores = ProxyScorer(data, build, device=self.device, **scorer)
        return Costs(build, self._meter, data=data, scorer=scores)

    def __call__(self, trial: Trial) -> float | tuple[float, ...]:
        """Evaluate one trial.

        Returns:
            The metric; with another ``value`` its reward, or the metric and the costs.

        Raises:
            TrialPruned: If the pruner stops the trial, or its architecture is infeasible.
            TrialError: If building or training fails for another reason.
            ValueError: If the study has other settings or directions.
        """
        run = self._begin(trial)
        try:
            value = self._live(run)
        except TrialPruned:
            self._finish(run)
            raise
        if not any(map(math.isnan, value if isinstance(value, tuple) else (value,))):
            self._finish(run)  # a trial without a value fails
        return value

    def _live(self, run: TrialRun) -> float | tuple[float, ...]:
        """Take a trial whose study fits through the rest of its life."""
        plan = self.suggest(run)
        reused = self.reused(run, plan)
        if reused is not None:
            return reused
        with self._noted(run) as told:
            metric = self.evaluate(run, plan)
            value = run.value_of(metric)
            told.append(self._outcome(value, metric))
        return value

    def prepare(self, study: Study) -> None:
        """Check that this objective can evaluate a study.

        Every trial does so, but in plain ``study.optimize`` Optuna has created the trial by then:
        it fails, marked with ``optuna_nas:refused``. Call this first, or
        :func:`optuna_nas.stores.optimize`, which does, and a refusal leaves no trial behind.
        The settings are recorded when the first trial is complete or pruned.

        Raises:
            ValueError: If the study has other settings or directions.
        """
        self._studies.check(study, self, alone=self._alone)

    def _finish(self, run: TrialRun) -> None:
        if run.study is not None:
            self._studies.finish(run.trial, self)

    def prune_checkpoints(self, study: Study) -> None:
        """Remove the checkpoints of finished trials that are not among the best.

        Every trial does so as it begins; call it after ``study.optimize`` for the last ones.
        """
        if self._checkpoints is not None:
            self._checkpoints.prune(study)

    def _begin(self, trial: Trial) -> TrialRun:
        run = TrialRun(
            trial=trial,
            value=self.value,
            limits=self.limits,
            costs=self.costs,
            pictures=self._pictures,
            checkpoints=self._checkpoints,
            listener=self._on_epoch,
            metric=self.metric,
        )
        if run.study is not None:
            trial.set_user_attr(WORKER_KEY, this_worker())  # first: a death before it goes unseen
            self._studies.begin(trial, self, alone=self._alone)
            self.prune_checkpoints(run.study)
        return run

    def _outcome(self, value: float | tuple[float, ...], metric: float) -> str:
        """Write the values of a trial for its note."""
        values = value if isinstance(value, tuple) else (value,)
        named = list(zip(self._studies.metrics, values, strict=True))
        if self.value.reward is None:
            del named[0]
        others = [f"{name} {number:.4g}" for name, number in named]
        written = self.format_metric(metric)
        return ", ".join([f"{self.metric}{self.metric_of} **{written}**", *others])

    @contextlib.contextmanager
    def _noted(self, run: TrialRun) -> Iterator[list[str]]:
        """Write the note of a trial however it ends; what is to be told of it is appended."""
        told: list[str] = []
        try:
            yield told
        except TrialPruned as pruned:
            told.append(f"pruned: {markdown(str(pruned))}" if str(pruned) else "pruned")
            raise
        finally:
            drawn = self._pictures is not None and run.study is not None
            if drawn and self._notes and run.architecture is not None:
                line = "; ".join([*(told or ["failed"]), *_sizes(run.trial)])
                write_note(run.trial, run.artifact, run.architecture, line)


def _sizes(trial: Trial) -> list[str]:
    params, macs = PARAMS.read(trial), MACS.read(trial)
    if params is None or macs is None:
        return []
    return [f"{params:,} parameters, {macs:,} multiply-adds"]
