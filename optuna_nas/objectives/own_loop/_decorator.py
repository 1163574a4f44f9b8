"""The decorator that makes a training loop an objective."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Unpack

from optuna_nas.objectives.own_loop._settings import FunctionOptions, TrainingLoop
from optuna_nas.objectives.own_loop._training_function import TrainingFunction

if TYPE_CHECKING:
    from optuna_nas.objectives.trial import Value
    from optuna_nas.spaces import SearchSpace

__all__ = ["training_function"]


def training_function(
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
) -> Callable[[TrainingLoop], TrainingFunction]:
    """Make a training loop of one's own an objective (a decorator).

    The function is called as ``function(model, trial, report)`` for each trial, with the network
    that was suggested and built. It trains it as it likes (in plain PyTorch, Lightning, Hugging
    Face's Trainer), may call ``report(value, epoch)`` after each epoch, by which the study's
    pruner can stop the trial, and returns the metric of the trial; if it returns None, the last
    report counts. ``trial`` may suggest hyperparameters, such as a learning rate.

    Everything around the loop is as for :class:`TrainingObjective`: networks over a limit are
    never trained; the network's fault (a metric that is NaN or infinite, out of memory, inputs
    too small) makes a trial infeasible and pruned, anything else is raised as a
    :class:`TrialError`; an equal run is not trained again, unless the function suggests
    hyperparameters itself; trials have architecture, sizes, picture and note; and the study
    refuses to go on with other settings or another function.

    Torch is seeded for the call, with a seed that depends on (``seed``, trial number);
    ``torch.initial_seed()`` is that one, for other libraries.

    In processes that ``torchrun`` has started use :func:`distributed_optimize`: every process
    then calls the function with the same network. They suggest the same there, but must ask in
    one order, and ``report`` must be called in all of them; the metric of the first one counts.
    ``trial.report`` and ``trial.should_prune`` are refused there.

    Example::

        import optuna
        import torch
        from optuna_nas.objectives import training_function
        from optuna_nas.spaces import function_space
        from torch import nn

        @function_space
        def forecaster(trial, steps=24):
            width = trial.suggest_categorical("width", [8, 16, 32])
            return nn.Sequential(nn.Linear(steps, width), nn.ReLU(), nn.Linear(width, 1))

        series = torch.rand(64, 24)

        @training_function(
            space=forecaster, inputs=(24,), metric="MAE", direction="minimize", max_params=500
        )
        def objective(model, trial, report):
            optimizer = torch.optim.Adam(
                model.parameters(), lr=trial.suggest_float("lr", 1e-4, 1e-1, log=True)
            )
            for epoch in range(1, 4):
                loss = (model(series) - series.mean(1, keepdim=True)).abs().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                report(loss, epoch)

        study = optuna.create_study(direction=objective.direction)
        study.optimize(objective, n_trials=5)

    Args:
        space: Space to suggest from.
        inputs: Inputs of a network without the batch, from which its costs are counted: a size
            such as ``(24, 2)``, a text such as ``"32:int64"`` or ``"image=1x64x48,table=5"``, an
            example batch, or a tuple or dict of these; see
            :class:`optuna_nas.profiling.InputSpec`. Default: None, so that limits and rewards
            cannot be used.
        metric: Words for the metric, in plots, notes and messages.
        direction: ``"maximize"`` or ``"minimize"``. Default: None, that of the metric, if it is
            called as one of ``optuna_nas.training.METRICS``, such as "accuracy" or "MAE".
        value: Value of a trial, as for :class:`TrainingObjective`; reports are multiplied as it
            is.
        build: Arguments for ``architecture.build``. Default: ``space.proxy``, the search size.
        seed: Any integer of at most 64 bits.
        reuse: Whether the result of a complete trial that was the same run is reused.
        version: Words that the study keeps in place of the hash of the function's source, so
            that a cosmetic change of it does not count; change them when results change.
            Default: None, the hash.
        options: See :class:`FunctionOptions`.

    Returns:
        A decorator that returns a :class:`TrainingFunction`.

    Raises:
        TypeError: If it is no plain function of three arguments, there is no such option, or the
            space does not take ``build``.
        ValueError: If a setting is out of range, or one needs ``inputs``.
    """

    def decorate(function: TrainingLoop) -> TrainingFunction:
        return TrainingFunction(
            function,
            space=space,
            inputs=inputs,
            metric=metric,
            direction=direction,
            value=value,
            build=build,
            seed=seed,
            reuse=reuse,
            version=version,
            **options,
        )

    return decorate
