"""The spaces of this package by name, for JSON texts, studies and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from optuna_nas._checks import shown
from optuna_nas.spaces.base._identity import check_identity
from optuna_nas.spaces.base._space import SearchSpace
from optuna_nas.spaces.cells._amoebanet import AmoebaNetSpace
from optuna_nas.spaces.cells._darts import DARTSSpace
from optuna_nas.spaces.cells._enas_micro import ENASMicroSpace
from optuna_nas.spaces.cells._nasbench201 import NASBench201Space
from optuna_nas.spaces.cells._nasnet import NASNetSpace
from optuna_nas.spaces.cells._pnas import PNASSpace
from optuna_nas.spaces.layers._enas_macro import ENASMacroSpace
from optuna_nas.spaces.layers._mnasnet import MnasNetSpace
from optuna_nas.spaces.layers._nas_rl import NASRLSpace

__all__ = ["SPACES", "space_from_settings"]

SPACES: Mapping[str, type[SearchSpace]] = MappingProxyType(
    {
        space.name: space
        for space in (
            NASBench201Space,
            NASRLSpace,
            NASNetSpace,
            AmoebaNetSpace,
            PNASSpace,
            ENASMicroSpace,
            DARTSSpace,
            ENASMacroSpace,
            MnasNetSpace,
        )
    }
)


def space_from_settings(identity: Mapping[str, Any]) -> SearchSpace:
    """Make the space that ``space.identity`` describes.

    Args:
        identity: ``{"space": name, "version": ..., "settings": {...}}``; further keys are passed
            over. Settings that are left out have their defaults.

    Raises:
        ValueError: If the name is not one of this package, or version or settings are unknown.
    """
    check_identity(identity, "`identity`", "Give what space.identity gives.")
    name = identity["space"]
    if name not in SPACES:
        raise ValueError(
            f"`space` must be one of {sorted(SPACES)}, but got {shown(name)}: a space of your own "
            "is never imported from a name that stands in a text or a study. Give the space "
            "itself: Architecture.from_json(text, space)."
        )
    cls = SPACES[name]
    if identity["version"] != cls.version:
        raise ValueError(
            f"The settings of {name!r} have version {shown(identity['version'])}, but this "
            f"release reads version {cls.version}. Use the release of optuna-nas that wrote them."
        )
    settings = {key: _as_field(value) for key, value in identity["settings"].items()}
    try:
        return cls(**settings)
    except TypeError as error:
        raise ValueError(
            f"{name!r} does not take the settings {shown(settings)} ({error})."
        ) from error


def _as_field(value: Any) -> Any:
    return tuple(_as_field(v) for v in value) if isinstance(value, list) else value
