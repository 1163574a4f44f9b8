"""A finished network in forms that need nothing of this package: code, ONNX, torch.export."""

from optuna_nas.export._code import model_code
from optuna_nas.export._export import Exported, export
from optuna_nas.export._runs import module_from_code
from optuna_nas.export._text import UnwritableError

__all__ = ["Exported", "UnwritableError", "export", "model_code", "module_from_code"]
