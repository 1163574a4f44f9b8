"""Writing a trial's plan to the storage: claims that other workers see, and notes on the trial."""

from __future__ import annotations

from typing import TYPE_CHECKING

from optuna_nas._ground import optuna_seam as seam
from optuna_nas.keys import DECISIONS_KEY

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from optuna_nas.samplers.base._plan import TrialPlan
    from optuna_nas.samplers.base._replay import StudyReplay

__all__ = ["claim", "record"]


def claim(study: Study, trial: FrozenTrial, replay: StudyReplay, plan: TrialPlan) -> bool:
    """Claim a plan's decisions; False if another running trial claims the same.

    Workers write a claim first and read the study afterwards, so of two with equal claims at
    least one sees the other and draws anew, and what others have done meanwhile is seen too.
    """
    replay.claim(trial.number, plan.sequence)
    if seam.in_one_process(study):
        return True
    seam.set_trial_attribute(study, trial, DECISIONS_KEY, plan.params)
    seam.read_afresh(study)
    replay.refresh(study)
    if plan.proposal.repeats:
        taken = replay.is_running(plan.sequence, besides=trial.number)
    else:
        taken = plan.unseen and replay.knows(plan.assignments, besides=trial.number)
    if not taken:
        return True
    replay.release(trial.number)
    return False


def record(study: Study, trial: FrozenTrial, plan: TrialPlan) -> None:
    """Write the attributes of the plan's proposal."""
    for key, value in plan.proposal.attributes().items():
        seam.set_trial_attribute(study, trial, key, value)
