"""Final training of what a search by a training function has found: the function trains it again.

There is no test split that this package knows of: the metric is the function's own.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna import TrialPruned

from optuna_nas._ground.attributes import fields, integer, json_value, mapping, text
from optuna_nas._ground.checks import require_int
from optuna_nas._ground.words import counted, markdown_block
from optuna_nas._version import __version__
from optuna_nas.final._comparison import FinalRun, Spread
from optuna_nas.final._json import FIGURES, decoded_file
from optuna_nas.final._train import alone_in, seed_numbers
from optuna_nas.objectives import best_trials
from optuna_nas.objectives.identity import differences
from optuna_nas.objectives.trial import is_the_architectures
from optuna_nas.stores import write_atomically
from optuna_nas.training import save_weights

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from optuna_nas.objectives import TrainingFunction
    from optuna_nas.spaces import Architecture

__all__ = ["FunctionComparison", "FunctionFinalist", "retrain_by_function"]

_KEPT = fields(
    {
        "settings": mapping(json_value),
        "result": fields({"seed": integer(), "failure": text()}, FIGURES),
    }
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FunctionFinalist:
    """A trial's network and its runs by the training function.

    Attributes:
        name: Such as "trial-17".
        architecture: The network.
        value: Value that the trial had in the search.
        runs: One for each seed.
        metric: Mean and spread over the runs that did not fail.
        folder: With the card, the weights and one file of results per seed.
    """

    name: str
    architecture: Architecture
    value: float
    runs: tuple[FinalRun, ...]
    metric: Spread
    folder: Path


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class FunctionComparison:
    """Networks of the best trials beside each other. Printing it gives a table.

    Attributes:
        finalists: As the search ranks them.
        metric: Words for the metric.
        direction: "maximize" or "minimize".
    """

    finalists: tuple[FunctionFinalist, ...]
    metric: str
    direction: str

    @property
    def chosen(self) -> FunctionFinalist | None:
        """The finalist with the best mean metric; None if all runs failed."""
        sign = 1 if self.direction == "maximize" else -1
        whole = [finalist for finalist in self.finalists if finalist.metric.count]
        return max(whole, key=lambda finalist: sign * finalist.metric.mean, default=None)

    def __repr__(self) -> str:
        head = ("network", "architecture", "search", self.metric)
        rows = [head, *(self._row(finalist) for finalist in self.finalists)]
        widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
        lines = [_line(row, widths) for row in rows]
        seeds = max(len(finalist.runs) for finalist in self.finalists)
        better = "the more the better" if self.direction == "maximize" else "the less the better"
        deviation = "mean ± sd of " if seeds > 1 else ""
        lines.append(f"{self.metric} ({better}), {deviation}{counted(seeds, 'seed')}")
        lines += [
            f"{finalist.name}, seed {run.seed}, failed: {run.failure}"
            for finalist in self.finalists
            for run in finalist.runs
            if run.failure
        ]
        return "\n".join(lines)

    def _row(self, finalist: FunctionFinalist) -> tuple[str, ...]:
        mark = " *" if finalist is self.chosen else ""
        value = finalist.metric.format(finalist.value)
        return finalist.name + mark, f"{finalist.architecture}", value, f"{finalist.metric}"


def retrain_by_function(
    study: Study,
    objective: TrainingFunction,
    *,
    folder: str | Path,
    top: int = 3,
    seeds: int | Sequence[int] = 3,
    on_run: Callable[[str, FinalRun], None] | None = None,
) -> FunctionComparison:
    """Train the networks of the best trials again by the function, each with every seed.

    What was finished in ``folder`` is not trained again. For larger networks give
    ``objective.with_options(build=...)``.

    Example::

        from nets import objective
        from optuna_nas.final import retrain_by_function

        print(retrain_by_function(study, objective, folder="final", top=1, seeds=5))

    Args:
        study: The search, with a single objective.
        objective: Training function of the search.
        folder: For weights, cards and the table.
        top: How many of the best different architectures, at least 1.
        seeds: How many, or which.
        on_run: Called with the network's name and each run as it is known. Default: None.

    Raises:
        ValueError: If the study has no complete trial or several objectives, the folder holds
            runs with other settings, or a setting is out of range.
        RuntimeError: If another process works in the folder.
    """
    require_int("top", top)
    numbers = seed_numbers(seeds)
    trials = best_trials(study, top)
    if not trials:
        raise ValueError(
            f"The study {study.study_name!r} must have a complete trial, but has none yet."
        )
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    finalists = []
    with alone_in(place):
        for trial in trials:
            one = _Network(study, trial, objective, place / f"trial-{trial.number}")
            finalists.append(one.finalist(numbers, on_run))
        compared = FunctionComparison(
            finalists=tuple(finalists), metric=objective.metric, direction=objective.direction
        )
        write_atomically(place / "README.md", markdown_block(f"{compared}").encode())
    return compared


class _Network:
    """The network of one trial, and its files."""

    def __init__(
        self, study: Study, trial: FrozenTrial, objective: TrainingFunction, folder: Path
    ) -> None:
        self._trial = trial
        self._objective = objective
        self._folder = folder
        self._architecture = objective.space.architecture(trial)
        own = {k: v for k, v in trial.params.items() if k not in self._architecture.params}
        self._origin = {
            "study": study.study_name,
            "trial": trial.number,
            "values": trial.values,
            "architecture": f"{self._architecture}",
            "json": self._architecture.to_json(),
            "digest": self._architecture.digest,
            "build": dict(objective.build),
            **({"hyperparameters": own} if own else {}),
        }
        folder.mkdir(exist_ok=True)

    def finalist(
        self, seeds: Sequence[int], on_run: Callable[[str, FinalRun], None] | None
    ) -> FunctionFinalist:
        runs: list[FinalRun] = []
        for seed in seeds:
            runs.append(self._kept(seed) or self._trained(seed))
            if on_run is not None:
                on_run(self._folder.name, runs[-1])
        whole = [run.val_metric for run in runs if not run.failure]
        finalist = FunctionFinalist(
            name=self._folder.name,
            architecture=self._architecture,
            value=float(self._trial.values[0]),
            runs=tuple(runs),
            metric=Spread.over(whole, format=self._objective.format_metric),
            folder=self._folder,
        )
        self._write_card(finalist)
        return finalist

    def _settings(self, seed: int) -> dict[str, Any]:
        """All that a result depends on, as it is read from JSON."""
        function = self._objective.identity.function
        assert function is not None
        settings = {"origin": self._origin, "function": function.to_json(), "seed": seed}
        read: dict[str, Any] = json.loads(json.dumps(settings))
        return read

    def _kept(self, seed: int) -> FinalRun | None:
        path = self._folder / f"seed-{seed}.json"
        if not path.is_file():
            return None
        kept = decoded_file(path, _KEPT, way_out="Remove it, and the run begins anew.")
        if different := differences("", kept["settings"], self._settings(seed)):
            raise ValueError(
                f"The folder {str(self._folder)!r} holds runs with other settings: "
                f"{'; '.join(different)}. Give another folder, or the same settings."
            )
        result = kept["result"]
        weights = None if result["failure"] else path.with_suffix(".pt")
        return FinalRun(**{**result, "seed": seed}, weights=weights)

    def _trained(self, seed: int) -> FinalRun:
        path = self._folder / f"seed-{seed}.json"
        started = time.perf_counter()
        weights: Path | None = None
        try:
            trained = self._objective.train(self._trial, seed=seed)
        except TrialPruned as e:
            run = FinalRun(seed=seed, failure=f"{e}" or "stopped by the function")
        except Exception as e:
            if not is_the_architectures(e):
                raise
            run = FinalRun(seed=seed, failure=f"{e}")
        else:
            weights = path.with_suffix(".pt")
            save_weights(trained.model, weights)
            seconds = round(time.perf_counter() - started, 3)
            run = FinalRun(seed=seed, val_metric=trained.metric, seconds=seconds, weights=weights)
        kept = {"settings": self._settings(seed), "result": _facts(run)}
        write_atomically(path, json.dumps(kept, indent=2).encode())
        return run

    def _write_card(self, finalist: FunctionFinalist) -> None:
        inputs = self._objective.inputs
        if inputs is None:  # whoever reads it could not run the network
            return
        card = {
            "name": finalist.name,
            "role": "found",
            "origin": self._origin,
            "data": {"inputs": f"{inputs}"},
            "metric": {
                "name": self._objective.metric,
                "direction": self._objective.direction,
            },
            "runs": [_facts(run) for run in finalist.runs],
            "versions": {"optuna-nas": __version__},
        }
        write_atomically(self._folder / "card.json", json.dumps(card, indent=2).encode())


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    name, what, *figures = (text.ljust(width) for text, width in zip(row, widths, strict=True))
    aligned = [text.strip().rjust(len(text)) for text in figures]
    return "  ".join([name, what, *aligned])


def _facts(run: FinalRun) -> dict[str, Any]:
    """Facts of a run, ready for JSON, which knows no NaN."""
    facts: dict[str, Any] = {"seed": run.seed, "failure": run.failure}
    figures = {"val_metric": run.val_metric, "seconds": run.seconds}
    return facts | {name: figure for name, figure in figures.items() if not math.isnan(figure)}
