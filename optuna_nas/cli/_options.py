"""Options that several commands share, and how their texts become objects."""

from __future__ import annotations

import ast
import dataclasses
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from optuna_nas.cli._code import load_own, refuse_function_of
from optuna_nas.cli._numbers import POSITIVE, SEED, SIDE
from optuna_nas.cli._values import DataChoice, collected

if TYPE_CHECKING:
    from optuna.study import Study

    from optuna_nas.objectives.trial import Direction
    from optuna_nas.spaces import SearchSpace

__all__ = [
    "STORAGE",
    "artifacts_option",
    "changes_option",
    "data_options",
    "device_option",
    "files_options",
    "find_study",
    "load_space",
    "make_study",
    "open_study",
    "place_words",
    "recipe_option",
    "recipe_option_of",
    "space_of_study",
    "space_options",
    "storage_option",
    "study_options",
    "study_options_of",
    "tell_password",
    "told_without_password",
    "training_options",
]

F = TypeVar("F", bound=Callable[..., Any])

LONGEST_VALUE = 10_000
STORAGE = "sqlite:///nas.db"


STORAGE_KEY = "optuna_nas.cli.storage"
"""Key in a command's context of what ``--storage`` says, for :func:`told_without_password`."""


def _remember(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Callback that lets errors be told without the password."""
    ctx.meta[STORAGE_KEY] = value
    return value


storage_option = click.option(
    "--storage",
    default=STORAGE,
    show_default=True,
    callback=_remember,
    help="Where the study is kept: sqlite:///FILE, journal:FILE, or a database URL.",
)


def told_without_password(ctx: click.Context, text: str) -> str:
    """A text that may quote the storage of a command, without the storage's password."""
    from optuna_nas.stores import without_password

    storage = ctx.meta.get(STORAGE_KEY)
    return text if storage is None else without_password(text, storage)


def place_words(storage: str, artifacts: Path | None = None, *, always: bool = False) -> str:
    """The options that find a storage again, for a shell; the default one only if ``always``."""
    from optuna_nas.stores import shown_storage

    is_needed = always or storage != STORAGE
    place = f" --storage {shlex.quote(shown_storage(storage))}" if is_needed else ""
    return place if artifacts is None else f"{place} --artifacts {shlex.quote(str(artifacts))}"


def tell_password(storage: str) -> None:
    """Say where the password goes in commands that were shown without it."""
    from optuna_nas.stores import shown_storage

    if shown_storage(storage) != storage:
        click.echo("(write the password of the storage in place of ***)")


def study_options_of(default: str) -> Callable[[F], F]:
    """``--storage`` and ``--study-name``, which name a study."""
    name = click.option(
        "--study-name", default=default, show_default=True, help="Name of the study."
    )

    def decorate(function: F) -> F:
        return storage_option(name(function))

    return decorate


study_options = study_options_of("nas")


artifacts_option = click.option(
    "--artifacts",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the trials' pictures; default: beside the storage's file.",
)


def key_values(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, Any]:
    """Callback that reads ``name=value`` texts; values are Python literals or plain text."""
    pairs = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise click.BadParameter(f"write name=value, not {text!r}")
        if len(value) > LONGEST_VALUE:
            raise click.BadParameter(f"{name} must have at most {LONGEST_VALUE} characters")
        try:
            pairs[name] = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            pairs[name] = value
    return pairs


def changes_option(
    name: str,
    text: str,
    *,
    default: str | None = None,
    of: Callable[[], type] | None = None,
) -> Callable[[F], F]:
    """An option that is given as NAME=VALUE, again and again.

    Args:
        name: Name of the option.
        text: Help of the option.
        default: Text of its default.
        of: Gives the dataclass whose fields can be changed; None: whatever takes them says so.
    """

    def read(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> Any:
        pairs = key_values(ctx, param, values)
        known = {field.name for field in dataclasses.fields(of())} if of and pairs else {*pairs}
        unknown = sorted(pairs.keys() - known)
        if unknown:
            raise click.BadParameter(
                f"there is no {unknown[0]!r}, only {', '.join(sorted(known))}"
            )
        return pairs

    shown = "" if default is None else f"  [default: {default}]"
    return click.option(
        name,
        multiple=True,
        callback=read,
        metavar="NAME=VALUE",
        help=f"{text}; repeatable.{shown}",
    )


def recipe_option_of(text: str) -> Callable[[F], F]:
    """``--recipe``, which changes settings of a recipe."""

    def recipe() -> type:
        from optuna_nas.training import Recipe

        return Recipe

    return changes_option("--recipe", text, of=recipe)


recipe_option = recipe_option_of("Training setting, such as lr=0.05 or batch_size=128")


def files_options(function: F) -> F:
    """``--data-root`` and ``--download``."""
    root = click.option("--data-root", type=click.Path(path_type=Path), help="Where data is kept.")
    download = click.option(
        "--download", is_flag=True, help="Allow missing data to be downloaded."
    )
    return root(download(function))


def space_options(function: F) -> F:
    """``--space`` and ``--space-setting``."""
    settings = changes_option(
        "--space-setting", "Setting of one of our spaces, such as num_layers=6"
    )
    space = click.option(
        "--space", help="A space by name (see spaces), module:object or file.py:object."
    )
    return space(settings(function))


def data_options(function: F) -> F:
    """Options of the data, which the command gets as ``dataset``, a :class:`DataChoice`."""
    options = [
        collected("dataset", DataChoice),
        click.option(
            "--data",
            help="digits, fashion-mnist, cifar10, cifar100, folder:PATH, masks:PATH; tables: "
            "diabetes, breast-cancer, wine, iris, california, digits-table, csv:PATH.",
        ),
        click.option(
            "--target", help="Column of csv:PATH that is predicted; several with commas."
        ),
        click.option(
            "--task",
            type=click.Choice(("regression", "classification")),
            help="Task of csv:PATH; default: told by the target's values.",
        ),
        click.option("--train-size", type=POSITIVE, help="Examples to train with; default: all."),
        click.option("--val-size", type=POSITIVE, help="Examples to validate with."),
        click.option(
            "--image-size",
            type=SIDE,
            help="Height and width to resize images to; default: as they are, of a folder 32.",
        ),
        click.option(
            "--split-seed",
            type=SEED,
            help="Chooses which examples are for training, validation and test.  [default: 0]",
        ),
        files_options,
    ]
    for option in reversed(options):
        function = option(function)
    return function


device_option = click.option(
    "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps."
)


def training_options(function: F) -> F:
    """Data that a network is trained on, and its limits."""
    options = [
        data_options,
        changes_option("--build", "Build argument, such as channels=8", default="the search size"),
        recipe_option,
        click.option("--max-params", type=POSITIVE, help="Upper limit on parameters."),
        click.option(
            "--max-macs", type=POSITIVE, help="Upper limit on multiply-adds per example."
        ),
        device_option,
    ]
    for option in reversed(options):
        function = option(function)
    return function


def load_space(text: str | SearchSpace, settings: Mapping[str, Any] | None = None) -> SearchSpace:
    """The space that ``--space`` names: one of ours, ``module:object`` or ``file.py:object``.

    Args:
        text: Value of ``--space``, or a space that was loaded.
        settings: Settings for one of our spaces.

    Raises:
        click.BadParameter: If there is no such space, or it does not take the settings.
    """
    from optuna_nas.spaces import SPACES, SearchSpace
    from optuna_nas.spaces.base import require_space

    if isinstance(text, SearchSpace):
        return text
    place, colon, name = text.rpartition(":")
    if not colon:
        if text not in SPACES:
            raise click.BadParameter(
                f"no space is called {text!r}; there are {', '.join(SPACES)}, or give your own as "
                "module:object or file.py:object",
                param_hint="--space",
            )
        try:
            return SPACES[text](**(settings or {}))
        except TypeError as e:
            raise click.BadParameter(f"{text}: {e}", param_hint="--space-setting") from e
    if settings:
        raise click.BadParameter(
            "a space of your own has its settings in its code", param_hint="--space-setting"
        )
    found = load_own(place, name, "--space")
    if isinstance(found, type) and issubclass(found, SearchSpace):
        found = found()
    try:
        return require_space(found)
    except TypeError as e:
        raise click.BadParameter(f"{name!r} in {place!r}: {e}", param_hint="--space") from None


def make_study(storage: str, study_name: str, *, direction: Direction = "maximize") -> Study:
    """The study of that name, made if it is missing; Optuna only speaks of errors from then on.

    Args:
        storage: Value of ``--storage``.
        study_name: Value of ``--study-name``.
        direction: Direction of a new one.
    """
    import optuna

    from optuna_nas.stores import open_storage

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna.create_study(
        storage=open_storage(storage),
        study_name=study_name,
        direction=direction,
        load_if_exists=True,
    )


def find_study(storage: str, study_name: str) -> Study | None:
    """The study of that name, None if there is none; Optuna only speaks of errors from then on."""
    import optuna

    from optuna_nas.stores import open_storage

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        return optuna.load_study(study_name=study_name, storage=open_storage(storage))
    except KeyError:
        return None


def open_study(storage: str, study_name: str) -> Study:
    """The existing study of that name.

    Raises:
        click.UsageError: If the storage has no such study.
    """
    import optuna

    from optuna_nas.stores import open_storage, shown_storage

    opened = open_storage(storage)
    try:
        return optuna.load_study(study_name=study_name, storage=opened)
    except KeyError:
        names = optuna.get_all_study_names(opened)
        known = f"it has {', '.join(map(repr, names))}" if names else "it is empty"
        shown = shown_storage(storage)
        raise click.UsageError(f"{shown} has no study {study_name!r}: {known}.") from None


def space_of_study(
    study: Study | None,
    text: str | SearchSpace | None,
    settings: Mapping[str, Any] | None = None,
) -> SearchSpace:
    """The space that a study searches: as given, or one of ours by the name in the study.

    Args:
        study: The study; None: a new one, whose space must be given.
        text: Value of ``--space``, or the space of ``--objective``.
        settings: Settings for one of our spaces, where ``--space`` names it.

    Raises:
        click.UsageError: If it must be given.
    """
    from optuna_nas.objectives import read_identity

    if text is not None:
        return load_space(text, settings)
    assert study is not None
    identity = read_identity(study)
    if identity is None:
        raise click.UsageError(
            f"The study {study.study_name!r} does not say what it searches: give --space."
        )
    if identity.space is None:
        raise click.UsageError(
            f"The study {study.study_name!r} scales a network and searches no architecture: "
            "optuna-nas scale shows it."
        )
    refuse_function_of(study, identity)
    if not identity.space.is_ours:
        raise click.UsageError(
            f"The study {study.study_name!r} searches a space of your own "
            f"({identity.space.shown_name}): give it again with --space module:object or "
            "--space file.py:object."
        )
    return identity.space.make()
