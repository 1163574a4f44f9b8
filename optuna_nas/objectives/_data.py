"""Images that an objective evaluates networks on."""

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
            "`data` must have validation images, by which a search compares networks, but those "
            f"of {images.name!r} are none: merged data are for final training only."
        )
    return images
