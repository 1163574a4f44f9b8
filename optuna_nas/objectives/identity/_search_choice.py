"""Settings that a search chose besides its identity, as a study keeps them."""

from __future__ import annotations

from optuna_nas._ground.attributes import (
    Attribute,
    fields,
    integer,
    json_value,
    number,
    optional,
    text,
)
from optuna_nas.keys import SEARCH_KEY

__all__ = ["LIMITS", "SEARCH"]

LIMITS = ("max_params", "max_macs", "max_latency_ms")
"""Options of an objective that a search keeps though values do not depend on them."""

SEARCH = Attribute(
    SEARCH_KEY,
    fields(
        {},
        {
            "sampler": optional(text()),
            "pruner": text(),
            "seed": integer(),
            **dict.fromkeys(LIMITS, optional(number())),
        },
        others=json_value,
    ),
)
"""Sampler, pruner, seed and limits; one-shot searches keep settings of their own in it, too."""
