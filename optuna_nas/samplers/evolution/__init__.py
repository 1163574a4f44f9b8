"""Children of good trials: mutation, crossover, lineage, and regularized evolution itself."""

from optuna_nas.samplers.evolution._evolution import RegularizedEvolutionSampler
from optuna_nas.samplers.evolution._lineage import parents_of

__all__ = ["RegularizedEvolutionSampler", "parents_of"]
