"""``optuna-nas best``: what a study has found so far."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from optuna_nas.cli._chosen import best_of_study
from optuna_nas.cli._options import open_study, space_of_study, study_options
from optuna_nas.cli._own_objective import space_or_objective

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from optuna_nas.objectives.identity import MetricWords
    from optuna_nas.spaces import SearchSpace

__all__ = ["best", "describe", "summary", "value_in_words"]


@click.command()
@study_options
@space_or_objective
@click.option(
    "--space", help="Needed for a space of your own only: module:object or file.py:object."
)
@click.option(
    "--top",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Number of architectures.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON, one line per architecture.")
def best(
    *, storage: str, study_name: str, space: str | SearchSpace | None, top: int, as_json: bool
) -> None:
    """Show the best architectures of a study."""
    study = open_study(storage, study_name)
    searched = space_of_study(study, space)
    trials = best_of_study(study, top)
    if as_json:
        for trial in trials:
            click.echo(json.dumps(_facts(study, searched, trial)))
        return
    click.echo(summary(study))
    for rank, trial in enumerate(trials, start=1):
        click.echo("")
        if top > 1:
            click.echo(f"{rank}.")
        click.echo(describe(study, searched, trial))


def summary(study: Study) -> str:
    """One line: how many trials ended how."""
    from optuna.trial import TrialState

    from optuna_nas.objectives.identity import was_refused
    from optuna_nas.objectives.trial import COPY, INFEASIBLE

    def how(trial: FrozenTrial) -> str:
        if was_refused(trial):
            return "refused"
        return trial.state.name.lower() if INFEASIBLE.read(trial) is None else "infeasible"

    trials = study.get_trials(deepcopy=False)
    counts = Counter(how(trial) for trial in trials if trial.state != TrialState.WAITING)
    ended = ", ".join(f"{count} {end}" for end, count in counts.items())
    copies = sum(COPY.read(trial) is not None for trial in trials)
    return f"study {study.study_name!r}: {ended}" + (f" ({copies} copied)" if copies else "")


def describe(study: Study, space: SearchSpace, trial: FrozenTrial) -> str:
    """A trial's architecture and figures, a line each."""
    from optuna_nas.objectives.identity import metric_words

    facts, words = _facts(study, space, trial), metric_words(study)
    rows = [("architecture", facts["architecture"]), ("trial", str(facts["trial"]))]
    if facts["value"] != facts["validation"]:
        rows.append(
            (facts["metric"], _written(words, facts["metric"], facts["value"], facts["direction"]))
        )
    if facts["validation"] is not None:
        name = facts["validation_metric"]
        rows.append((name, _written(words, name, facts["validation"], facts["direction"])))
    if facts["latency_ms"] is not None:
        rows.append(("latency", f"{facts['latency_ms']:.4g} ms"))
    if facts["params"] is not None:
        rows.append(("parameters", f"{facts['params']:,}"))
    if facts["macs"] is not None:
        rows.append(("FLOPs", f"{2 * facts['macs']:,} ({facts['macs']:,} multiply-adds)"))
    rows += [(name, f"{value}") for name, value in facts["hyperparameters"].items()]
    width = max(22, *(len(name) + 2 for name, _ in rows))
    return "\n".join(f"{name:<{width}}{value}" for name, value in rows)


def value_in_words(study: Study, trial: FrozenTrial) -> str:
    """The value of a trial with its name."""
    from optuna_nas.objectives.identity import metric_words

    if trial.value is None:
        return "no value"
    words = metric_words(study)
    name = _value_name(study, words)
    return f"{name} {_written(words, name, trial.value, study.direction.name.lower())}"


def _facts(study: Study, space: SearchSpace, trial: FrozenTrial) -> dict[str, Any]:
    from optuna_nas.objectives.identity import metric_words
    from optuna_nas.objectives.trial import LATENCY, MACS, PARAMS

    architecture = space.architecture(trial)
    decided = architecture.params
    words = metric_words(study)
    return {
        "trial": trial.number,
        "metric": _value_name(study, words),
        "direction": study.direction.name.lower(),
        "value": trial.value,
        "validation_metric": "validation metric" if words is None else words.name,
        "validation": _on_all_examples(study, trial, words),
        "latency_ms": LATENCY.read(trial),
        "architecture": str(architecture),
        "params": PARAMS.read(trial),
        "macs": MACS.read(trial),
        "hyperparameters": {k: v for k, v in trial.params.items() if k not in decided},
    }


def _value_name(study: Study, words: MetricWords | None) -> str:
    """The name of the study's values, which an objective of ours or the user has given."""
    if study.metric_names is not None:
        return study.metric_names[0]
    # Studies on our objectives have had no names while they had one kind of metric only.
    return "value" if words is None else words.name


def _on_all_examples(study: Study, trial: FrozenTrial, words: MetricWords | None) -> float | None:
    """The trial's metric on all validation examples, None where that is not known."""
    from optuna_nas.objectives import derived_metrics
    from optuna_nas.objectives.trial import METRIC_BESIDE

    derived = derived_metrics(study).get(trial.number)
    if derived is not None:
        return derived
    kept = METRIC_BESIDE.read(trial)
    if kept is not None or words is None:
        return kept
    return trial.value if _value_name(study, words) == words.name else None


def _written(words: MetricWords | None, name: str, value: float, direction: str) -> str:
    """A value in the format of its metric, with the direction of what is not to be maximised."""
    is_metric = words is not None and words.is_of(name)
    written = words.format(value) if words is not None and is_metric else f"{value:.4g}"
    return f"{written} (minimised)" if direction == "minimize" else written
