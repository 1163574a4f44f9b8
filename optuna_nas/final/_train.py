"""Trains candidates to the end with several seeds; what is finished is never trained again.

Each run leaves its weights and then one file with its results, both whole or not at all. Until
then its state is kept after every epoch, so that a run that is killed goes on from there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock
from torch import nn

from optuna_nas._ground.attributes import fields, integer, json_value, mapping, text
from optuna_nas._ground.checks import is_int, shown
from optuna_nas._ground.words import markdown_block
from optuna_nas.final._candidate import Candidate
from optuna_nas.final._card import write_card
from optuna_nas.final._comparison import Comparison, Finalist, FinalRun
from optuna_nas.final._json import FIGURES, decoded_file, with_metrics
from optuna_nas.objectives.identity import differences
from optuna_nas.objectives.trial import run_key
from optuna_nas.stores import write_atomically
from optuna_nas.training import (
    NonFiniteLossError,
    Recipe,
    evaluate,
    fit,
    resolve_device,
    save_weights,
    seeded,
    task_of,
    task_settings,
)

if TYPE_CHECKING:
    import torch

    from optuna_nas.training import Data, Task

__all__ = ["alone_in", "seed_numbers", "train_candidates"]

_KEPT = fields(
    {
        "settings": mapping(json_value),
        "result": fields({"seed": integer(), "failure": text()}, FIGURES),
    }
)


def train_candidates(
    candidates: Sequence[Candidate],
    data: Data,
    *,
    folder: str | Path,
    epochs: int,
    task: Task | None = None,
    recipe: Recipe | None = None,
    seeds: int | Sequence[int] = 3,
    device: str | torch.device = "auto",
    channels_last: bool = False,
    compile: bool = False,
    on_run: Callable[[str, FinalRun], None] | None = None,
) -> Comparison:
    """Train every candidate with every seed on ``data.train`` and test it once, at the end.

    The last epoch counts, whatever validation says on the way; data without a validation split,
    such as ``data.merged()``, will do. Called again with the same folder it goes on where it was
    interrupted; only one process at a time works in a folder.

    Example:
        >>> import tempfile
        >>> from torch import nn
        >>> from optuna_nas.final import Candidate, train_candidates
        >>> from optuna_nas.training import load_data
        >>> linear = Candidate(
        ...     name="linear",
        ...     make=lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)),
        ...     origin={"network": "logistic regression"},
        ... )
        >>> found = train_candidates(
        ...     [linear], load_data("digits"), folder=tempfile.mkdtemp(), epochs=3, seeds=2
        ... )
        >>> found["linear"].test_metric.count, found["linear"].test_metric.mean > 0.8
        (2, True)

    Args:
        candidates: With different names.
        data: With a test split.
        folder: Made if it does not exist; each candidate has a folder of its own in it.
        epochs: Epochs of each run.
        task: Loss, metric and direction; None: those of the data.
        recipe: How to train candidates that have none of their own; by default that of the
            data. Its drop path is left out for networks that have none.
        seeds: How many, or which.
        device: As for :func:`optuna_nas.training.fit`, and so are the two that follow.
        channels_last: See there.
        compile: See there.
        on_run: Called with the candidate's name and each run as it is known.

    Raises:
        ValueError: If the test split is empty, names or seeds repeat, or the folder holds runs
            with other settings, which are named.
        RuntimeError: If another process works in the folder.
    """
    numbers = seed_numbers(seeds)
    _check(candidates, data)
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    target = resolve_device(device)
    settings = _Settings(
        data=data.to(target),
        task=task_of(data, task),
        epochs=epochs,
        recipe=recipe or data.default_recipe,
        device=target,
        channels_last=channels_last,
        compile=compile,
    )
    with alone_in(place):
        finalists = []
        for candidate in candidates:
            runs = []
            for seed in numbers:
                runs.append(_Run(candidate, settings, seed, place / candidate.name).result())
                if on_run is not None:
                    on_run(candidate.name, runs[-1])
            finalist = _finalist(candidate, settings, runs, place / candidate.name)
            write_card(finalist, data, epochs, candidate.recipe or settings.recipe, target)
            finalists.append(finalist)
        comparison = Comparison(
            finalists=tuple(finalists),
            data=data.name,
            epochs=epochs,
            test_size=len(data.test),
            task=settings.task,
            noun=data.noun,
        )
        write_atomically(place / "README.md", markdown_block(f"{comparison}").encode())
    return comparison


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Settings:
    """Settings that all runs have in common."""

    data: Data
    task: Task
    epochs: int
    recipe: Recipe
    device: torch.device
    channels_last: bool
    compile: bool


class _Run:
    """One candidate with one seed, and its files."""

    def __init__(self, candidate: Candidate, settings: _Settings, seed: int, folder: Path) -> None:
        self._candidate = candidate
        self._settings = settings
        self._recipe = candidate.recipe or settings.recipe
        self._seed = seed
        self._results = folder / f"seed-{seed}.json"
        self._weights = folder / f"seed-{seed}.pt"
        folder.mkdir(exist_ok=True)

    def result(self) -> FinalRun:
        """Return what is known of the run, or train it."""
        kept = self._kept()
        if kept is not None:
            return kept
        checkpoint = self._weights.with_suffix(f".{run_key(**self._identity)[:12]}.checkpoint")
        run = self._trained(checkpoint)
        known = dataclasses.asdict(run).items()
        facts = {name: v for name, v in known if name != "weights" and v == v}  # no NaN in JSON
        text = json.dumps({"settings": self._identity, "result": facts}, indent=2)
        write_atomically(self._results, text.encode())
        checkpoint.unlink(missing_ok=True)
        return run

    @property
    def _identity(self) -> dict[str, Any]:
        """All that the result depends on, as it is read from JSON."""
        identity = {
            "origin": dict(self._candidate.origin),
            "data": self._settings.data.identity,
            "epochs": self._settings.epochs,
            "recipe": self._recipe.to_dict(),
            "seed": self._seed,
            **task_settings(self._settings.task),
        }
        read: dict[str, Any] = json.loads(json.dumps(identity))
        return read

    def _kept(self) -> FinalRun | None:
        if not self._results.is_file():
            return None
        kept = decoded_file(self._results, _KEPT, way_out="Remove it, and the run begins anew.")
        different = differences("", kept["settings"], self._identity)
        if different:
            raise ValueError(
                f"The folder {str(self._results.parent)!r} holds runs with other settings: "
                f"{'; '.join(different)}. Give another folder, or the same settings."
            )
        facts = with_metrics(kept["result"])
        return FinalRun(
            **{**facts, "seed": self._seed}, weights=None if facts["failure"] else self._weights
        )

    def _trained(self, checkpoint: Path) -> FinalRun:
        settings = self._settings
        with seeded(self._seed):
            model = self._candidate.make()
        recipe = self._recipe
        if not any(hasattr(module, "drop_prob") for module in model.modules()):
            recipe = dataclasses.replace(recipe, drop_path=0.0)
        try:
            history = fit(
                model,
                settings.data,
                epochs=settings.epochs,
                task=settings.task,
                recipe=recipe,
                seed=self._seed,
                device=settings.device,
                channels_last=settings.channels_last,
                compile=settings.compile,
                checkpoint=checkpoint,
            )
        except NonFiniteLossError as e:
            return FinalRun(seed=self._seed, failure=str(e))
        save_weights(model, self._weights)
        return FinalRun(
            seed=self._seed,
            val_metric=history.last.val_metric,
            test_metric=self._tested(model),
            seconds=round(history.seconds, 3),
            weights=self._weights,
        )

    def _tested(self, model: nn.Module) -> float:
        data, task = self._settings.data, self._settings.task
        return evaluate(model, data.test, data, task=task, device=self._settings.device).metric


def _finalist(
    candidate: Candidate, settings: _Settings, runs: list[FinalRun], folder: Path
) -> Finalist:
    counted = candidate.size(settings.data)
    return Finalist(
        name=candidate.name,
        role=candidate.role,
        origin=candidate.origin,
        params=counted.params,
        macs=counted.macs,
        runs=tuple(runs),
        folder=folder,
        task=settings.task,
    )


def seed_numbers(seeds: int | Sequence[int]) -> list[int]:
    """Return seeds from a number of them, or as they are given.

    Raises:
        ValueError: If they are none, or repeat.
    """
    numbers: Sequence[int] = range(seeds) if is_int(seeds) else seeds  # type: ignore
    are_seeds = isinstance(numbers, Sequence) and all(map(is_int, numbers))
    if not are_seeds or not numbers or len({*numbers}) < len(numbers):
        raise ValueError(
            "`seeds` must be a number of at least 1 or different seeds, but got "
            f"seeds={shown(seeds)}."
        )
    return [*numbers]


def _check(candidates: Sequence[Candidate], data: Data) -> None:
    if len(data.test) == 0:
        raise ValueError(
            f"`data` must have test {data.noun}, but those of {data.name!r} are none: load the "
            "data with a larger test_size."
        )
    names = [candidate.name for candidate in candidates]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if not names or repeated:
        raise ValueError(
            f"`candidates` must have different names and be at least one, but got {names}."
        )


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder.

    Raises:
        RuntimeError: If one works in it.
    """
    lock = filelock.FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as e:
        raise RuntimeError(
            f"Another process must not work in the folder at the same time, but one does in "
            f"{str(folder)!r}: wait for it, or give another folder."
        ) from e
    try:
        yield
    finally:
        lock.release()
