"""Search small, train big: a found cell in a larger network, on other data, at another resolution.

References:
    Zoph et al., Learning Transferable Architectures for Scalable Image Recognition, arXiv
        1707.07012.
    Real et al., Regularized Evolution for Image Classifier Architecture Search, arXiv 1802.01548.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from optuna_nas._ground.checks import require_options
from optuna_nas.final._candidate import Candidate, of_architecture
from optuna_nas.final._options import FinalTrainingOptions
from optuna_nas.final._train import train_candidates
from optuna_nas.scaling import ScalableCells

if TYPE_CHECKING:
    from optuna_nas.final._comparison import Comparison
    from optuna_nas.spaces import Architecture
    from optuna_nas.training import Data, Recipe, Task

__all__ = ["transfer", "transferred"]

LARGE_IMAGE = 96  # pixels from which on a stem that halves the image is chosen
SEARCHED, LARGER = "searched-size", "larger"


def transfer(
    architecture: Architecture,
    data: Data,
    *,
    searched: Mapping[str, Any],
    cells: int,
    channels: int,
    folder: str | Path,
    epochs: int,
    task: Task | None = None,
    stem: str | None = None,
    recipe: Recipe | None = None,
    origin: Mapping[str, Any] | None = None,
    **options: Unpack[FinalTrainingOptions],
) -> Comparison:
    """Train a found cell on other data, at the size of its search and larger.

    Both are trained alike and tested once; see :func:`train_candidates`.

    Example::

        from optuna_nas.final import transfer
        from optuna_nas.spaces import published
        from optuna_nas.training import load_data

        print(
            transfer(
                published.NASNET_A,
                load_data("digits", train_size=640, val_size=800, image_size=16),
                searched={"cells": 1, "channels": 4},
                cells=2,
                channels=8,
                folder="transferred",
                epochs=1,
                seeds=1,
            )
        )

    Args:
        architecture: Architecture of a cell space.
        data: Data to train on, of one image each, which says the resolution.
        searched: Build arguments of the search.
        cells: Cells of the larger network, as the space counts them.
        channels: Channels of its first stack.
        folder: For weights, model cards and the table.
        epochs: Epochs of each run.
        task: Loss, metric and direction; None: those of the data.
        stem: ``"cifar"``, ``"imagenet"`` or what else the space has; None: that of large images
            from 96 pixels on, for spaces that have several.
        recipe: How to train; its drop path is built in where the space has one.
        origin: Further facts of the cell's source to be kept.
        **options: See :class:`FinalTrainingOptions`.

    Raises:
        ValueError: If a size is out of range, or the images are smaller than the stride of the
            network.
        TypeError: If the architecture's space does not take cells and channels, the data has
            other inputs than an image, or an option is unknown.
    """
    require_options("transfer", options, FinalTrainingOptions)
    candidates = transferred(
        architecture,
        data,
        searched=searched,
        cells=cells,
        channels=channels,
        task=task,
        stem=stem,
        recipe=recipe,
        origin=origin,
    )
    return train_candidates(
        candidates,
        data,
        folder=folder,
        epochs=epochs,
        task=task,
        recipe=recipe,
        **options,
    )


def transferred(
    architecture: Architecture,
    data: Data,
    *,
    searched: Mapping[str, Any],
    cells: int,
    channels: int,
    task: Task | None = None,
    stem: str | None = None,
    recipe: Recipe | None = None,
    origin: Mapping[str, Any] | None = None,
) -> list[Candidate]:
    """Return the two candidates of :func:`transfer`, without training them."""
    takes = architecture.space.build_arguments
    missing = sorted({"cells", "channels"} - takes.keys())
    if missing:
        raise TypeError(
            f"`architecture` must be of a cell space, whose networks have cells and channels, but "
            f"{architecture.space} takes {sorted(takes)}."
        )
    pixels = _pixels(data)
    stem_chosen = _stem(pixels) if stem is None else stem
    common: dict[str, Any] = {"stem": stem_chosen} if "stem" in takes else {}
    if stem is not None and not common:
        raise TypeError(
            f"`stem` must be left out for {architecture.space}, which has one only, but got "
            f"stem={stem!r}."
        )
    small = {name: searched.get(name, takes[name]) for name in ("cells", "channels")}
    sizes = {SEARCHED: small, LARGER: {"cells": cells, "channels": channels}}
    if sizes[SEARCHED] == sizes[LARGER]:
        sizes.pop(SEARCHED)
    for size in sizes.values():  # says what is wrong before anything is trained
        ScalableCells(
            architecture=architecture,
            resolution=pixels,
            build_arguments=common,
            **size,
        )
    return [
        of_architecture(
            architecture,
            data,
            name=name,
            task=task,
            build={**size, **common},
            recipe=recipe,
            origin=origin,
        )
        for name, size in sizes.items()
    ]


def _pixels(data: Data) -> int:
    """Return the smaller side of an image."""
    inputs = data.inputs
    if not inputs.single or len(inputs.input_size) != 3:
        raise TypeError(
            "`data` must be of one image each, of channels, height and width, which networks of "
            f"cells take, but the inputs of {data.name!r} are {inputs}."
        )
    return min(inputs.input_size[1:])


def _stem(pixels: int) -> str:
    return "imagenet" if pixels >= LARGE_IMAGE else "cifar"
