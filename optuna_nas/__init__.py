"""Neural architecture search as ordinary Optuna studies.

A *space* says what can be built, a *sampler* decides, an *objective* judges, and the Optuna
*study* is the only thing that they share. Importing this package does not import torch.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
