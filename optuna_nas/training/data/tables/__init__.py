"""Tables of scikit-learn and of files."""

from optuna_nas.training.data.tables._load import TABLES, load_csv, load_table

__all__ = ["TABLES", "load_csv", "load_table"]
