"""What holds for every supernet: one path is the mixture whose weights are one and zero."""

from optuna_nas.testing._supernet import assert_paths_are_one_hot_mixtures, one_hot

__all__ = ["assert_paths_are_one_hot_mixtures", "one_hot"]
