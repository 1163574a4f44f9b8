"""How the norms of a network take their statistics, whatever their dimensions and kind."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

__all__ = ["take_over_norms", "use_batch_statistics"]


def use_batch_statistics(module: nn.Module) -> None:
    """Have all batch norms use the statistics of the batch, in evaluation as well.

    Children that share weights have no running statistics in common. Instance norms that keep
    some use those of the image.
    """
    for norm in module.modules():
        if isinstance(norm, _NormBase):
            norm.track_running_stats = False
            norm.running_mean = norm.running_var = norm.num_batches_tracked = None


def take_over_norms(new: nn.Module, old: nn.Module) -> None:
    """Set up norms as those of the same name in a module that is replaced."""
    norms = {name: norm for name, norm in old.named_modules() if isinstance(norm, _NormBase)}
    for name, norm in new.named_modules():
        if isinstance(norm, _NormBase) and (before := norms.get(name)) is not None:
            norm.momentum, norm.eps = before.momentum, before.eps
            if norm.track_running_stats and not before.track_running_stats:
                use_batch_statistics(norm)
