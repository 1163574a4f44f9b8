"""Tables in files of comma separated values: numbers, texts and missing values by column.

Letters: ``N`` rows.
"""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from optuna_nas._ground.checks import shown

__all__ = ["Table", "read_csv"]

_MAX_BYTES = 2**30
_MAX_COLUMNS = 10_000
_DELIMITERS = ",;\t"
_MISSING = {"", "na", "n/a", "nan", "null", "none", "?"}


@dataclasses.dataclass(frozen=True)
class Table:
    """Columns of a file.

    Attributes:
        file: Name of the file, for messages.
        numbers: Columns of numbers (N,) by name, float64; NaN where one is missing.
        texts: Columns of texts (N,) by name; "" where one is missing.
        lines: Line of the file in which each of N rows ends.
    """

    file: str
    numbers: dict[str, np.ndarray]
    texts: dict[str, np.ndarray]
    lines: list[int]

    @property
    def names(self) -> list[str]:
        """Names of all columns."""
        return [*self.numbers, *self.texts]

    def __len__(self) -> int:
        return len(self.lines)

    def without(self, names: list[str]) -> Table:
        """Return the table with fewer columns."""
        numbers = {name: column for name, column in self.numbers.items() if name not in names}
        texts = {name: column for name, column in self.texts.items() if name not in names}
        return dataclasses.replace(self, numbers=numbers, texts=texts)


def read_csv(path: Path) -> Table:
    """Read a file whose first line names the columns.

    Fields are parted by whichever of comma, semicolon and tab is the most frequent in the first
    line. Missing are empty fields and NA, N/A, NaN, null, None and ?. A column whose other fields
    are all numbers is one of numbers, else one of texts.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is too large, no text, ragged, or has no rows.
    """
    if not path.is_file():
        raise FileNotFoundError(f"The file of csv:PATH must exist, but {str(path)!r} does not.")
    size = path.stat().st_size
    if size > _MAX_BYTES:
        raise ValueError(
            f"A file of csv:PATH must have at most {_MAX_BYTES / 2**30:g} GiB, but {str(path)!r} "
            f"has {size / 2**30:.3g}: read it yourself, and pass TensorData(...)."
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max(_DELIMITERS, key=first.count)
            names, rows, lines = _rows(csv.reader(file, delimiter=delimiter), path)
    except (csv.Error, UnicodeDecodeError) as e:
        raise ValueError(
            f"A file of csv:PATH must be text in UTF-8, but {str(path)!r} is not ({e}): save it "
            "as such."
        ) from e
    numbers, texts = {}, {}
    for name, fields in zip(names, zip(*rows, strict=True), strict=True):
        found = _numbers(fields, name, lines, path)
        if found is None:
            texts[name] = np.array(["" if _is_missing(field) else field for field in fields])
        else:
            numbers[name] = found
    return Table(str(path), numbers, texts, lines)


def _rows(reader: Iterator[list[str]], path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """Return the names of the columns, the fields of each row, and the rows' lines."""
    names = [name.strip() for name in next(reader, [])]
    if not any(names) or len(names) > _MAX_COLUMNS:
        raise ValueError(
            f"A file of csv:PATH must name 1 to {_MAX_COLUMNS} columns in its first line, but "
            f"{str(path)!r} names {len(names) if any(names) else 'none'}."
        )
    for number, name in enumerate(names):
        if not name or name in names[:number]:
            raise ValueError(
                f"A file of csv:PATH must name its columns differently in its first line, but "
                f"column {number + 1} of {str(path)!r} is called {shown(name)}: rename it."
            )
    rows, lines = [], []
    for row in reader:
        if not row:
            continue  # an empty line
        line: int = reader.line_num  # type: ignore[attr-defined]
        if len(row) != len(names):
            raise ValueError(
                f"A file of csv:PATH must have as many fields in each line as columns, "
                f"{len(names)}, but line {line} of {str(path)!r} has {len(row)}: correct it, "
                "with quotes around texts that hold the separator."
            )
        rows.append([field.strip() for field in row])
        lines.append(line)
    if not rows:
        raise ValueError(f"A file of csv:PATH must have rows, but {str(path)!r} has none.")
    return names, rows, lines


def _numbers(
    fields: tuple[str, ...], name: str, lines: list[int], path: Path
) -> np.ndarray | None:
    """Return a column of numbers, NaN where one is missing; None if there are other texts."""
    found = np.full(len(fields), math.nan)
    for row, field in enumerate(fields):
        if _is_missing(field):
            continue
        try:
            found[row] = float(field)
        except ValueError:
            return None
        if not math.isfinite(found[row]):
            raise ValueError(
                f"Numbers of csv:PATH must be finite, but column {name!r} in line {lines[row]} "
                f"of {str(path)!r} is {field}: leave the field empty if it is unknown."
            )
    if np.isnan(found).all():
        raise ValueError(
            f"Every column of csv:PATH must have values, but {name!r} of {str(path)!r} has "
            "none: delete it."
        )
    return found


def _is_missing(field: str) -> bool:
    return field.lower() in _MISSING
