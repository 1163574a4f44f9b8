"""Makes the objective of a study again, from what the study keeps of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState

from optuna_nas.objectives._base import Objective
from optuna_nas.objectives.identity import LIMITS, SEARCH, read_identity
from optuna_nas.objectives.trial import sampled_hyperparameters

if TYPE_CHECKING:
    from optuna.study import Study

    from optuna_nas.objectives.identity import StudyIdentity
    from optuna_nas.spaces import SearchSpace
    from optuna_nas.training import Data

__all__ = ["objective_from_study"]


def objective_from_study(
    study: Study,
    *,
    space: SearchSpace | None = None,
    data: str | Data | None = None,
    **options: Any,
) -> Objective[Any]:
    """Make an objective with the settings of a study, so that the study goes on.

    A study keeps what its values depend on: space, data and splits, epochs, build arguments,
    recipes, what trials return. It does not keep how a trial is run: limits, ``device``,
    ``artifact_store``, ``checkpoints``, ``reuse`` and the ``seed`` of a :class:`TrainingObjective`
    or :class:`DARTSObjective` are ``options`` again, unless the command line ran the study, which
    keeps seed and limits. What is of the user's own is never imported from a name in a storage,
    but asked for: a space, data that ``load_data`` does not know, a function that samples
    hyperparameters, a meter, a reward.

    Example::

        import optuna
        from optuna_nas.objectives import objective_from_study
        from optuna_nas.stores import open_storage

        study = optuna.load_study(study_name="nas", storage=open_storage("sqlite:///nas.db"))
        study.optimize(objective_from_study(study, device="cuda"), n_trials=20)

    Args:
        study: One with a trial of an objective of this package, running or finished.
        space: The space, if it is the user's own.
        data: The data, if they are the user's own; or another name of the same.
        options: Arguments of the objective, which go before what the study keeps; where the
            settings of the study would differ, its first trial says so.

    Returns:
        An objective of the same class, whose ``identity`` is that of the study.

    Raises:
        ValueError: If the study does not say its settings, they are those of an objective of the
            user's own, or an argument must be given.
    """
    identity = read_identity(study)
    if identity is None:
        raise ValueError(
            f"The study {study.study_name!r} must have a trial of an objective of this package "
            "that runs or has finished, but has none: make the objective itself."
        )
    found = next((cls for cls in _classes() if cls.evaluates(identity)), None)
    if found is None:
        raise ValueError(
            f"The study {study.study_name!r} was evaluated by an objective of your own: make it "
            "as you did then."
        )
    if "hyperparameters" not in options and _samples_hyperparameters(study, identity):
        raise ValueError(
            f"`hyperparameters` must be given, since the trials of {study.study_name!r} sampled "
            "some by a function, which no storage keeps: pass hyperparameters=..., or None to go "
            "on without."
        )
    return found.from_identity(identity, space=space, data=data, **{**_chosen(study), **options})


def _classes() -> Iterator[type[Objective[Any]]]:
    """The objectives of this package: what its face shows, so that none is listed twice."""
    from optuna_nas import objectives as face  # which imports this module

    for name in face.__all__:
        cls = getattr(face, name)
        if isinstance(cls, type) and issubclass(cls, Objective):
            yield cls


def _chosen(study: Study) -> Mapping[str, Any]:
    """Seed and limits, where the command line has kept them."""
    kept = SEARCH.require(study) or {}
    return {name: kept[name] for name in ("seed", *LIMITS) if kept.get(name) is not None}


def _samples_hyperparameters(study: Study, identity: StudyIdentity) -> bool:
    if identity.darts is None:
        return bool(sampled_hyperparameters(study))
    # Alpha decides there, so that parameters of a trial are hyperparameters.
    states = (TrialState.COMPLETE, TrialState.PRUNED)
    return any(trial.params for trial in study.get_trials(deepcopy=False, states=states))
