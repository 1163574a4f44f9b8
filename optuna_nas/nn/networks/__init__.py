"""Whole networks and what they are assembled from: cells, stems, skeletons and heads."""

from optuna_nas.nn.networks._allocation import NetworkTooLargeError, built_within_memory
from optuna_nas.nn.networks._assembly import ASSEMBLIES, Place
from optuna_nas.nn.networks._cell_network import CellNetwork, cell_network
from optuna_nas.nn.networks._chain import ConcatChain, concat_padded
from optuna_nas.nn.networks._enas_macro import ENASMacroNetwork, macro_op_parts, macro_reductions
from optuna_nas.nn.networks._errors import (
    ImageTooSmallError,
    OddSizeError,
    check_image_size,
)
from optuna_nas.nn.networks._features import (
    FeatureInfo,
    FeatureMap,
    FeatureNetwork,
    MapNetwork,
    Taps,
    head_classes,
)
from optuna_nas.nn.networks._head import AuxiliaryHead, ClassifierHead
from optuna_nas.nn.networks._mlp import (
    MLP_ACTIVATIONS,
    MLP_NORMS,
    FeatureEmbedding,
    MLPNetwork,
    TargetUnit,
    table_rows,
)
from optuna_nas.nn.networks._mnasnet import MnasNetwork
from optuna_nas.nn.networks._nasbench201 import (
    SMALLEST_IMAGE,
    NASBench201Cell,
    NASBench201Network,
    nasbench201_op,
)
from optuna_nas.nn.networks._resnet import RESNET_STEMS, ResNetBlock, ResNetwork

__all__ = [
    "ASSEMBLIES",
    "MLP_ACTIVATIONS",
    "MLP_NORMS",
    "RESNET_STEMS",
    "SMALLEST_IMAGE",
    "AuxiliaryHead",
    "CellNetwork",
    "ClassifierHead",
    "ConcatChain",
    "ENASMacroNetwork",
    "FeatureEmbedding",
    "FeatureInfo",
    "FeatureMap",
    "FeatureNetwork",
    "ImageTooSmallError",
    "MLPNetwork",
    "MapNetwork",
    "MnasNetwork",
    "NASBench201Cell",
    "NASBench201Network",
    "NetworkTooLargeError",
    "OddSizeError",
    "Place",
    "ResNetBlock",
    "ResNetwork",
    "Taps",
    "TargetUnit",
    "built_within_memory",
    "cell_network",
    "check_image_size",
    "concat_padded",
    "head_classes",
    "macro_op_parts",
    "macro_reductions",
    "nasbench201_op",
    "table_rows",
]
