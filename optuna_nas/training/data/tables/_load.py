"""Tables by name: those of scikit-learn, and files of comma separated values.

References:
    Efron et al., Least Angle Regression, 2004 (diabetes).
    Street et al., Nuclear feature extraction for breast tumor diagnosis, 1993 (breast-cancer).
    Aeberhard et al., Comparison of classifiers in high dimensional settings, 1992 (wine).
    Fisher, The use of multiple measurements in taxonomic problems, 1936 (iris).
    Pace and Barry, Sparse spatial autoregressions, 1997 (california).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from optuna_nas.training.data._partition import partition
from optuna_nas.training.data.tables._csv import read_csv
from optuna_nas.training.data.tables._encode import encoded
from optuna_nas.training.data.tables._target import target_of
from optuna_nas.training.data.tensors import TensorData, TensorSplit
from optuna_nas.training.task import Task

__all__ = ["TABLES", "load_csv", "load_table"]

TABLES: Mapping[str, str] = {
    "breast-cancer": "load_breast_cancer",
    "california": "fetch_california_housing",
    "diabetes": "load_diabetes",
    "digits-table": "load_digits",
    "iris": "load_iris",
    "wine": "load_wine",
}
"""Name of each function of ``sklearn.datasets``."""


def load_table(
    name: str,
    sizes: Mapping[str, int | None],
    split_seed: int,
    *,
    root: Path | None,
    download: bool,
) -> TensorData:
    """Return one of scikit-learn's tables, with standardised columns.

    Args:
        name: One of ``TABLES``.
        sizes: Rows wanted under "train", "val" and "test".
        split_seed: Chooses the splits.
        root: Folder of files that were downloaded; None: scikit-learn's own.
        download: Whether scikit-learn may download what is missing.

    Raises:
        FileNotFoundError: If the files are missing and may not, or cannot, be downloaded.
        ValueError: If the sizes ask for too many.
    """
    from sklearn import datasets

    load = getattr(datasets, TABLES[name])
    options: dict[str, Any] = {}
    if TABLES[name].startswith("fetch"):
        options = {"data_home": root, "download_if_missing": download}
    try:
        found = load(**options)
    except OSError as e:
        way_out = "" if download else ": allow the download (download=True, --download)"
        state = "could not be downloaded" if download else "are missing"
        raise FileNotFoundError(f"The files of {name!r} {state} ({e}){way_out}.") from e
    classes = getattr(found, "target_names", None)
    is_class = found.target.dtype.kind in "iu"
    data = TensorData(
        name,
        (found.data, found.target),
        task=Task.classification() if is_class else Task.regression(),
        standardise=True,
        split_seed=split_seed,
        train_size=sizes["train"],
        val_size=sizes["val"],
        test_size=sizes["test"],
        classes=[*map(str, classes)] if is_class and classes is not None else None,
    )
    data.columns = tuple(map(str, found.feature_names))
    return data


def load_csv(
    name: str,
    path: Path,
    target: str | None,
    task: str | None,
    sizes: Mapping[str, int | None],
    split_seed: int,
) -> TensorData:
    """Return the table of a file, with standardised columns.

    Args:
        name: Name of the data.
        path: The file; see :func:`read_csv`.
        target: See :func:`target_of`.
        task: See :func:`target_of`.
        sizes: Rows wanted under "train", "val" and "test".
        split_seed: Chooses the splits.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read, or the sizes ask for too many.
    """
    table = read_csv(path)
    found = target_of(table, target, task)
    # What is imputed and which texts there are must not be told by val and test: rows are split
    # before they are encoded.
    rows = _rows(name, found.values if found.classes else None, len(table), sizes, split_seed)
    features, columns = encoded(table.without(found.columns), rows["train"])
    pairs = {part: (features[at], found.values[at]) for part, at in rows.items()}
    data = TensorData(
        name,
        pairs["train"],
        pairs["val"],
        pairs["test"] if len(rows["test"]) else None,
        test_size=None if len(rows["test"]) else 0,
        task=found.default_task,
        standardise=True,
        split_seed=split_seed,
        classes=found.classes,
    )
    data.columns = columns
    data.origin = {"target": ",".join(found.columns), "task": found.task}
    return data


def _rows(
    name: str,
    classes: np.ndarray | None,
    count: int,
    sizes: Mapping[str, int | None],
    seed: int,
) -> dict[str, np.ndarray]:
    """Return the positions of the rows of each part."""
    positions = torch.arange(count)
    strata = torch.zeros(count) if classes is None else torch.from_numpy(classes)
    pools: dict[str, TensorSplit | None] = {
        "train": TensorSplit(positions, strata),
        "val": None,
        "test": None,
    }

    def of_pool(pool: TensorSplit) -> np.ndarray:
        assert pool.targets is not None
        return pool.targets.to(torch.int64).numpy()

    splits: dict[str, TensorSplit] = partition(
        name, pools, sizes, seed, strata=of_pool, noun="rows"
    )
    return {part: np.asarray(split.inputs) for part, split in splits.items()}
