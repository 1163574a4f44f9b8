"""The papers' networks by name, each a point of its own space.

Example::

    from optuna_nas.spaces import published

    model = published.NASBENCH201_RESNET.build(num_classes=10)
    published.NAS_RL_V1.enqueue(study)  # a study on NASRLSpace(num_layers=15)
    published.NASNET_A.enqueue(study)  # a study on published.NASNET_A.space
"""

from optuna_nas.spaces.published._amoebanet import AMOEBANET_A, AMOEBANET_D
from optuna_nas.spaces.published._darts import DARTS_V1, DARTS_V2
from optuna_nas.spaces.published._enas import ENAS_MACRO, ENAS_MICRO
from optuna_nas.spaces.published._mnasnet import MNASNET_A1, MNASNET_B1, MNASNET_SMALL
from optuna_nas.spaces.published._nas_rl import NAS_RL_V1
from optuna_nas.spaces.published._nasbench201 import NASBENCH201_RESNET
from optuna_nas.spaces.published._nasnet import NASNET_A
from optuna_nas.spaces.published._pnasnet import PNASNET_5

__all__ = [
    "AMOEBANET_A",
    "AMOEBANET_D",
    "DARTS_V1",
    "DARTS_V2",
    "ENAS_MACRO",
    "ENAS_MICRO",
    "MNASNET_A1",
    "MNASNET_B1",
    "MNASNET_SMALL",
    "NASBENCH201_RESNET",
    "NASNET_A",
    "NAS_RL_V1",
    "PNASNET_5",
]
