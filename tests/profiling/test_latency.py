"""What is measured, and how: not how fast this machine is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from optuna_nas.profiling import (
    InputSpec,
    Latency,
    LatencyMeter,
    measure_latencies,
    measure_latency,
)
from optuna_nas.profiling._latency import _median_and_iqr
from optuna_nas.profiling._timing import time_between_events, time_forward
from optuna_nas.spaces import published


class _Recorder(nn.Module):
    """Counts its runs and notes the state in which it ran, also for its copies."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.runs = [0]
        self.states: list[tuple[object, ...]] = []

    def __deepcopy__(self, memo: object) -> _Recorder:
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.runs[0] += 1
        grad = torch.is_grad_enabled()
        threads = torch.get_num_threads()
        layout = x.is_contiguous(memory_format=torch.channels_last)
        self.states.append((self.training, grad, threads, tuple(x.shape), layout))
        return x + self.weight


def test_it_runs_in_eval_mode_without_gradients_on_the_given_threads() -> None:
    model = _Recorder()
    threads = torch.get_num_threads()

    latency = measure_latency(
        model, (3, 8, 8), batch_size=4, device="cpu", threads=1, min_run_time=0.01
    )

    assert model.states[-1] == (False, False, 1, (4, 3, 8, 8), True)
    assert {state[:2] for state in model.states} == {(False, False)}
    assert torch.get_num_threads() == threads
    assert model.training
    assert model.runs[0] > latency.runs >= 5  # the warm-up is not among the timed runs
    assert latency.median_ms > 0
    assert latency.iqr_ms >= 0
    assert (latency.device, latency.threads, latency.batch_size) == ("cpu", 1, 4)


def test_as_deployed_or_as_it_is() -> None:
    model = published.NASBENCH201_RESNET.build(num_classes=10, cells=1, channels=4)
    options = {"device": "cpu", "min_run_time": 0.01}
    deployed = measure_latency(model, (3, 32, 32), **options)
    assert (deployed.folded, deployed.norms, deployed.channels_last) == (11, 12, True)
    assert "11 of 12 batch norms folded" in str(deployed)
    as_it_is = measure_latency(model, (3, 32, 32), fold=False, channels_last=False, **options)
    assert (as_it_is.folded, as_it_is.channels_last) == (0, False)
    assert all(p.is_contiguous() for p in model.parameters())


def test_one_thread_has_its_own_clock_that_stands_still_while_others_run() -> None:
    class Sleepy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            time.sleep(0.01)  # as if something else ran
            return x

    images = torch.zeros(1, 1, 2, 2)
    own = time_forward(Sleepy(), images, threads=1, min_run_time=1e-4)
    wall = time_forward(Sleepy(), images, threads=2, min_run_time=1e-4)
    assert (own.clock, wall.clock) == ("thread", "wall")
    assert max(ms for ms, _ in own.blocks) < 5 < min(ms for ms, _ in wall.blocks)


class _Event:
    """A mark on a clock that only ``_Event.now`` moves."""

    now = 0.0

    def record(self) -> None:
        self.time = _Event.now

    def synchronize(self) -> None:
        assert self.time == _Event.now

    def elapsed_time(self, end_event: _Event) -> float:
        return end_event.time - self.time


def test_between_events_until_the_time_is_up_and_five_times_at_least() -> None:
    def run(milliseconds: float) -> None:
        _Event.now += milliseconds

    assert time_between_events(lambda: run(2.0), _Event, 0.02) == [(2.0, 1)] * 10
    assert time_between_events(lambda: run(50.0), _Event, 0.02) == [(50.0, 1)] * 5


def test_a_table_of_resolutions_and_batch_sizes() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    table = measure_latencies(
        model, [(3, 8, 8), (3, 16, 16)], batch_sizes=(1, 4), device="cpu", min_run_time=0.005
    )
    found = [(row.input_size, row.batch_size, row.folded) for row in table.rows]
    assert found == [
        ((3, 8, 8), 1, 1),
        ((3, 8, 8), 4, 1),
        ((3, 16, 16), 1, 1),
        ((3, 16, 16), 4, 1),
    ]
    assert table.at((3, 16, 16), 4) is table.rows[3]
    with pytest.raises(KeyError, match="batch_size=7"):
        table.at((3, 8, 8), 7)
    assert "3 x 16 x 16" in str(table).splitlines()[4]


