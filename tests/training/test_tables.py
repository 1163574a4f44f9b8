"""Tables by name: scikit-learn's, and files of comma separated values."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import datasets

from optuna_nas.training import Task, TensorData, load_data

HOUSES = """price,rooms,city,old
100.5,3,Rome,yes
200.5,4,Oslo,no
150.5,,Rome,no
"""


def _rows(name: str) -> TensorData:
    data = load_data(name)
    assert isinstance(data, TensorData)
    return data


def _all(data: TensorData) -> tuple[torch.Tensor, torch.Tensor]:
    splits = (data.train, data.val, data.test)
    return (
        torch.cat([split.inputs for split in splits]),  # type: ignore[misc]
        torch.cat([split.targets for split in splits]),  # type: ignore[misc]
    )


@pytest.mark.parametrize(
    ("name", "load", "task", "classes"),
    [
        ("diabetes", datasets.load_diabetes, Task.regression(), None),
        ("breast-cancer", datasets.load_breast_cancer, Task.classification(), 2),
        ("wine", datasets.load_wine, Task.classification(), 3),
        ("iris", datasets.load_iris, Task.classification(), 3),
        ("digits-table", datasets.load_digits, Task.classification(), 10),
    ],
)
def test_scikit_learns_tables(name: str, load: Any, task: Task, classes: int | None) -> None:
    data, whole = _rows(name), load()
    assert (data.default_task, data.num_classes) == (task, classes)
    assert data.columns == tuple(map(str, whole.feature_names))
    inputs, targets = _all(data)
    assert inputs.shape == whole.data.shape
    rows = {
        tuple(row): target for row, target in zip(inputs.tolist(), targets.tolist(), strict=True)
    }
    for row, target in zip(whole.data.astype(np.float32).tolist(), whole.target, strict=True):
        assert rows[tuple(row)] == pytest.approx(target)
    table = data.prepare(data.train.inputs, torch.device("cpu"))
    assert table.mean(0).abs().max() < 1e-4  # type: ignore[union-attr]
    assert load_data(name, split_seed=0).identity == data.identity
    assert load_data(name, split_seed=1).identity != data.identity


def test_what_is_not_on_disk_may_be_downloaded_if_allowed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="'california' are missing .*download=True"):
        load_data("california", root=tmp_path)


def _file(tmp_path: Path, text: str, name: str = "own.csv") -> str:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return f"csv:{path}"


def _many(rows: int = 40) -> str:
    """Write a table whose target says which row it is."""
    lines = ["y,size,kind,age"]
    for row in range(rows):
        age = "NA" if row % 5 == 0 else str(row)
        lines.append(f'{row + 0.5},{row * 3},"{"abc"[row % 3]}, x",{age}')
    return "\n".join(lines) + "\n"


def test_columns_of_a_file_become_numbers_by_the_training_rows(tmp_path: Path) -> None:
    data = load_data(_file(tmp_path, _many()), target="y")
    assert isinstance(data, TensorData)
    assert data.default_task == Task.regression()
    assert data.columns == ("size", "age", "kind_a, x", "kind_b, x", "kind_c, x")
    assert (len(data.train), len(data.val), len(data.test)) == (24, 8, 8)
    train = [int(target) for target in data.train.targets]  # type: ignore[union-attr]
    median = float(np.median([row for row in train if row % 5]))
    inputs, targets = _all(data)
    for found, target in zip(inputs.tolist(), targets.tolist(), strict=True):
        row = int(target)
        kind = [float(row % 3 == number) for number in range(3)]
        assert found == [row * 3, median if row % 5 == 0 else row, *kind]


def test_a_text_that_no_training_row_has_is_none_of_them(tmp_path: Path) -> None:
    lines = ["y,kind"] + [f"{row}.5,{'ab'[row % 2]}" for row in range(30)]
    text = "\n".join(lines)
    data = load_data(_file(tmp_path, text), target="y")
    assert isinstance(data, TensorData)
    rare = int(data.val.targets[0])  # type: ignore[index]
    lines[rare + 1] = f"{rare}.5,rare"
    again = load_data(_file(tmp_path, "\n".join(lines)), target="y")
    assert isinstance(again, TensorData)
    assert again.columns == ("kind_a", "kind_b")
    assert again.val.inputs[0].tolist() == [0, 0]  # type: ignore[index]
    assert torch.equal(again.train.inputs, data.train.inputs)  # type: ignore[arg-type]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_fields_are_parted_by_what_the_first_line_has(tmp_path: Path, delimiter: str) -> None:
    text = "\ufeff" + (HOUSES * 1 + "\n" + HOUSES.split("\n", 1)[1] * 3).replace(",", delimiter)
    data = load_data(_file(tmp_path, text), target="price")
    assert isinstance(data, TensorData)
    assert data.columns == ("rooms", "city_Oslo", "city_Rome", "old_no", "old_yes")
    assert len(_all(data)[0]) == 12


@pytest.mark.parametrize(
    ("values", "asked", "task", "classes"),
    [
        (["no", "yes"], None, Task.classification(), ("no", "yes")),
        (["3", "1"], None, Task.classification(), ("1", "3")),
        (["3", "1"], "regression", Task.regression(), None),
        (["3", "1.5"], None, Task.regression(), None),
        ([str(number) for number in range(21)], None, Task.regression(), None),
        (
            [str(number) for number in range(21)],
            "classification",
            Task.classification(),
            tuple(map(str, range(21))),
        ),
    ],
)
def test_the_task_is_told_by_the_target(
    tmp_path: Path, values: list[str], asked: str | None, task: Task, classes: Any
) -> None:
    rows = "\n".join(f"{values[row % len(values)]},{row}" for row in range(105))
    data = load_data(_file(tmp_path, f"y,x\n{rows}"), target="y", task=asked)
    assert isinstance(data, TensorData)
    assert (data.default_task, data.classes) == (task, classes)
    inputs, targets = _all(data)
    for row, target in zip(inputs[:, 0].tolist(), targets.tolist(), strict=True):
        text = values[int(row) % len(values)]
        assert (data.classes[target] if data.classes else float(target)) == (
            text if data.classes else float(text)
        )


def test_several_targets_are_numbers_or_labels(tmp_path: Path) -> None:
    rows = "\n".join(f"{row % 2},{row % 3 % 2},{row}" for row in range(30))
    name = _file(tmp_path, f"a,b,x\n{rows}")
    labels = load_data(name, target="a,b")
    numbers = load_data(name, target="a, x", task="regression")
    assert isinstance(labels, TensorData)
    assert isinstance(numbers, TensorData)
    assert labels.default_task == Task.multilabel()
    assert Task.multilabel().bound_to(labels).build_arguments["out_features"] == 2
    assert numbers.default_task == Task.regression()
    assert (numbers.columns, labels.columns) == (("b",), ("x",))
    inputs, targets = _all(labels)
    for row, target in zip(inputs[:, 0].tolist(), targets.tolist(), strict=True):
        assert target == [row % 2, row % 3 % 2]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (HOUSES, {}, "`target` must name the column .* one of 'price', 'rooms', 'city', 'old'"),
        (HOUSES, {"target": "cost"}, "`target` must be a column of .*own.csv', one of 'price'"),
        (HOUSES, {"target": "price,price"}, "must name different columns"),
        (HOUSES, {"target": "price", "task": "rank"}, "`task` must be one of"),
        (HOUSES, {"target": "rooms"}, "column 'rooms' is empty in line 4 of .*delete that line"),
        (HOUSES, {"target": "city", "task": "regression"}, "numbers for regression, .* 'Rome'"),
        (HOUSES, {"target": "price", "task": "classification"}, "whole numbers .* holds 100.5"),
        (HOUSES, {"target": "price,city"}, "several columns must be numbers, but 'city'"),
        (
            "a,b,c\n1,2,3\n0,1,1\n1,1,1",
            {"target": "a,b", "task": "classification"},
            "must be 0 or 1",
        ),
        ("y\n1\n2", {"target": "y"}, "must leave other columns to predict it from"),
        ("y,x\n1,1\n1,2", {"target": "y"}, "at least two classes, but column 'y' is always 1"),
        (HOUSES + "1,2\n", {"target": "price"}, "4, but line 5 of .* has 2: correct it"),
        ("y,x\n", {"target": "y"}, "must have rows, but .* has none"),
        ("", {"target": "y"}, "name 1 to 10000 columns in its first line, but .* names none"),
        ("y,x,y\n1,2,3", {"target": "y"}, "column 3 of .* is called 'y': rename it"),
        ("y,\n1,2", {"target": "y"}, "column 2 of .* is called '': rename it"),
        ("y,x\n1,\n2,NA", {"target": "y"}, "must have values, but 'x' .* has none: delete it"),
        ("y,x\n1,inf\n2,3", {"target": "y"}, "column 'x' in line 2 of .* is inf"),
        (
            "y,x\n" + "\n".join(f"{n}.5,n{n}" for n in range(1001)),
            {"target": "y"},
            "at most 1,000 different ones, but 'x' of .* has 1,001",
        ),
        (HOUSES, {"target": "price", "train_size": 9}, "at most the 3 rows that"),
        (HOUSES, {"target": "price", "image_size": 4}, "`image_size` is for images"),
        (HOUSES, {"target": "price", "stream": True}, "`stream` is for folder:PATH"),
    ],
)
def test_files_that_are_refused(
    tmp_path: Path, text: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        load_data(_file(tmp_path, text), **options)


def test_files_that_are_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.csv").write_bytes(b"y,x\n\xff\xfe\x00,1")
    with pytest.raises(ValueError, match="must be text in UTF-8, but .* is not"):
        load_data(f"csv:{tmp_path / 'own.csv'}", target="y")
    with pytest.raises(FileNotFoundError, match="The file of csv:PATH must exist"):
        load_data(f"csv:{tmp_path / 'none.csv'}", target="y")
    monkeypatch.setattr("optuna_nas.training.data.tables._csv._MAX_BYTES", 3)
    with pytest.raises(ValueError, match="must have at most .* GiB, but .*TensorData"):
        load_data(_file(tmp_path, HOUSES), target="price")


@pytest.mark.parametrize("option", ["target", "task"])
def test_other_data_have_no_target_to_name(option: str) -> None:
    with pytest.raises(ValueError, match=f"`{option}` is for csv:PATH, .*name='iris': leave it"):
        load_data("iris", **{option: "y"})  # type: ignore[misc]


def test_the_names_are_all_told() -> None:
    with pytest.raises(ValueError, match=r"masks:PATH, breast-cancer, california.*csv:PATH"):
        load_data("boston")


def test_a_missing_number_is_no_text(tmp_path: Path) -> None:
    words = ["", "NA", "n/a", "NaN", "null", "None", "?"]
    rows = "\n".join(f"{row}.5,{words[row] if row < 7 else row}" for row in range(30))
    data = load_data(_file(tmp_path, f"y,x\n{rows}"), target="y")
    assert isinstance(data, TensorData)
    assert data.columns == ("x",)
    assert not math.isnan(float(_all(data)[0].sum()))
