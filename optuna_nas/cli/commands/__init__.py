"""The sub-commands of ``optuna-nas``, each by standing in ``__all__`` here."""

from optuna_nas.cli.commands._best import best
from optuna_nas.cli.commands._darts import darts
from optuna_nas.cli.commands._dashboard import dashboard
from optuna_nas.cli.commands._draw import draw
from optuna_nas.cli.commands._enas import enas
from optuna_nas.cli.commands._estimate import estimate
from optuna_nas.cli.commands._export import export
from optuna_nas.cli.commands._profile import profile
from optuna_nas.cli.commands._scale import scale
from optuna_nas.cli.commands._search import search
from optuna_nas.cli.commands._spaces import spaces
from optuna_nas.cli.commands._train import train
from optuna_nas.cli.commands._transfer import transfer

__all__ = [
    "best",
    "darts",
    "dashboard",
    "draw",
    "enas",
    "estimate",
    "export",
    "profile",
    "scale",
    "search",
    "spaces",
    "train",
    "transfer",
]
