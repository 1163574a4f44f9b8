"""Data of loaders: their batches and order, under seeds; forms of batches; single examples."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    SubsetRandomSampler,
    TensorDataset,
)
from torch.utils.data.distributed import DistributedSampler

from optuna_nas.training import LoaderData, Processes, Recipe, Task
from optuna_nas.training.data import Batch

CPU = torch.device("cpu")
PAIRS = TensorDataset(torch.arange(23.0)[:, None], torch.arange(23.0))
VAL = DataLoader(PAIRS, batch_size=10)


class Noisy(Dataset[Any]):
    """Examples that draw from all random states that transforms draw from."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> tuple[torch.Tensor, float]:
        drawn = [float(torch.rand(())), random.random(), np.random.rand()]  # noqa: NPY002
        return torch.tensor([float(index), *drawn]), float(index)


class Stream(IterableDataset[Any]):
    """Examples in order, without a length."""

    def __init__(self, examples: int = 10) -> None:
        self.examples = examples

    def __iter__(self) -> Iterator[tuple[torch.Tensor, float]]:
        for number in range(self.examples):
            yield torch.full((1,), float(number)), float(number)


def _data(train: Any, val: Any = VAL, **options: Any) -> LoaderData:
    return LoaderData("own", train, val, **options)


def _epoch(
    data: LoaderData, epoch: int = 1, *, seed: int = 0, processes: Processes | None = None
) -> list[Batch]:
    feed = data.feed(Recipe(batch_size=2), seed, CPU, processes or Processes())
    batches = list(feed.epoch(epoch))
    assert len(batches) == feed.steps
    return batches


def _targets(batches: list[Batch]) -> list[float]:
    return [number for batch in batches for number in batch.target.tolist()]


def test_the_loaders_batches_count() -> None:
    batches = _epoch(_data(DataLoader(PAIRS, batch_size=7)))
    assert [len(batch) for batch in batches] == [7, 7, 7, 2]
    assert _targets(batches) == list(range(23))


@pytest.mark.parametrize(
    ("loader", "sizes"),
    [
        (DataLoader(PAIRS, batch_size=11), [11, 11]),  # without the last example alone
        (DataLoader(PAIRS, batch_size=10, drop_last=True), [10, 10]),
        (DataLoader(PAIRS, batch_size=1), [1] * 23),
        (DataLoader(PAIRS, sampler=SubsetRandomSampler([3, 4, 5])), [1] * 3),
        (
            DataLoader(PAIRS, batch_sampler=BatchSampler(SubsetRandomSampler(range(9)), 4, False)),
            [4, 4],
        ),
        (DataLoader(PAIRS, batch_sampler=[[1, 2], [3, 4, 5]]), [2, 3]),
        ([(torch.zeros(4, 1), torch.zeros(4))] * 2, [4, 4]),
    ],
)
def test_how_many_batches_there_are(loader: Any, sizes: list[int]) -> None:
    assert [len(batch) for batch in _epoch(_data(loader))] == sizes


def test_a_stream_has_as_many_batches_as_are_asked_for() -> None:
    loader = DataLoader(Stream(), batch_size=4)
    data = _data(loader, DataLoader(Stream(9), batch_size=4), steps=2)
    assert _targets(_epoch(data)) == list(range(8))
    assert (len(data.train), len(data.val), len(data.test)) == (8, 9, 0)
    again = _data(loader, steps=5)  # a loader that ends is read again
    assert _targets(_epoch(again)) == [*range(10), *range(8)]
    assert len(_epoch(_data(DataLoader(PAIRS, batch_size=10), steps=1))) == 1
    odd = _data(DataLoader(Stream(9), batch_size=4), steps=3)  # a last batch of one for two
    assert [batch.whole for batch in _epoch(odd, processes=Processes(1, 2))] == [4, 4, 4]


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_follow_from_seed_and_epoch_alone(workers: int) -> None:
    loader = DataLoader(Noisy(), 5, shuffle=True, num_workers=workers, generator=torch.Generator())
    data = _data(loader)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = [batch.inputs for batch in _epoch(data, 3)]
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert (np.random.get_state()[1] == states[2]).all()  # noqa: NPY002
    torch.rand(3), random.random(), np.random.rand()  # noqa: NPY002
    again = [batch.inputs for batch in _epoch(data, 3)]
    assert all(map(torch.equal, again, first))
    others = _epoch(data, 2), _epoch(data, 3, seed=1)
    for other in others:
        assert not torch.equal(other[0].inputs, first[0])
    drawn = torch.cat(first)[:, 1:]
    assert len(drawn.unique()) == drawn.numel()  # each example draws anew


