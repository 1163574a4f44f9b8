"""Data of tensors and arrays: types, splits, standardised columns, identity."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
import torch

from optuna_nas.training import Task, TensorData

RNG = np.random.default_rng(0)
TABLE, NUMBERS = RNG.normal(3.0, 2.0, (50, 4)), RNG.normal(size=50)
LABELS = np.arange(50) % 5


def _data(**changes: Any) -> TensorData:
    given = {"train": (TABLE, NUMBERS), "task": Task.regression(), **changes}
    return TensorData("own", **given)


def _whole(data: TensorData) -> torch.Tensor:
    return torch.cat([split.targets for split in (data.train, data.val, data.test)])


@pytest.mark.parametrize(
    ("given", "dtype"),
    [
        (TABLE, torch.float32),
        (TABLE.astype(">f8")[:, ::-1], torch.float32),
        (torch.from_numpy(TABLE), torch.float32),
        (torch.from_numpy(TABLE).half(), torch.float32),
        (TABLE.tolist(), torch.float32),
        (np.array(TABLE.tolist(), dtype=object), torch.float32),
        (TABLE.astype(np.int16), torch.int64),
        (torch.ones(50, 4, dtype=torch.uint8), torch.int64),
        (TABLE > 0, torch.bool),
        (torch.ones(50, 4) > 0, torch.bool),
    ],
)
def test_arrays_become_tensors_of_three_types(given: Any, dtype: torch.dtype) -> None:
    data = _data(train=(given, NUMBERS), val_size=10, test_size=0)
    found = torch.cat([data.train.inputs, data.val.inputs])  # type: ignore[list-item]
    assert found.dtype == dtype
    array = given.double().numpy() if isinstance(given, torch.Tensor) else np.array(given)
    expected = torch.from_numpy(array.astype(np.float64)).float().sum(0)
    assert torch.allclose(found.float().sum(0), expected, rtol=1e-3)


def test_arrays_are_copied() -> None:
    for array in (TABLE.astype(np.float32), torch.from_numpy(TABLE).float()):
        data = TensorData("own", (array, NUMBERS), (array, NUMBERS), (array, NUMBERS))
        kept = data.val.inputs.clone()  # type: ignore[union-attr]
        array[:] = 0
        assert torch.equal(data.val.inputs, kept)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("inputs", "described"),
    [
        (TABLE, "4"),
        ((TABLE, LABELS), "4,scalar:int64"),
        ({"table": TABLE, "kind": LABELS[:, None]}, "table=4,kind=1:int64"),
    ],
)
def test_inputs_keep_their_form(inputs: Any, described: str) -> None:
    data = _data(train=(inputs, NUMBERS))
    assert str(data.inputs) == described
    (part,) = data.val.batches([torch.tensor([1, 0])])
    if isinstance(inputs, dict):
        assert list(part[0]) == ["table", "kind"]  # type: ignore[arg-type]
    assert torch.equal(part[1], data.val.targets[[1, 0]])  # type: ignore[index, arg-type]


def test_targets_may_be_several() -> None:
    data = _data(train=(TABLE, {"price": NUMBERS, "kind": LABELS}), task=None)
    assert data.train.targets is None
    (part,) = data.train.batches([torch.arange(3)])
    assert {name: tuple(target.shape) for name, target in part[1].items()} == {  # type: ignore[union-attr]
        "price": (3,),
        "kind": (3,),
    }


def test_what_is_not_given_is_split_off() -> None:
    data = _data()
    assert (len(data.train), len(data.val), len(data.test)) == (30, 10, 10)
    assert sorted(_whole(data).tolist()) == sorted(NUMBERS.astype(np.float32).tolist())
    other = _data(split_seed=1)
    assert not torch.equal(other.test.targets, data.test.targets)  # type: ignore[arg-type]
    fewer = _data(train_size=5, val_size=5)
    assert torch.equal(fewer.test.targets[:10], data.test.targets)  # type: ignore[index, arg-type]


def test_what_is_given_is_kept() -> None:
    data = _data(val=(TABLE[:7], NUMBERS[:7]))
    assert (len(data.train), len(data.val), len(data.test)) == (40, 7, 10)
    assert set(data.val.targets.tolist()) == set(NUMBERS[:7].astype(np.float32).tolist())  # type: ignore[union-attr]


def _counts(data: TensorData) -> list[int]:
    return torch.bincount(data.test.targets, minlength=2).tolist()  # type: ignore[arg-type]


def test_classes_keep_their_proportions() -> None:
    labels = (np.arange(50) % 10 == 0).astype(int)
    for task in (None, Task.classification()):
        assert _counts(_data(train=(TABLE, labels), task=task)) == [9, 1]
        assert _data(train=(TABLE, labels), task=task).stratified
    numbers = np.arange(50)
    assert not _data(train=(TABLE, numbers), task=None).stratified
    assert _data(train=(TABLE, numbers), task=Task.classification()).stratified
    assert not _data(train=(TABLE, labels)).stratified  # regression of counts
    assert _data(train=(TABLE, labels), stratify=True).stratified
    loose = [_data(train=(TABLE, labels), stratify=False, split_seed=seed) for seed in range(9)]
    assert {_counts(data)[1] for data in loose} != {1}


def test_columns_are_standardised_by_the_training_examples() -> None:
    table = np.concatenate([TABLE, np.full((50, 1), 0.1)], axis=1)
    data = _data(train=((table, LABELS), NUMBERS), standardise=True)
    raw = data.train.inputs[0]  # type: ignore[index]
    found, labels = data.prepare(data.train.inputs, torch.device("cpu"))
    assert torch.equal(labels, data.train.inputs[1])  # type: ignore[arg-type, index]
    expected = (raw - raw.mean(0)) / raw.std(0, correction=0)
    assert torch.allclose(found[:, :4], expected[:, :4], atol=1e-5)  # type: ignore[call-overload]
    assert found[:, 4].abs().max() < 1e-5  # type: ignore[call-overload]
    assert data.standardisers[1] is None
    assert torch.equal(data.example[0], found[:2])  # type: ignore[index]
    part = data.holding(train=data.train.take(torch.arange(5)))
    assert part.standardisers == data.standardisers


def test_merged_data_have_all_but_the_test() -> None:
    data = _data(standardise=True)
    merged = data.merged()
    assert (len(merged.train), len(merged.val), len(merged.test)) == (40, 0, 10)
    table = merged.prepare(merged.train.inputs, torch.device("cpu"))
    assert table.mean(0).abs().max() < 1e-5  # type: ignore[union-attr]
    assert len(data.train) == 30


def test_what_networks_are_told() -> None:
    assert _data().build_arguments == {"in_features": 4}
    pictures = RNG.random((50, 3, 5, 4))
    assert _data(train=(pictures, NUMBERS)).build_arguments == {"in_channels": 3}
    assert _data(train=(LABELS[:, None], NUMBERS)).build_arguments == {}
    assert _data(train=((TABLE, TABLE), NUMBERS)).build_arguments == {}


def test_regression_tells_the_targets_unit_to_the_network() -> None:
    data = _data(train=(TABLE, np.stack([NUMBERS * 7 + 100, np.full(50, 3.0)], 1)))
    told = Task.regression().bound_to(data).build_arguments
    first = data.train.targets[:, 0].double()  # type: ignore[index]
    assert told["out_features"] == 2
    assert told["target_mean"] == pytest.approx([float(first.mean()), 3.0], rel=1e-5)
    assert told["target_std"] == pytest.approx([float(first.std(correction=0)), 1.0], rel=1e-5)
    assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize("dtype", [str, object])
def test_texts_are_classes(dtype: type) -> None:
    names = np.array(["owl", "cat", "hen", "dog", "bee"], dtype=dtype)[LABELS]
    data = TensorData("pets", (TABLE, names))
    assert data.classes == ("bee", "cat", "dog", "hen", "owl")
    assert data.default_task == Task.classification()
    assert (data.num_classes, data.stratified) == (5, True)
    found = [data.classes[number] for number in _whole(data).tolist()]
    assert sorted(found) == sorted(names.tolist())
    for row, target in zip(data.train.inputs, data.train.targets, strict=True):  # type: ignore[arg-type]
        place = int(np.abs(TABLE - row.numpy()).sum(1).argmin())
        assert data.classes[int(target)] == names[place]


def test_classes_may_be_named() -> None:
    data = TensorData("own", (TABLE, LABELS), classes=list("abcde") + ["rare"])
    assert data.num_classes == 6
    assert Task.classification().bound_to(data).build_arguments["num_classes"] == 6
    texts = TensorData("own", (TABLE, np.array(list("ba"))[LABELS % 2]), classes=["b", "a"])
    assert texts.train.targets.sum() + texts.val.targets.sum() + texts.test.targets.sum() == 20  # type: ignore[union-attr]


def test_identity_says_what_the_splits_are() -> None:
    data = _data(standardise=True)
    assert json.loads(json.dumps(data.identity)) == data.identity
    assert _data(standardise=True).identity == data.identity
    other = TABLE.copy()
    other[3, 2] += 1e-3
    changed = [
        _data(standardise=False),
        _data(standardise=True, train=(other, NUMBERS)),
        _data(standardise=True, train=(TABLE, NUMBERS + 1)),
        _data(standardise=True, split_seed=1),
        _data(standardise=True, train_size=20),
        _data(standardise=True, val=(TABLE[:10], NUMBERS[:10]), train_size=30),
        _data(standardise=True, train=(TABLE, LABELS), task=None, stratify=False),
        _data(standardise=True, train=(TABLE, LABELS), task=None, stratify=True),
    ]
    identities = [json.dumps(each.identity) for each in (data, *changed)]
    assert len({*identities}) == len(identities)


def test_data_pickle() -> None:
    data = _data(standardise=True)
    again = pickle.loads(pickle.dumps(data))
    assert again.identity == data.identity
    assert torch.equal(again.example, data.example)
