"""``optuna-nas best``: what a study has found so far."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from optuna_nas.cli._chosen import best_of_study
from optuna_nas.cli._options import open_study, space_of_study, study_options

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from optuna_nas.spaces import SearchSpace

__all__ = ["best", "describe", "summary"]


@click.command()
@study_options
@click.option(
    "--space", help="Needed for a space of your own only: module:object or file.py:object."
)
@click.option("--top", default=1, show_default=True, type=click.IntRange(min=1), help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON, one line per architecture.")
def best(storage: str, study_name: str, space: str | None, top: int, as_json: bool) -> None:
    """Show the best architectures of a study."""
    from optuna_nas.objectives import derived_accuracies

    study = open_study(storage, study_name)
    searched = space_of_study(study, space)
    trials = best_of_study(study, top)
    derived = derived_accuracies(study)
    if as_json:
        for trial in trials:
            click.echo(json.dumps(_facts(searched, trial, derived.get(trial.number))))
        return
    click.echo(summary(study))
    for rank, trial in enumerate(trials, start=1):
        click.echo("")
        if top > 1:
            click.echo(f"{rank}.")
        click.echo(describe(searched, trial, derived.get(trial.number)))


def summary(study: Study) -> str:
    """One line: how many trials ended how."""
    import optuna

    from optuna_nas.objectives import COPY_KEY, INFEASIBLE_KEY

    trials = study.get_trials(deepcopy=False)
    counts = Counter(
        "infeasible" if INFEASIBLE_KEY in trial.user_attrs else trial.state.name.lower()
        for trial in trials
        if trial.state != optuna.trial.TrialState.WAITING
    )
    ended = ", ".join(f"{count} {how}" for how, count in counts.items())
    copies = sum(COPY_KEY in trial.user_attrs for trial in trials)
    return f"study {study.study_name!r}: {ended}" + (f" ({copies} copied)" if copies else "")


def describe(space: SearchSpace, trial: FrozenTrial, accuracy: float | None = None) -> str:
    """A trial's architecture and figures, a line each; its accuracy if the value is another."""
    facts = _facts(space, trial, accuracy)
    rows = [
        ("architecture", facts["architecture"]),
        ("trial", str(facts["trial"])),
        ("validation accuracy", f"{facts['accuracy']:.2%}"),
    ]
    if accuracy is not None:
        rows.insert(2, ("on one batch", f"{facts['value']:.2%}"))
    elif facts["accuracy"] != facts["value"]:
        rows.insert(2, ("reward", f"{facts['value']:.4g}"))
    if facts["latency_ms"] is not None:
        rows.append(("latency", f"{facts['latency_ms']:.4g} ms"))
    if facts["params"] is not None:
        rows.append(("parameters", f"{facts['params']:,}"))
        rows.append(("FLOPs", f"{2 * facts['macs']:,} ({facts['macs']:,} multiply-adds)"))
    rows += [(name, f"{value}") for name, value in facts["hyperparameters"].items()]
    return "\n".join(f"{name:<22}{value}" for name, value in rows)


def _facts(
    space: SearchSpace, trial: FrozenTrial, accuracy: float | None = None
) -> dict[str, Any]:
    from optuna_nas.objectives import ACCURACY_KEY, LATENCY_KEY, MACS_KEY, PARAMS_KEY

    architecture = space.architecture(trial)
    decided = architecture.params
    return {
        "trial": trial.number,
        "value": trial.value,
        "accuracy": trial.user_attrs.get(ACCURACY_KEY, trial.value)
        if accuracy is None
        else accuracy,
        "latency_ms": trial.user_attrs.get(LATENCY_KEY),
        "architecture": str(architecture),
        "params": trial.user_attrs.get(PARAMS_KEY),
        "macs": trial.user_attrs.get(MACS_KEY),
        "hyperparameters": {k: v for k, v in trial.params.items() if k not in decided},
    }
