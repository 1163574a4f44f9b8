"""The trial of a training function that several processes carry out together.

The first process asks the study; the others get its answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from optuna_nas.training import share
from optuna_nas.training.loop import processes

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

__all__ = ["SharedTrial"]


class SharedTrial:
    """A trial that suggests the same in all processes; all of them must ask, in one order.

    Attributes of the trial are written by the first process alone.

    Args:
        trial: The trial in the first process, None in the others.
    """

    def __init__(self, trial: BaseTrial | None) -> None:
        self._trial = trial
        told = None if trial is None else (trial.number, dict(trial.params), trial.user_attrs)
        told = share(told)
        assert told is not None
        self.number, self.params, self.user_attrs = told

    def suggest_float(self, name: str, low: float, high: float, **options: Any) -> float:
        """Suggest a value as ``trial.suggest_float`` does."""
        return float(self._asked("suggest_float", name, low, high, **options))

    def suggest_int(self, name: str, low: int, high: int, **options: Any) -> int:
        """Suggest a value as ``trial.suggest_int`` does."""
        return int(self._asked("suggest_int", name, low, high, **options))

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Suggest a value as ``trial.suggest_categorical`` does."""
        return self._asked("suggest_categorical", name, choices)

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keep a value with the trial; other processes keep nothing."""
        self.user_attrs[key] = value
        if self._trial is not None:
            self._trial.set_user_attr(key, value)

    def report(self, value: float, step: int) -> NoReturn:
        """Refuse to report, which one process must not do without the others."""
        raise RuntimeError(_REPORT.format("report"))

    def should_prune(self) -> NoReturn:
        """Refuse to tell, as :meth:`report`."""
        raise RuntimeError(_REPORT.format("should_prune"))

    def _asked(self, method: str, name: str, *arguments: Any, **options: Any) -> Any:
        answer: tuple[Any] | None = None
        error: Exception | None = None
        if self._trial is not None:
            try:
                answer = (getattr(self._trial, method)(name, *arguments, **options),)
            except Exception as e:  # the other processes wait for an answer
                error = e
        answer = share(answer)
        if error is not None:
            raise error
        if answer is None:
            raise RuntimeError(
                f"The first process could not suggest {name!r}, so that process "
                f"{processes().rank} cannot go on: see the first one's error."
            )
        self.params[name] = answer[0]
        return answer[0]


_REPORT = (
    "`trial.{}` must not be called where several processes train together, since all of them stop "
    "or none: call report(value, epoch), the third argument of the training function."
)
