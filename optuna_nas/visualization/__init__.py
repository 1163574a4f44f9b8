"""Figures of studies, in the manner of ``optuna.visualization``."""

from optuna_nas.visualization._one_shot import (
    keep_figures,
    plot_alphas,
    plot_collapse,
    plot_rank_correlation,
)
from optuna_nas.visualization._scaling import plot_scaling
from optuna_nas.visualization._scaling_compound import plot_compound

__all__ = [
    "keep_figures",
    "plot_alphas",
    "plot_collapse",
    "plot_compound",
    "plot_rank_correlation",
    "plot_scaling",
]
