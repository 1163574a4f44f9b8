"""What every sampler stands on: decisions, the study's history, and how a trial is decided."""

from optuna_nas.samplers.base._sampler import ArchitectureSampler

__all__ = ["ArchitectureSampler"]
