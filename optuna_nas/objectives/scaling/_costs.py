"""Costs of scaled networks, each at its own resolution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from optuna_nas._ground.inputs import InputSpec
from optuna_nas.objectives._scorer import ProxyScorer
from optuna_nas.objectives.trial import Costs, Meter, run_key
from optuna_nas.profiling import Profile
from optuna_nas.scaling import ScalableNetwork

if TYPE_CHECKING:
    import torch

    from optuna_nas.training import ImageData

__all__ = ["ScaledCosts"]


class ScaledCosts(Costs):
    """Costs of the sizes of a network.

    Args:
        build: ``num_classes`` and ``in_channels`` that networks are built for.
        meter: Measures latency.
        data: Images for proxies, which are resized to each network; None: proxies cannot be
            computed.
        device: Device on which proxies are computed.
    """

    def __init__(
        self,
        build: Mapping[str, int],
        meter: Meter,
        *,
        data: ImageData | None,
        device: torch.device,
    ) -> None:
        super().__init__(build, meter, data=data)
        self._images = data
        self._device = device
        self._sizes = build

    def inputs(self, architecture: ScalableNetwork) -> InputSpec:
        """Shape of an image at the network's resolution, (C, H, W)."""
        side = architecture.resolution
        return InputSpec.of((self._sizes["in_channels"], side, side))

    def digest(self, architecture: ScalableNetwork) -> str:
        """Hash of the network's settings."""
        return run_key(network=architecture.identity)

    def count_network(self, architecture: ScalableNetwork) -> Profile:
        """Count parameters and multiply-adds without allocating the network."""
        return architecture.profile(**self._sizes)

    def score_untrained(self, proxy: str, architecture: ScalableNetwork) -> float:
        """Compute a proxy's score on training images of the network's resolution."""
        assert self._images is not None
        resized = self._images.resized(architecture.resolution)
        return ProxyScorer(resized, self._build, device=self._device)(architecture, proxy)
