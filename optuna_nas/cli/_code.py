"""Code of the user's own: where it is loaded from, and studies that cannot do without it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from optuna.study import Study

    from optuna_nas.objectives import StudyIdentity

__all__ = ["load_own", "refuse_function_of"]


def load_own(place: str, name: str, option: str) -> Any:
    """Load something of the user's own.

    Args:
        place: A module, or a file that ends with .py.
        name: Name of the object in it.
        option: Option that names it.

    Raises:
        click.BadParameter: If there is none.
    """
    found = getattr(_module(place, option), name, None)
    if found is None:
        raise click.BadParameter(f"there is no {name!r} in {place!r}", param_hint=option)
    return found


def _module(place: str, option: str) -> Any:
    if not place.endswith(".py"):
        sys.path.insert(0, str(Path.cwd()))
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as e:
            raise click.BadParameter(f"{e}", param_hint=option) from e
    path = Path(place)
    if not path.is_file():
        raise click.BadParameter(f"there is no file {place!r}", param_hint=option)
    sys.path.insert(0, str(path.parent.resolve()))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def refuse_function_of(study: Study, identity: StudyIdentity) -> None:
    """Ask for the training function of a study, which no storage keeps.

    Raises:
        click.UsageError: If the study is evaluated by one.
    """
    if identity.function is not None:
        raise click.UsageError(
            f"The study {study.study_name!r} is evaluated by a training function of your own "
            f"({identity.function.name}): give it again with --objective module:object or "
            "--objective file.py:object."
        )
