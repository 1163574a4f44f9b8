"""Words for the metric of a study: its name and how its values are written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from optuna_nas.objectives.identity._study_check import read_identity
from optuna_nas.training import METRICS

if TYPE_CHECKING:
    from optuna.study import Study

    from optuna_nas.objectives.identity._study_identity import StudyIdentity

__all__ = ["MetricWords", "metric_words"]

_VALIDATION = "validation"  # on which every objective that has data evaluates


@dataclasses.dataclass(frozen=True, kw_only=True)
class MetricWords:
    """Words for the metric of a study.

    Attributes:
        metric: Name of the metric, such as "MAE".
        on: Split that it is of, such as "validation"; empty where that is unknown.
        format: Writes a value of it.
    """

    metric: str
    on: str = _VALIDATION
    format: Callable[[float], str] = "{:.4g}".format

    @property
    def name(self) -> str:
        """Name of the metric with its split, such as "validation MAE"."""
        return f"{self.on} {self.metric}".lstrip()

    def is_of(self, name: str) -> bool:
        """Whether a value that has a name is of this metric, on whatever it is measured."""
        return f" {name}".endswith(f" {self.metric}")


def metric_words(study: Study) -> MetricWords | None:
    """Return the words for the metric that the networks of a study are trained for.

    They are those of its task; a reward, a score by a proxy or a cost has none of its own. A task
    of the user's is not made again: its words are those that the study keeps.

    Args:
        study: Any study.

    Returns:
        None if no objective of this package has evaluated a trial.

    Raises:
        ValueError: If what is recorded is damaged.
    """
    identity = read_identity(study)
    if identity is None:
        return None
    words = _words_of(identity)
    # A task may call its metric by words of the user's, which only the values' names tell.
    named = (study.metric_names or [""])[0]
    if identity.reward is None and named.startswith(f"{_VALIDATION} "):
        return dataclasses.replace(words, metric=named.removeprefix(f"{_VALIDATION} "))
    return words


def _words_of(identity: StudyIdentity) -> MetricWords:
    task = identity.training_task()
    if task is not None:
        return MetricWords(metric=str(task.metric_name), format=task.format)
    kept = (identity.task or {}).get("metric")
    name = _name(kept)
    named = next((m for key, m in METRICS.items() if name in (key, m.words)), None)
    return MetricWords(
        metric=name if named is None else named.words,
        on=_VALIDATION if identity.function is None else "",
        format=MetricWords.format if named is None or not named.percent else "{:.2%}".format,
    )


def _name(kept: Any) -> str:
    """Name of a metric, or of the callable that a task keeps; none: it is the loss."""
    if isinstance(kept, Mapping):
        return str(kept.get("name", "metric")).rpartition(".")[2]
    return "loss" if kept is None else str(kept)
