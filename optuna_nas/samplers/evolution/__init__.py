"""Children of good trials: mutation, crossover, lineage, and regularized evolution itself."""

from optuna_nas.samplers.evolution._evolution import RegularizedEvolutionSampler
from optuna_nas.samplers.evolution._lineage import LINEAGE_KEY, parents_of

__all__ = ["LINEAGE_KEY", "RegularizedEvolutionSampler", "parents_of"]
