"""Files and storages that survive crashes: atomic, checked, no pickle.

Whatever a search leaves on a disk goes through this package: the Optuna storage that several
processes share, the folder of its artifacts, and single files that are either whole or absent.
It does not import torch.
"""

from optuna_nas._ground.atomic import write_atomically
from optuna_nas.stores._artifacts import AtomicArtifactStore
from optuna_nas.stores._checked import (
    DamagedFileError,
    read_checked,
    sealed,
    unsealed,
    write_checked,
)
from optuna_nas.stores._failures import explained
from optuna_nas.stores._file_names import file_name
from optuna_nas.stores._location import artifact_directory, shown_storage, without_password
from optuna_nas.stores._optimize import optimize
from optuna_nas.stores._storage import open_storage

__all__ = [
    "AtomicArtifactStore",
    "DamagedFileError",
    "artifact_directory",
    "explained",
    "file_name",
    "open_storage",
    "optimize",
    "read_checked",
    "sealed",
    "shown_storage",
    "unsealed",
    "without_password",
    "write_atomically",
    "write_checked",
]
