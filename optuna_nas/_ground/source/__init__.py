"""Identity of a user's code, by which changed code is told apart."""

from optuna_nas._ground.source._source import hash_of_source

__all__ = ["hash_of_source"]
