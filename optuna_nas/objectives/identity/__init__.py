"""Identity of a study, as a typed value: read, checked, recorded, and made an objective again."""

from optuna_nas.objectives.identity._metric_words import MetricWords, metric_words
from optuna_nas.objectives.identity._parts import (
    DARTSIdentity,
    DataIdentity,
    EvaluationIdentity,
    FunctionIdentity,
    ProxyIdentity,
    RewardIdentity,
    ScaledIdentity,
    SharedWeightsIdentity,
    SpaceIdentity,
)
from optuna_nas.objectives.identity._rebuilt import (
    as_field,
    ask_for,
    rebuilt,
    rebuilt_data,
    rebuilt_meter,
    rebuilt_space,
    rebuilt_task,
    subclasses,
)
from optuna_nas.objectives.identity._search_choice import LIMITS, SEARCH
from optuna_nas.objectives.identity._study_check import (
    STUDY,
    StudyCheck,
    read_identity,
    recorded_identity,
    was_refused,
)
from optuna_nas.objectives.identity._study_identity import (
    StudyIdentity,
    differences,
    recipe_from,
)

__all__ = [
    "LIMITS",
    "SEARCH",
    "DARTSIdentity",
    "DataIdentity",
    "EvaluationIdentity",
    "FunctionIdentity",
    "MetricWords",
    "ProxyIdentity",
    "RewardIdentity",
    "ScaledIdentity",
    "SharedWeightsIdentity",
    "SpaceIdentity",
    "STUDY",
    "StudyCheck",
    "StudyIdentity",
    "as_field",
    "ask_for",
    "differences",
    "metric_words",
    "read_identity",
    "rebuilt",
    "rebuilt_data",
    "rebuilt_meter",
    "rebuilt_space",
    "rebuilt_task",
    "recipe_from",
    "recorded_identity",
    "subclasses",
    "was_refused",
]