def test_shuffling_without_a_generator_follows_from_the_seed() -> None:
    loader = DataLoader(PAIRS, batch_size=23, shuffle=True)
    orders = [_targets(_epoch(_data(loader), epoch)) for epoch in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2]) == list(range(23))


def test_processes_take_their_rows_of_each_batch() -> None:
    data = _data(DataLoader(PAIRS, batch_size=7, shuffle=True))
    whole = _epoch(data)
    parts = [_epoch(data, processes=Processes(rank, 2)) for rank in (0, 1)]
    assert [batch.whole for batch in parts[0]] == [7, 7, 7]  # a last one of two is left out
    for step, batch in enumerate(whole[:3]):
        assert torch.equal(parts[0][step].target, batch.target[0::2])
        assert torch.equal(parts[1][step].inputs, batch.inputs[1::2])


def test_examples_that_a_sampler_deals_out_are_taken_whole() -> None:
    parts = []
    for rank in (0, 1):
        sampler = DistributedSampler(PAIRS, num_replicas=2, rank=rank)
        data = _data(DataLoader(PAIRS, batch_size=6, sampler=sampler))
        epochs = [_epoch(data, epoch, processes=Processes(rank, 2)) for epoch in (1, 2)]
        assert [batch.whole for batch in epochs[0]] == [12, 12]
        assert _targets(epochs[0]) != _targets(epochs[1])  # it is told the epoch
        parts.append(_targets(epochs[0]))
    assert {*parts[0], *parts[1]} == {*range(23)}


def _collated(*, named: bool) -> Any:
    def collate(examples: list[Any]) -> Any:
        x, y = torch.utils.data.default_collate(examples)
        return {"a": x.double(), "b": y.long(), "y": y.double()} if named else ([x, y.long()], y)

    return collate


@pytest.mark.parametrize("named", [False, True])
def test_inputs_may_be_several(named: bool) -> None:
    loader = DataLoader(PAIRS, batch_size=4, collate_fn=_collated(named=named))
    data = _data(loader, loader, target="y" if named else None)
    assert str(data.inputs) == ("a=1,b=scalar:int64" if named else "1,scalar:int64")
    (first, *_) = _epoch(data)
    assert (list(first.inputs) == ["a", "b"]) if named else isinstance(first.inputs, tuple)
    assert first.target.dtype == torch.float32
    (inputs, target), *_ = data.evaluation_batches(data.val, CPU, Processes(), 512)
    assert target.tolist() == [0, 1, 2, 3]
    assert str(type(inputs)) == str(type(first.inputs))


def test_validation_is_in_the_loaders_order() -> None:
    data = _data(DataLoader(PAIRS, batch_size=7), DataLoader(PAIRS, batch_size=4))
    found = [t for _, t in data.evaluation_batches(data.val, CPU, Processes(), 512)]
    assert torch.equal(torch.cat(found), torch.arange(23.0))
    parts = [data.evaluation_batches(data.val, CPU, Processes(rank, 5), 512) for rank in range(5)]
    rows = [target for part in parts for _, target in part]
    assert all(map(len, rows))
    shared = torch.cat(rows)
    assert torch.equal(shared.sort().values, torch.arange(23.0))


@pytest.mark.parametrize("shuffle", [False, True])
def test_single_examples_are_read_by_a_loader_alike(shuffle: bool) -> None:
    def doubled(examples: list[Any]) -> Any:
        x, y = torch.utils.data.default_collate(examples)
        return x, 2 * y

    data = _data(DataLoader(PAIRS, batch_size=4, shuffle=shuffle, collate_fn=doubled))
    part = data.holding(train=data.train.take(torch.tensor([8, 2, 5, 20, 11, 3])))
    assert len(part.train) == 6
    found = [_targets(_epoch(part, epoch)) for epoch in (1, 2)]
    assert sorted(found[0]) == [4, 6, 10, 16, 22, 40]
    assert (found[0] != found[1]) == shuffle
    assert shuffle or found[0] == [16, 4, 10, 40, 22, 6]
    (batch,) = part.train.batches([torch.tensor([1, 0])])
    assert batch[1].tolist() == [4, 16]
    assert len(part.train.take(torch.arange(0))) == 0


