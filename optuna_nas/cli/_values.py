"""Options that belong together, as one value: one argument of a command in place of several."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from optuna_nas.objectives.identity import DataIdentity
    from optuna_nas.training import Data, ImageData, Recipe

__all__ = ["DataChoice", "FinalTraining", "collected"]

F = TypeVar("F", bound=Callable[..., Any])


def collected(name: str, cls: type[Any]) -> Callable[[F], F]:
    """Decorator that hands a command one value instead of the options that are its fields.

    It stands above those options, since click hands on what the decorators below have declared.

    Args:
        name: Argument of the command.
        cls: Dataclass; an option that the command has not keeps the field's default.
    """
    names = [field.name for field in dataclasses.fields(cls)]

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def called(**options: Any) -> Any:
            value = cls(**{field: options.pop(field) for field in names if field in options})
            return function(**{name: value}, **options)

        return called  # type: ignore[return-value]

    return decorate


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataChoice:
    """Data that a command works on, as its options name them; None: as by default.

    Args:
        data: Name for :func:`optuna_nas.training.load_data`.
        data_root: Folder in which downloaded files are kept.
        download: Whether missing data may be downloaded.
        target: Column of a file that is predicted.
        task: "regression" or "classification" of that column.
        train_size: Number of examples to train with.
        val_size: Number of examples to validate with.
        image_size: Height and width of images in pixels.
        split_seed: Seed of the splits.
    """

    data: str | None = None
    data_root: Path | None = None
    download: bool = False
    target: str | None = None
    task: str | None = None
    train_size: int | None = None
    val_size: int | None = None
    image_size: int | None = None
    split_seed: int | None = None

    def load(self, kept: DataIdentity | None = None) -> Data:
        """Load the data: as given, else as a study keeps them.

        Args:
            kept: What the study keeps; None: it is a new one.

        Raises:
            click.UsageError: If neither names any.
        """
        from optuna_nas.training import load_data

        name = self.data or (None if kept is None else kept.name)
        if name is None:
            raise click.UsageError("a new study needs --data, such as --data digits")
        arguments = {} if kept is None else kept.arguments
        given = ("train_size", "val_size", "image_size", "split_seed", "target", "task")
        arguments |= {key: getattr(self, key) for key in given if getattr(self, key) is not None}
        loaded: Data = load_data(name, root=self.data_root, download=self.download, **arguments)
        return loaded

    def load_images(self) -> ImageData:
        """Load the data for a command that is for images alone.

        Raises:
            click.UsageError: If they are others, or none.
        """
        from optuna_nas.training import ImageData

        loaded = self.load()
        if not isinstance(loaded, ImageData):
            raise click.UsageError(
                f"--data must name images for this command, such as cifar10 or folder:PATH, but "
                f"{loaded.name} are none"
            )
        return loaded


@dataclasses.dataclass(frozen=True, kw_only=True)
class FinalTraining:
    """Final training of networks, as the options of ``train`` and ``transfer`` say it.

    Args:
        seeds: Number of runs of each network.
        epochs: Number of epochs of a run; None: as the published recipe has it.
        published_recipe: Name of a paper's recipe; None: that of the search.
        recipe: Changes of the recipe.
    """

    seeds: int
    epochs: int | None
    published_recipe: str | None
    recipe: Mapping[str, Any]

    @property
    def length(self) -> int:
        """Number of epochs: as given, or as the paper has it.

        Raises:
            click.UsageError: If neither says it.
        """
        from optuna_nas.training import recipes

        published = self.published_recipe
        known = None if published is None else recipes.published_epochs(published)
        length = known if self.epochs is None else self.epochs
        if length is None:
            raise click.UsageError("give --epochs, or a --published-recipe that says how many")
        return length

    def changed_recipe(self, data: Data) -> Recipe | Mapping[str, Any]:
        """The paper's recipe with the changes; else only the changes, of what the search did.

        Args:
            data: Data of the training, for which the paper's recipe may have more than is of use.
        """
        from optuna_nas.training import recipes

        if self.published_recipe is None:
            return self.recipe
        published = data.suited(recipes.by_name(self.published_recipe))
        return dataclasses.replace(published, **self.recipe)
