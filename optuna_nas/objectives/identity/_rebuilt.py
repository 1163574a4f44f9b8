"""Makes settings again from what a study keeps of them, or asks for what no storage can keep."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from optuna_nas._ground.checks import shown
from optuna_nas.objectives.identity._parts import DataIdentity
from optuna_nas.objectives.identity._study_identity import StudyIdentity, differences
from optuna_nas.profiling import LatencyMeter
from optuna_nas.training import Data, load_data

if TYPE_CHECKING:
    from optuna_nas.spaces import SearchSpace

__all__ = [
    "as_field",
    "ask_for",
    "load_kept",
    "rebuilt",
    "rebuilt_data",
    "rebuilt_meter",
    "rebuilt_space",
    "rebuilt_task",
    "subclasses",
]

T = TypeVar("T")


def ask_for(name: str, kept: object) -> NoReturn:
    """Ask for an argument that cannot be made from what a study keeps of it.

    Raises:
        ValueError: Always.
    """
    raise ValueError(
        f"`{name}` must be given, since the study has one of your own ({shown(kept)}), which is "
        f"never imported from a name in a storage: pass {name}=..."
    )


def rebuilt_space(identity: StudyIdentity, space: SearchSpace | None) -> SearchSpace:
    """Return the space of a study: as given, else made of its settings.

    Raises:
        ValueError: If it must be given.
    """
    if space is not None:
        return space
    assert identity.space is not None
    return identity.space.make()


def load_kept(kept: DataIdentity, **changes: Any) -> Data:
    """Load data by the name that a study keeps, with the same splits.

    Args:
        kept: Data of the study.
        changes: Other arguments of :func:`optuna_nas.training.load_data`.

    Raises:
        ValueError: If there is no such data.
    """
    arguments: dict[str, Any] = {"name": kept.name, **kept.arguments, **changes}
    loaded: Data = load_data(**arguments)
    return loaded


def rebuilt_data(kept: DataIdentity | None, data: str | Data | None) -> Data:
    """Return the data of a study: as given, else loaded again.

    Args:
        kept: What the study keeps of it.
        data: Data, or another name of the same, such as a folder that was moved.

    Raises:
        ValueError: If it must be given: what is kept cannot be loaded, or is no longer the same.
    """
    if isinstance(data, Data):
        return data
    if kept is None:
        raise ValueError("`data` must be given, since the study does not say it: pass data=...")
    if data is not None:
        return load_kept(kept, name=data)
    try:
        loaded = load_kept(kept)
    except (OSError, RuntimeError, ValueError) as e:
        raise ValueError(
            f"`data` must be given, since the study's data {shown(kept.name)} cannot be loaded "
            f"({e}): pass data=..., such as an ImageData or load_data(...)."
        ) from e
    if different := differences("", kept.to_json(), json.loads(json.dumps(loaded.identity))):
        raise ValueError(
            f"`data` must be given, since the data called {shown(kept.name)} are not those of the "
            f"study: {'; '.join(different)}. Pass data=..."
        )
    return loaded


def rebuilt_task(identity: StudyIdentity, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the argument ``task`` of an objective, if a study has one and it is not given.

    Args:
        identity: What the study keeps.
        options: Arguments that are given.

    Raises:
        ValueError: If it must be given.
    """
    if identity.task is None or "task" in options:
        return {}
    task = identity.training_task()
    if task is None:
        ask_for("task", identity.task)
    return {"task": task}


def rebuilt_meter(kept: object, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the argument ``latency`` of an objective, if it is needed and not given.

    Args:
        kept: Meter of a study, as it keeps it; None: it needs none.
        options: Arguments that are given.

    Raises:
        ValueError: If it must be given.
    """
    if kept is None or "latency" in options:
        return {}
    if not isinstance(kept, Mapping):
        ask_for("latency", kept)
    return {"latency": rebuilt("latency", [LatencyMeter], kept, kept, of="identity")}


def rebuilt(
    name: str, classes: Iterable[type[T]], settings: Mapping[str, Any], kept: object, *, of: str
) -> T:
    """Return the value of which a study keeps the settings.

    A value is taken only if it tells exactly what is kept, so that nothing depends on how classes
    are called.

    Args:
        name: Argument of the objective.
        classes: Classes that the value may be of.
        settings: Arguments of such a class.
        kept: Settings that the value must tell of itself.
        of: Attribute or method by which it does.

    Raises:
        ValueError: If it is of none of them.
    """
    arguments = {key: as_field(item) for key, item in settings.items()}
    for cls in classes:
        try:
            value = cls(**arguments)
            told = getattr(value, of)
            told = json.loads(json.dumps(told() if callable(told) else told))
        except (TypeError, ValueError):
            continue
        if told == kept:
            return value
    ask_for(name, kept)


def as_field(value: Any) -> Any:
    """The value as dataclasses have it: tuples, where JSON has lists."""
    return tuple(map(as_field, value)) if isinstance(value, list) else value


def subclasses(cls: type[Any]) -> list[type[Any]]:
    """All concrete classes that are derived from a class, in the order of their definition."""
    found = [c for child in cls.__subclasses__() for c in (child, *subclasses(child))]
    return [c for c in found if not getattr(c, "__abstractmethods__", None)]
