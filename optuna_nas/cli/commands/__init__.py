"""The sub-commands of ``optuna-nas``."""
