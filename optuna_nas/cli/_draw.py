"""``optuna-nas draw``: the picture of one architecture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from optuna_nas.cli._options import load_space, open_study, space_of_study, study_options

if TYPE_CHECKING:
    from optuna_nas.spaces import Architecture

__all__ = ["draw"]


@click.command()
@click.option("--space", help="A space by name, module:object or file.py:object.")
@click.option("--architecture", metavar="TEXT", help="In the field's notation; needs --space.")
@click.option("--published", metavar="NAME", help="A published network, such as NAS_RL_V1.")
@click.option("--trial", default="best", show_default=True, help="Trial of the study, or best.")
@click.option("--beside", metavar="TRIAL", help="Mark what differs from this trial of the study.")
@study_options
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("architecture.svg"),
    show_default=True,
    help="File to write: .svg or .png.",
)
def draw(
    space: str | None,
    architecture: str | None,
    published: str | None,
    trial: str,
    beside: str | None,
    storage: str,
    study_name: str,
    output: Path,
) -> None:
    """Draw an architecture: given, published, or found by a study."""
    from optuna_nas.drawing import compare, save_picture

    if architecture is not None and published is not None:
        raise click.UsageError("give either --architecture or --published")
    if published is not None:
        chosen = _published(published)
    elif architecture is not None:
        if space is None:
            raise click.UsageError("--architecture needs --space")
        chosen = load_space(space).parse(architecture)
    else:
        chosen = _of_study(storage, study_name, trial, space)
    graph = chosen.graph()
    if beside is not None:
        other = _of_study(storage, study_name, beside, space)
        graph = compare(other.graph(), graph, titles=(f"trial {beside}", "this one"))
    save_picture(graph, output)
    click.echo(f"{chosen}\n{output}")


def _published(name: str) -> Architecture:
    from optuna_nas.spaces import Architecture
    from optuna_nas.spaces import published as networks

    found = getattr(networks, name.upper().replace("-", "_"), None)
    if not isinstance(found, Architecture):
        known = ", ".join(
            n for n in dir(networks) if isinstance(getattr(networks, n), Architecture)
        )
        raise click.BadParameter(f"{name!r} is none of {known}", param_hint="--published")
    return found


def _of_study(storage: str, study_name: str, trial: str, space: str | None) -> Architecture:
    study = open_study(storage, study_name)
    trials = study.get_trials(deepcopy=False)
    if trial == "best":
        found = study.best_trial
    elif trial.isdecimal() and int(trial) < len(trials):
        found = trials[int(trial)]
    else:
        raise click.BadParameter(
            f"{trial!r} must be best or a number below {len(trials)}", param_hint="--trial"
        )
    return space_of_study(study, space).architecture(found)
