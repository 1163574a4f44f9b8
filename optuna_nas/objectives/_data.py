"""The images that an objective judges by."""

from __future__ import annotations

from optuna_nas.training import ImageData, load_data

__all__ = ["images_of"]


def images_of(data: str | ImageData) -> ImageData:
    """Load what is only named.

    Raises:
        ValueError: If there are no images to validate with, or :func:`load_data` raises it.
    """
    images = load_data(data) if isinstance(data, str) else data
    if len(images.val) == 0:
        raise ValueError(
            f"`data` must have validation images, which a search judges networks by, but those of "
            f"{images.name!r} are none: merged data are for final training only."
        )
    return images
