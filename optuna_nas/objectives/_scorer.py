"""Scores untrained networks by a proxy, all on the same batch and from the same seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from optuna_nas._ground.checks import require_int, require_seed
from optuna_nas._ground.inputs import moved
from optuna_nas.objectives.proxies import PROXIES
from optuna_nas.training import resolve_device, seeded, task_of, task_settings

if TYPE_CHECKING:
    from optuna_nas.objectives._build import Buildable
    from optuna_nas.training import Data, Task

__all__ = ["ProxyScorer", "check_proxy"]


class ProxyScorer:
    """A deterministic function of the architecture: ``scorer(architecture, "naswot") -> float``.

    Args:
        data: Its training examples are looked at, without augmentation.
        build: Arguments for ``architecture.build``.
        task: Its loss is what gradients are of; None: that of the data.
        batch_size: Examples in the batch, at least 2; all of them where there are fewer.
        seed: Seed of the weights and of the choice of examples.
        device: "auto" or any torch device.

    Raises:
        ValueError: If ``batch_size`` is below 2.
    """

    def __init__(
        self,
        data: Data,
        build: Mapping[str, Any],
        *,
        task: Task | None = None,
        batch_size: int = 64,
        seed: int = 0,
        device: str | torch.device = "auto",
    ) -> None:
        require_int("batch_size", batch_size, at_least=2)
        require_seed(seed)
        self.batch_size = min(batch_size, len(data.train))
        self._data = data
        self._build = build
        self._seed = seed
        self._device = resolve_device(device)
        self._task = task_of(data, task).bound_to(data)
        # Cross entropy is what the proxies have by themselves, with what to do where it is none.
        self._plain = not task_settings(task_of(data, task))
        self._batch: tuple[Any, Any] | None = None

    def __call__(self, architecture: Buildable, proxy: str) -> float:
        """Build the network and score it.

        Raises:
            ValueError: If there is no such proxy, or the network does not take the inputs.
        """
        check_proxy(proxy)
        inputs, target = self._examples()
        with seeded(self._seed):
            model = architecture.build(**self._build)
        loss = None if self._plain else self._task.losses
        return PROXIES[proxy](model.to(self._device), inputs, target, loss=loss)

    def _examples(self) -> tuple[Any, Any]:
        if self._batch is None:
            generator = torch.Generator().manual_seed(self._seed)
            chosen = torch.randperm(len(self._data.train), generator=generator)[: self.batch_size]
            inputs, target = next(iter(self._data.train.batches([chosen])))
            prepared = self._data.prepare(inputs, self._device)
            self._batch = prepared, moved(target, self._device)
        return self._batch


def check_proxy(proxy: str) -> None:
    """Raise if there is no such proxy.

    Raises:
        ValueError: If so.
    """
    if proxy not in PROXIES:
        raise ValueError(f"`proxy` must be one of {list(PROXIES)}, but got proxy={proxy!r}.")
