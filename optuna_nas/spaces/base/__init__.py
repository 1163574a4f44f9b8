"""Base of spaces, with all that one needs to write one.

A space is a subclass of :class:`SearchSpace` with a ``name`` and two hooks, ``decide`` and
``build_network``; all others have defaults. Further help:

- ``canonical``: :func:`canonical_form` spells graphs of layers alike that differ in their
  numbering only.
- ``format`` and ``encode``: :class:`Scanner` reads a text, and :func:`text_error` points at a
  place in it.
- ``graph``: returns a :class:`optuna_nas.drawing.Graph`.
- ``relax``: :func:`open_choices` lists what is left to choose. :class:`Supernet` is made from
  what the hook returns; ``alpha_layout`` says what its alphas stand for (:class:`AlphaLayout`).
- ``one_shot``: :class:`OneShotDefaults`, published settings of one-shot search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from optuna_nas.spaces.base._architecture import Architecture
from optuna_nas.spaces.base._canonical import Form, canonical_form
from optuna_nas.spaces.base._given import require_space
from optuna_nas.spaces.base._one_shot import AlphaLayout, OneShotDefaults
from optuna_nas.spaces.base._parts import arguments_to_relax
from optuna_nas.spaces.base._relaxation import Choices, open_choices
from optuna_nas.spaces.base._sampling import sample_architectures
from optuna_nas.spaces.base._space import SearchSpace
from optuna_nas.spaces.decisions import DecisionTrial, Scanner, SizeEstimate, size_of, text_error

if TYPE_CHECKING:
    from optuna_nas.spaces.base._supernet import Supernet

__all__ = [
    "AlphaLayout",
    "Architecture",
    "Choices",
    "DecisionTrial",
    "Form",
    "OneShotDefaults",
    "Scanner",
    "SearchSpace",
    "SizeEstimate",
    "Supernet",
    "arguments_to_relax",
    "canonical_form",
    "open_choices",
    "require_space",
    "sample_architectures",
    "size_of",
    "text_error",
]


def __getattr__(name: str) -> Any:
    if name != "Supernet":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from optuna_nas.spaces.base._supernet import Supernet  # imports torch

    return Supernet
