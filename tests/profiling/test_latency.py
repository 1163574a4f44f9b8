"""What is measured, not how fast this machine is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from optuna_nas.profiling import Latency, measure_latency
from optuna_nas.profiling._latency import _median_and_iqr


class _Recorder(nn.Module):
    """Counts its runs and notes the state in which it ran."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.runs = 0
        self.states: set[tuple[object, ...]] = set()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.runs += 1
        self.states.add(
            (self.training, torch.is_grad_enabled(), torch.get_num_threads(), tuple(x.shape))
        )
        return x + self.weight


def test_it_runs_in_eval_mode_without_gradients_on_the_given_threads() -> None:
    model = _Recorder()
    threads = torch.get_num_threads()

    latency = measure_latency(
        model, (3, 8, 8), batch_size=4, device="cpu", threads=1, min_run_time=0.01
    )

    assert (False, False, 1, (4, 3, 8, 8)) in model.states
    assert {(training, grad) for training, grad, _, _ in model.states} == {(False, False)}
    assert torch.get_num_threads() == threads
    assert model.training
    assert model.runs > latency.runs >= 5  # the warm-up is not among the timed runs
    assert latency.median_ms > 0
    assert latency.iqr_ms >= 0
    assert (latency.device, latency.threads, latency.batch_size) == ("cpu", 1, 4)


def test_a_large_network_takes_longer_than_a_small_one() -> None:
    small, large = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 256, 7, padding=3)
    medians = [
        measure_latency(model, (4, 48, 48), device="cpu", min_run_time=0.02).median_ms
        for model in (small, large)
    ]
    assert medians[0] < medians[1]


def test_the_spread_is_between_the_quartiles() -> None:
    # Exclusive quartiles of 1..5 are 1.5, 3, 4.5 (numpy.quantile, method="weibull").
    assert _median_and_iqr([5.0, 1.0, 4.0, 2.0, 3.0]) == (3.0, 3.0)


def test_it_prints_on_one_line() -> None:
    latency = Latency(
        median_ms=20.84, iqr_ms=0.123, runs=10, batch_size=1, device="cpu", threads=1
    )
    assert str(latency) == "20.8 ms (IQR 0.12 ms, 10 runs, batch 1, cpu, 1 thread(s))"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, r"`threads` must be at least 1, but got threads=0"),
        ({"min_run_time": 0.0}, r"`min_run_time` must be a positive number"),
        ({"min_run_time": float("nan")}, r"`min_run_time` must be a positive number"),
        ({"batch_size": 0}, r"`batch_size` a positive integer"),
    ],
)
def test_options_outside_their_range_are_errors(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure_latency(nn.Conv2d(1, 1, 1), (1, 8, 8), device="cpu", **options)  # type: ignore[arg-type]


def test_a_network_without_weights_cannot_be_measured() -> None:
    with torch.device("meta"):
        model = nn.Conv2d(1, 1, 1)
    with pytest.raises(ValueError, match="Conv2d is on the meta device: build it on the CPU"):
        measure_latency(model, (1, 8, 8))


def test_an_input_that_does_not_fit_is_named_with_its_shape() -> None:
    with pytest.raises(ValueError, match=r"cannot take an input of shape \(2, 3, 8, 8\)"):
        measure_latency(nn.Conv2d(1, 1, 1), (3, 8, 8), batch_size=2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_copy_is_measured_on_another_device() -> None:
    model = nn.Conv2d(1, 1, 1)
    assert measure_latency(model, (1, 8, 8), device="cuda").device == "cuda:0"
    assert model.weight.device.type == "cpu"