def test_a_meter_is_measure_latency_with_its_settings() -> None:
    meter = LatencyMeter(batch_size=2, device="cpu", min_run_time=0.005, channels_last=False)
    latency = meter(nn.Conv2d(3, 4, 3), (3, 8, 8))
    assert (latency.batch_size, latency.device, latency.channels_last) == (2, "cpu", False)
    assert meter.identity == {
        "batch_size": 2,
        "device": "cpu",
        "threads": 1,
        "fold": True,
        "channels_last": False,
    }
    assert meter.machine.startswith("cpu of ")


BUSY = "import torch; torch.set_num_threads(1); a = torch.rand(512, 512)\nwhile True: a @ a"


@pytest.fixture
def _loaded_machine() -> Iterator[None]:
    count = os.cpu_count() or 1
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    time.sleep(3)
    yield
    for process in busy:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.usefixtures("_loaded_machine")
def test_ten_of_ten_rankings_are_right_on_a_loaded_machine() -> None:
    networks = [
        published.NASBENCH201_RESNET.build(num_classes=10, cells=cells, channels=channels)
        for cells, channels in ((1, 8), (3, 8), (5, 16))
    ]
    for _ in range(10):
        medians = [
            measure_latency(model, (3, 32, 32), device="cpu", min_run_time=0.05).median_ms
            for model in networks
        ]
        assert medians == sorted(medians)


def test_the_spread_is_between_the_quartiles() -> None:
    # Exclusive quartiles of 1..5 are 1.5, 3, 4.5 (numpy.quantile, method="weibull").
    assert _median_and_iqr([5.0, 1.0, 4.0, 2.0, 3.0]) == (3.0, 3.0)


def test_it_prints_on_one_line() -> None:
    latency = Latency(
        median_ms=20.84,
        iqr_ms=0.123,
        runs=10,
        inputs=InputSpec.of((3, 32, 32)),
        batch_size=1,
        device="cpu",
        threads=1,
    )
    assert str(latency) == "20.8 ms (IQR 0.12 ms, 10 runs, batch 1, cpu, 1 thread(s))"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, r"`threads` must be at least 1, but got threads=0"),
        ({"min_run_time": 0.0}, r"`min_run_time` must be a finite number above 0"),
        ({"min_run_time": float("nan")}, r"`min_run_time` must be a finite number above 0"),
        ({"batch_size": 0}, r"`batch_size` must be at least 1, but got batch_size=0"),
    ],
)
def test_options_outside_their_range_are_errors(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure_latency(nn.Conv2d(1, 1, 1), (1, 8, 8), device="cpu", **options)  # type: ignore[arg-type]


def test_nothing_to_measure_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"`input_sizes` \(or `inputs`\) and `batch_sizes` must"):
        measure_latencies(nn.Conv2d(1, 1, 1), [])


def test_a_network_without_weights_cannot_be_measured() -> None:
    with torch.device("meta"):
        model = nn.Conv2d(1, 1, 1)
    with pytest.raises(ValueError, match="Conv2d is on the meta device: build it on the CPU"):
        measure_latency(model, (1, 8, 8))


def test_an_input_that_does_not_fit_is_named_with_its_shape() -> None:
    with pytest.raises(ValueError, match=r"cannot take an input of shape \(1, 3, 8, 8\)"):
        measure_latencies(nn.Conv2d(1, 1, 1), [(1, 8, 8), (3, 8, 8)])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_copy_is_measured_on_another_device_by_its_clock() -> None:
    model = nn.Conv2d(1, 1, 1)
    latency = measure_latency(model, (1, 8, 8), device="cuda")
    assert (latency.device, latency.clock) == ("cuda:0", "device")
    assert model.weight.device.type == "cpu"
