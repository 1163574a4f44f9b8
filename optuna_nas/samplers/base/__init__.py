"""What every sampler stands on: decisions, the study's history, and how a trial is decided."""

from optuna_nas.samplers.base._sampler import REPEAT_KEY, ArchitectureSampler

__all__ = ["REPEAT_KEY", "ArchitectureSampler"]
