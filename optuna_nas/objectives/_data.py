"""Data that an objective evaluates networks on."""

from __future__ import annotations

from optuna_nas._ground.checks import shown
from optuna_nas.training import Data, ImageData, load_data

__all__ = ["data_of", "images_of"]


def data_of(data: str | Data) -> Data:
    """Load what is only named.

    Raises:
        TypeError: If it is neither data nor a name.
        ValueError: If there is nothing to validate with, or :func:`load_data` raises it.
    """
    found = load_data(data) if isinstance(data, str) else data
    if not isinstance(found, Data):
        raise TypeError(
            '`data` must be a name such as "digits", an ImageData, a TensorData or a LoaderData, '
            f'but got {shown(data)}: tensors and arrays go into TensorData("name", '
            "train=(inputs, targets))."
        )
    if len(found.val) == 0:
        raise ValueError(
            f"`data` must have validation {found.noun}, by which a search compares networks, but "
            f"those of {found.name!r} are none: merged data are for final training only."
        )
    return found


def images_of(data: str | Data) -> ImageData:
    """Load images, for networks whose resolution is scaled.

    Raises:
        TypeError: If they are no images.
        ValueError: As for :func:`data_of`.
    """
    found = data_of(data)
    if not isinstance(found, ImageData):
        raise TypeError(
            f"`data` must be an ImageData, whose resolution can be scaled, but {found.name!r} is "
            f"a {type(found).__name__}."
        )
    return found