def test_single_examples_of_a_subset_are_those_of_its_sampler() -> None:
    data = _data(DataLoader(PAIRS, batch_size=2, sampler=SubsetRandomSampler([3, 9, 7])))
    (batch,) = data.train.batches([torch.tensor([0, 2])])
    assert batch[1].tolist() == [3, 7]


def test_what_names_the_data() -> None:
    loader = DataLoader(PAIRS, batch_size=4)
    data = _data(loader, identity={"version": 3}, build={"num_classes": 5, "in_features": 1})
    assert json.loads(json.dumps(data.identity)) == {
        "name": "own",
        "train_size": 23,
        "val_size": 23,
        "test_size": 0,
        "inputs": "1",
        "batch_size": 4,
        "version": 3,
    }
    assert Task.classification().bound_to(data).build_arguments["num_classes"] == 5
    assert data.build_arguments == {"num_classes": 5, "in_features": 1}
    assert _data(loader, steps=3).identity["steps"] == 3
    task = Task.regression()
    assert _data(loader, task=task).default_task is task


ONE = DataLoader(PAIRS, batch_size=4)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: _data(iter(ONE)), TypeError, "`train` must be a DataLoader, or something else"),
        (lambda: _data(ONE, 3), TypeError, "`val` must be a DataLoader.*but got 3"),
        (
            lambda: _data(DataLoader(PAIRS, 50, drop_last=True)),
            ValueError,
            "drop_last=True leaves",
        ),
        (lambda: _data([]), ValueError, "`train` must be a loader with batches, but has none"),
        (lambda: _data(DataLoader(Stream())), ValueError, "`steps` must be given for 'own'"),
        (lambda: _data(ONE, steps=0), ValueError, "`steps` must be at least 1"),
        (lambda: _data(ONE, identity={"x": CPU}), TypeError, "`identity` must be ready for JSON"),
        (
            lambda: _epoch(_data(DataLoader(TensorDataset(*PAIRS[:1]), 4))),
            ValueError,
            "`train` must have a batch of at least 2 examples, but its loader has 1",
        ),
        (
            lambda: _epoch(_data(DataLoader(Stream(0), 4), steps=2)),
            ValueError,
            "`train` must have a batch of at least 1 examples, but the loader of 'own' has none",
        ),
        (lambda: _data(DataLoader(Stream(0)), steps=2).inputs, ValueError, "that of 'own' has no"),
        (
            lambda: _data(DataLoader(TensorDataset(*[torch.zeros(4)] * 3))).inputs,
            TypeError,
            r"A batch of `train` must be a pair .* is 3 parts: .*\(\(first, second\), target\)",
        ),
        (
            lambda: _data([(torch.zeros(3, 2), torch.zeros(2))]).inputs,
            ValueError,
            r"one target for each example, but has inputs of shape \(3, 2\) and .* \(2,\)",
        ),
        (lambda: _data([(["a"], torch.zeros(1))]).inputs, TypeError, "inputs of `train` must be"),
        (lambda: _data([(torch.zeros(1), torch.tensor(1))]).inputs, TypeError, "got one number"),
        (lambda: _data([3]).inputs, TypeError, "must be a pair"),
        (lambda: _data([{"y": 3}]).inputs, TypeError, "`target` must name the targets in the"),
        (lambda: _data([{"x": 3}], target="y").inputs, ValueError, "but got target='y'"),
        (lambda: _data(ONE, target="y").inputs, TypeError, "pass target=None"),
        (
            lambda: _data(DataLoader(Stream(), 4), steps=2).train.take(torch.arange(2)),
            ValueError,
            "must be a DataLoader of a map-style dataset.*or a TensorData",
        ),
        (
            lambda: _data(DataLoader(PAIRS, batch_sampler=[[1, 2]])).train.take(torch.arange(2)),
            ValueError,
            "must be a DataLoader of a map-style dataset",
        ),
    ],
)
def test_what_is_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()
