"""Published variants of DARTS by name, and which settings of a search go together.

References:
    [Xu2020] Xu et al. PC-DARTS. ICLR 2020. arXiv:1907.05737.
    [Zela2020] Zela et al. Understanding and Robustifying Differentiable Architecture Search
    (DARTS-ES). ICLR 2020. arXiv:1909.09656.
    [Wang2021] Wang et al. Rethinking Architecture Selection in Differentiable NAS (DARTS-PT).
    ICLR 2021. arXiv:2108.04392.
    [Dong2019] Dong, Yang. Searching for a Robust Neural Architecture in Four GPU Hours (GDAS).
    CVPR 2019. arXiv:1910.04465.
    [Chu2020] Chu et al. Fair DARTS. ECCV 2020. arXiv:1911.12126.
    [Chen2021] Chen et al. DrNAS. ICLR 2021. arXiv:2006.10355.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optuna_nas._checks import is_int, shown
from optuna_nas.objectives.one_shot._eigenvalue import EigenvalueStop
from optuna_nas.objectives.one_shot._mixing import Dirichlet, HardGumbel, Sigmoid
from optuna_nas.objectives.one_shot._perturbation import Perturbation

if TYPE_CHECKING:
    from optuna_nas.objectives.one_shot._alpha_recipe import AlphaRecipe
    from optuna_nas.objectives.one_shot._mixing import Mixing
    from optuna_nas.training import Recipe

__all__ = ["VARIANTS", "Variant", "check_together", "combine_variants"]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """How a published search differs from that of DARTS.

    Attributes:
        options: Arguments of ``DARTSObjective``: ``mixing``, ``selection``, ``stop``.
        supernet: Arguments of ``space.supernet``.
        alpha: Fields of ``AlphaRecipe``.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    supernet: Mapping[str, Any] = field(default_factory=dict)
    alpha: Mapping[str, Any] = field(default_factory=dict)


VARIANTS: Mapping[str, Variant] = {
    "pc-darts": Variant(  # [Xu2020]
        supernet={"partial": 4, "edge_normalisation": True},
        alpha={"lr": 6e-4, "warmup_epochs": 15},
    ),
    "es": Variant(options={"stop": EigenvalueStop()}),  # [Zela2020]
    "pt": Variant(options={"selection": Perturbation()}),  # [Wang2021]
    "gdas": Variant(options={"mixing": HardGumbel()}),  # [Dong2019]
    "fair": Variant(options={"mixing": Sigmoid()}, alpha={"lr": 3e-3}),  # [Chu2020]
    "drnas": Variant(  # [Chen2021]
        options={"mixing": Dirichlet()}, alpha={"lr": 6e-4, "warmup_epochs": 10}
    ),
}


def combine_variants(names: Sequence[str]) -> Variant:
    """Return several variants as one; of a number that two of them set, the later one counts.

    Args:
        names: Keys of ``VARIANTS``.

    Raises:
        ValueError: If two of them do not go together.
    """
    options: dict[str, Any] = {}
    supernet: dict[str, Any] = {}
    alpha: dict[str, Any] = {}
    by_option: dict[str, str] = {}
    for name in names:
        variant = VARIANTS[name]
        for option in variant.options:
            other = by_option.setdefault(option, name)
            if other != name:
                raise ValueError(
                    f"{other} and {name} do not go together: both are a `{option}`, of which a "
                    "search has one. Take one of them."
                )
        options |= variant.options
        supernet |= variant.supernet
        alpha |= variant.alpha
    reason = _why_apart(**{"mixing": None, "selection": None, "stop": None, **options})
    if reason is not None:
        parts = [name for name in names if VARIANTS[name].options]
        raise ValueError(f"{' and '.join(parts)} do not go together: {reason} Take one of them.")
    return Variant(options=options, supernet=supernet, alpha=alpha)


def check_together(
    *,
    order: int,
    epochs: int,
    recipe: Recipe,
    alpha: AlphaRecipe,
    mixing: Mixing,
    selection: Perturbation | None,
    stop: EigenvalueStop | None,
    watch_eigenvalue: bool,
) -> None:
    """Refuse settings of a search that do not go together.

    Args:
        order: See ``DARTSObjective``, as for all others.
        epochs: Of the search.
        recipe: Of the weights.
        alpha: How alpha learns.
        mixing: From alpha to mixing weights.
        selection: How the architecture is derived, if not by alpha.
        stop: What ends the search early.
        watch_eigenvalue: Whether the eigenvalue is computed after each epoch.

    Raises:
        ValueError: With the reason.
    """
    _check_order(order, mixing, recipe)
    if alpha.warmup_epochs >= epochs:
        raise ValueError(
            f"`warmup_epochs` of alpha must be below the epochs of the search, {epochs}, or alpha "
            f"never learns, but got warmup_epochs={alpha.warmup_epochs}: search for longer, or "
            "warm up for less."
        )
    reason = _why_apart(mixing, selection, stop, watch_eigenvalue=watch_eigenvalue)
    if reason is not None:
        raise ValueError(reason)


def _check_order(order: int, mixing: Mixing, recipe: Recipe) -> None:
    if not is_int(order) or order not in (1, 2):
        raise ValueError(f"`order` must be 1 or 2, but got order={shown(order)}.")
    if order == 2 and mixing.draws:
        raise ValueError(
            f"`order` must be 1 with {mixing}, whose weights are drawn anew for every batch, but "
            "got order=2."
        )
    if order == 2 and recipe.optimizer != "sgd":
        raise ValueError(
            "`order` must be 1 unless the weights learn by SGD, whose next step can be foreseen, "
            f"but got order=2 and optimizer={recipe.optimizer!r}."
        )


def _why_apart(
    mixing: Mixing | None,
    selection: Perturbation | None,
    stop: EigenvalueStop | None,
    *,
    watch_eigenvalue: bool = False,
) -> str | None:
    """Say why mixing, selection and stop do not go together; None if they do."""
    if mixing is not None and mixing.hard:
        one = f"{mixing}, by which one choice alone has weight after an epoch"
        if stop is not None:
            return f"`stop` must be None with {one}: alpha has no Hessian then, but got {stop}."
        if watch_eigenvalue:
            return (
                f"`watch_eigenvalue` must be False with {one}: alpha has no Hessian then, but got "
                "watch_eigenvalue=True."
            )
        if selection is not None:
            return (
                f"`selection` must be None with {one}: without any other choice the supernet "
                f"stays the same, so that nothing can be compared, but got {selection}."
            )
    if selection is not None and stop is not None:
        return (
            f"`selection` must be None with {stop}, which goes back to the alphas of an earlier "
            f"epoch, whose weights are gone, but got {selection}."
        )
    return None
