"""Columns of a table as numbers, by what its training rows say: imputed, and one-hot.

Letters: ``N`` rows, ``F`` features.
"""

from __future__ import annotations

import numpy as np

from optuna_nas.training.data.tables._csv import Table

__all__ = ["encoded"]

_MOST_TEXTS = 1_000


def encoded(table: Table, rows: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the features (N, F) of all rows as float32, and their names.

    A number that is missing becomes the median of its column; a column of texts becomes one of 0
    and 1 for each of them, a missing one counting as a text. Median and texts are those of the
    training rows; a text that they have not is 0 in all its columns.

    Args:
        table: Without its target.
        rows: Positions of the training rows.

    Raises:
        ValueError: If a column has too many different texts.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder

    parts: list[np.ndarray] = []
    names: list[str] = []
    if table.numbers:
        numbers = np.stack([*table.numbers.values()], axis=1)
        imputer = SimpleImputer(strategy="median", keep_empty_features=True)
        parts.append(imputer.fit(numbers[rows]).transform(numbers))
        names += table.numbers
    if table.texts:
        _require_few(table)
        texts = np.stack([column.astype(object) for column in table.texts.values()], axis=1)
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32)
        parts.append(encoder.fit(texts[rows]).transform(texts))
        names += encoder.get_feature_names_out([*table.texts]).tolist()
    return np.concatenate(parts, axis=1).astype(np.float32), tuple(names)


def _require_few(table: Table) -> None:
    for name, column in table.texts.items():
        different = len(np.unique(column))
        if different > _MOST_TEXTS:
            raise ValueError(
                f"A column of texts must have at most {_MOST_TEXTS:,} different ones, but "
                f"{name!r} of {table.file!r} has {different:,}: delete it, or make numbers of it."
            )
