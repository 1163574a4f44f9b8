"""Data that are no tensors, or do not fit together: each error names the place and a way out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from frames import Frame, Series

from optuna_nas.training import Task, TensorData

TABLE, NUMBERS = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20.0)
NAN = TABLE.copy()
NAN[7, 2] = np.nan
PICTURES = np.zeros((20, 2, 3, 4))
PICTURES[5, 1, 2, 3] = np.inf
LABELS = np.arange(20) % 4


@pytest.mark.parametrize(
    ("train", "options", "error", "message"),
    [
        (TABLE, {}, TypeError, r"`train` must be a pair \(inputs, targets\), but got array"),
        ((TABLE, TABLE, NUMBERS), {}, TypeError, "but got 3 parts: several inputs .* tuple"),
        ((TABLE, NUMBERS[:-1]), {}, ValueError, r"one target per example.*\(20, 3\).*\(19,\)"),
        (((TABLE, TABLE[:9]), NUMBERS), {}, ValueError, r"one target per .*\(20, 3\), \(9, 3\)"),
        ((NAN, NUMBERS), {}, ValueError, "`train` inputs must be finite.*row 7, column 2 is nan"),
        ((TABLE, NAN[:, 2]), {}, ValueError, "`train` targets must be finite.* row 7 is nan"),
        ((PICTURES, NUMBERS), {}, ValueError, r"index \(5, 1, 2, 3\) is inf"),
        ((TABLE * 1e300, NUMBERS), {}, ValueError, "must be finite float32 numbers"),
        (
            ({"a": TABLE, "b": NAN}, NUMBERS),
            {},
            ValueError,
            "`train` inputs 'b' must be .* row 7, column 2",
        ),
        (({"a b": TABLE}, NUMBERS), {}, ValueError, "names of arguments, but one is 'a b'"),
        (((), NUMBERS), {}, ValueError, "`train` inputs must be at least one array"),
        ((TABLE[:0], NUMBERS[:0]), {}, ValueError, "at least one example"),
        ((3.0, NUMBERS), {}, ValueError, "at least one example"),
        ((TABLE + 1j, NUMBERS), {}, TypeError, "real numbers or truth values, but are complex128"),
        ((torch.ones(20, 3) + 1j, NUMBERS), {}, TypeError, "but are torch.complex64"),
        ((TABLE.astype("datetime64[s]"), NUMBERS), {}, TypeError, "but are datetime64"),
        ((TABLE.astype(str), NUMBERS), {}, TypeError, "`train` inputs must be .* but are text"),
        ((np.array([object()] * 20), NUMBERS), {}, TypeError, "but are object"),
        (([[1.0, 2.0], [3.0]], [1, 2]), {}, ValueError, "rows have the same length.*pad or cut"),
        (
            (np.array([1.0, None] * 10, dtype=object), NUMBERS),
            {},
            ValueError,
            "no missing values, but that at 1 is",
        ),
        ((np.full(20, 2**63, np.uint64), NUMBERS), {}, ValueError, "make them floats"),
        (
            (TABLE, ["a", None] * 10),
            {},
            ValueError,
            "must all be texts, but that in row 1 is None",
        ),
        ((TABLE, NUMBERS), {"val": (TABLE[:, :2], NUMBERS)}, ValueError, "`val` inputs must have"),
        (
            (TABLE, NUMBERS),
            {"test": (TABLE, LABELS)},
            ValueError,
            "`test` targets must have .*int64",
        ),
        ((TABLE, NUMBERS), {"val": ((TABLE,), NUMBERS)}, ValueError, "`val` inputs must have the"),
        (
            (TABLE, ["a", "b"] * 10),
            {"val": (TABLE, ["a", "c"] * 10)},
            ValueError,
            r"among the classes of `train`, \['a', 'b'\], but that in row 1 is 'c'",
        ),
        ((TABLE, LABELS), {"classes": ["a", "b"]}, ValueError, "lie in 0..1 for 2 `classes`"),
        ((TABLE, NUMBERS), {"train_size": 30}, ValueError, "at most the 20 examples that 'own'"),
        ((TABLE, NUMBERS), {"split_seed": -1}, ValueError, "`split_seed` must lie in"),
        ((TABLE, NUMBERS), {"standardise": 1}, ValueError, "`standardise` must be True or False"),
        (
            (TABLE.astype(int), NUMBERS),
            {"standardise": True},
            ValueError,
            r"`standardise` needs inputs of floats .* are 3:int64: pass standardise=False",
        ),
        (
            (TABLE, NUMBERS),
            {"stratify": True},
            ValueError,
            "`stratify` needs targets that are int",
        ),
    ],
)
def test_what_is_refused(train: Any, options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        TensorData("own", train, **options)


@pytest.mark.parametrize(
    ("task", "targets", "message"),
    [
        (
            Task.classification(),
            NUMBERS,
            r"integers or texts of shape \(N,\).*not float32 \(20,\)",
        ),
        (Task.classification(), LABELS[:, None], r"not int64 \(20, 1\)"),
        (Task.classification(), LABELS - 1, "one class for each example, numbered from 0"),
        (Task.classification(), {"a": LABELS}, "not several arrays"),
        (Task.multilabel(), LABELS, r"0 or 1 for each label, of shape \(N, K\)"),
        (Task.multilabel(), np.stack([LABELS, LABELS], 1), "0 or 1 for each label"),
        (Task.segmentation(), LABELS, r"integers of shape \(N, H, W\)"),
        (Task.next_token(), LABELS, r"integers of shape \(N, T\)"),
    ],
)
def test_targets_that_do_not_fit_the_task(task: Task, targets: Any, message: str) -> None:
    with pytest.raises(
        ValueError, match=f"`train` targets of task '{task.name}' must be .*{message}"
    ):
        TensorData("own", (TABLE, targets), task=task)


def test_a_name_is_a_text() -> None:
    with pytest.raises(TypeError, match="`name` must be a text that names the data"):
        TensorData(TABLE, (TABLE, NUMBERS))  # type: ignore[arg-type]


def _frame(**changes: Any) -> Frame:
    columns = {"age": np.arange(20), "size": TABLE[:, 0], "old": LABELS > 2, **changes}
    return Frame({name: column for name, column in columns.items() if column is not None})


def test_frames_are_tables_of_floats() -> None:
    data = TensorData("own", (_frame(), Series(NUMBERS)), task=Task.regression())
    assert data.columns == ("age", "size", "old")
    assert data.build_arguments == {"in_features": 3}
    assert data.train.inputs.dtype == torch.float32  # type: ignore[union-attr]
    for row, target in zip(data.train.inputs, data.train.targets, strict=True):  # type: ignore[arg-type]
        place = int(target)
        assert row.tolist() == pytest.approx([place, TABLE[place, 0], float(LABELS[place] > 2)])
    only = TensorData("own", (_frame(), Frame({"y": NUMBERS})))
    assert tuple(only.train.targets.shape) == (12, 1)  # type: ignore[union-attr]
    assert TensorData("own", (_frame(), Frame({"y": ["a", "b"] * 10}))).classes == ("a", "b")


@pytest.mark.parametrize(
    ("inputs", "options", "error", "message"),
    [
        (
            _frame(city=["a", "b"] * 10, kind=np.array(["x", None] * 10, dtype=object)),
            {},
            TypeError,
            "the columns 'city', 'kind' hold text: encode them, such as with pandas.get_dummies",
        ),
        (_frame(size=NAN[:, 2]), {}, ValueError, r"row 7, column 1 \('size'\) is nan"),
        (_frame(age=[1, None] * 10), {}, ValueError, "in column 'age' must have no missing"),
        (
            _frame(),
            {"val": (_frame(old=None, young=LABELS > 2), NUMBERS)},
            ValueError,
            "`val` inputs must have the columns of `train` in their order.*'young'",
        ),
        (Frame({"a": NUMBERS}, names=["a", "a"]), {}, ValueError, "'a' stands there twice"),
        (Frame({}), {}, ValueError, "at least one example"),
    ],
)
def test_frames_that_are_refused(
    inputs: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        TensorData("own", (inputs, NUMBERS), **options)


def test_sparse_matrices_are_to_be_made_dense() -> None:
    from scipy import sparse

    with pytest.raises(TypeError, match=r"must be a dense array.*pass .toarray\(\)"):
        TensorData("own", (sparse.csr_matrix(TABLE), NUMBERS))


def test_frames_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"age": np.arange(20), "size": TABLE[:, 0]})
    kinds = pandas.Series(["a", "b"] * 10, dtype="category")
    data = TensorData("own", (frame, kinds))
    assert (data.columns, data.classes) == (("age", "size"), ("a", "b"))
    frame["age"] = pandas.array([1, None] * 10, dtype="Int64")
    with pytest.raises(ValueError, match="'age'"):
        TensorData("own", (frame, NUMBERS))
