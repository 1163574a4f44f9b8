"""Decisions of a space: their values, how many there are, and how they are written."""

from optuna_nas.spaces.decisions._decisions import (
    DecisionTrial,
    DepthDistribution,
    FixedParams,
    LiveTrial,
    RandomChoices,
    Source,
)
from optuna_nas.spaces.decisions._enumeration import SizeEstimate, count_leaves, estimate_leaves
from optuna_nas.spaces.decisions._nested import NestedTrial
from optuna_nas.spaces.decisions._notation import draw_decisions, read_decisions, write_decisions
from optuna_nas.spaces.decisions._probing import Probe, first_decisions, name_pattern, probe
from optuna_nas.spaces.decisions._sizes import size_of
from optuna_nas.spaces.decisions._text import Scanner, text_error
from optuna_nas.spaces.decisions._values import checked_value

__all__ = [
    "DecisionTrial",
    "DepthDistribution",
    "FixedParams",
    "LiveTrial",
    "NestedTrial",
    "Probe",
    "RandomChoices",
    "Scanner",
    "SizeEstimate",
    "Source",
    "checked_value",
    "count_leaves",
    "draw_decisions",
    "estimate_leaves",
    "first_decisions",
    "name_pattern",
    "probe",
    "read_decisions",
    "size_of",
    "text_error",
    "write_decisions",
]
