"""The base of all samplers, with everything that one needs to write a sampler.

Subclass :class:`ArchitectureSampler` and define ``propose_next``.
"""

from optuna_nas._ground.keyed import KeyedGenerator
from optuna_nas.samplers.base._decisions import Assignment, Decides, Decision
from optuna_nas.samplers.base._history import History
from optuna_nas.samplers.base._members import Member
from optuna_nas.samplers.base._options import SamplerOptions, SpaceLike
from optuna_nas.samplers.base._outcomes import Outcome
from optuna_nas.samplers.base._proposal import FixedProposal, Proposal
from optuna_nas.samplers.base._roles import Roles
from optuna_nas.samplers.base._sampler import REPEAT, ArchitectureSampler

__all__ = [
    "REPEAT",
    "ArchitectureSampler",
    "Assignment",
    "Decides",
    "Decision",
    "FixedProposal",
    "History",
    "KeyedGenerator",
    "Member",
    "Outcome",
    "Proposal",
    "Roles",
    "SamplerOptions",
    "SpaceLike",
]
