"""A variant of DARTS as one value, and which of its parts go together.

What goes together follows from what the parts say of themselves (``samples``, ``hard``,
``needs_mixture``, ``needs_eigenvalue``, ``goes_back``), and stands here alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from optuna_nas._ground.checks import is_int, require_bool, shown
from optuna_nas.objectives.one_shot.variants._mixing import Mixing, SoftmaxMixing
from optuna_nas.objectives.one_shot.variants._part import require_part
from optuna_nas.objectives.one_shot.variants._selection import Selection
from optuna_nas.objectives.one_shot.variants._stopping import Stopping

if TYPE_CHECKING:
    from optuna_nas.objectives.one_shot._alpha_recipe import AlphaRecipe
    from optuna_nas.training import Recipe

__all__ = ["DARTSVariant", "check_variant", "combine_variants"]

PARTS = ("mixing", "selection", "stop")  # of which a search has one each


@dataclasses.dataclass(frozen=True, kw_only=True)
class DARTSVariant:
    """Difference of a search by alphas from that of DARTS, as a value.

    Args:
        order: 1: alpha's gradient takes the weights as they are; 2: as they will be after their
            next step, at about three times the cost. Default: 1.
        mixing: From alpha to mixing weights. Default: ``SoftmaxMixing()``, as DARTS.
        selection: How the architecture is derived from the trained supernet. Default: None, by
            alpha.
        stop: When the search ends before its last epoch. Default: None, never.
        watch_eigenvalue: Whether the largest eigenvalue of alpha's Hessian is computed after each
            epoch; a ``stop`` that needs it has it computed, too. Default: False.
        supernet: Arguments of ``space.supernet`` that belong to the variant. Default: none.
        alpha: Fields of :class:`AlphaRecipe` that belong to the variant. Default: none.
        name: Name in ``optuna-nas darts --variant``, which published variants have.

    Raises:
        ValueError: If the parts do not go together, or ``order`` is neither 1 nor 2.
        TypeError: If a part is none, or a study could not keep it.

    Example::

        from optuna_nas.objectives import DARTSObjective, DARTSVariant, GumbelMixing

        variant = DARTSVariant(mixing=GumbelMixing(tau_start=5.0), alpha={"lr": 1e-3})
        objective = DARTSObjective(space, "cifar10", variant=variant)
    """

    order: int = 1
    mixing: Mixing = dataclasses.field(default_factory=SoftmaxMixing)
    selection: Selection | None = None
    stop: Stopping | None = None
    watch_eigenvalue: bool = False
    supernet: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    alpha: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        if not is_int(self.order) or self.order not in (1, 2):
            raise ValueError(f"`order` must be 1 or 2, but got order={shown(self.order)}.")
        require_part(self.mixing, Mixing, "SoftmaxMixing()")
        if self.selection is not None:
            require_part(self.selection, Selection, "Perturbation()")
        if self.stop is not None:
            require_part(self.stop, Stopping, "EigenvalueStop()")
        require_bool("watch_eigenvalue", self.watch_eigenvalue)
        reason = _why_apart(self)
        if reason is not None:
            raise ValueError(reason)

    @property
    def needs_eigenvalue(self) -> bool:
        """Whether the eigenvalue is computed after each epoch."""
        return self.watch_eigenvalue or (self.stop is not None and self.stop.needs_eigenvalue)

    @property
    def parts(self) -> dict[str, Any]:
        """Mixing, selection and stop, where they differ from DARTS, by option."""
        plain = {"mixing": SoftmaxMixing(), "selection": None, "stop": None}
        return {part: getattr(self, part) for part in PARTS if getattr(self, part) != plain[part]}


def combine_variants(variants: Sequence[DARTSVariant]) -> DARTSVariant:
    """Return several variants as one; of a number that two of them set, the later one counts.

    Args:
        variants: Published ones, such as ``[PC_DARTS, DARTS_PT]``; none is plain DARTS.

    Raises:
        ValueError: If two of them do not go together.
    """
    parts: dict[str, Any] = {}
    supernet: dict[str, Any] = {}
    alpha: dict[str, Any] = {}
    by_part: dict[str, str] = {}
    for variant in variants:
        for part in variant.parts:
            other = by_part.setdefault(part, variant.name)
            if other != variant.name:
                raise ValueError(
                    f"{other} and {variant.name} do not go together: both are a `{part}`, of "
                    "which a search has one. Take one of them."
                )
        parts |= variant.parts
        supernet |= variant.supernet
        alpha |= variant.alpha
    name = "+".join(variant.name for variant in variants)
    try:
        return DARTSVariant(**parts, supernet=supernet, alpha=alpha, name=name)
    except ValueError as error:
        named = [variant.name for variant in variants if variant.parts]
        raise ValueError(
            f"{' and '.join(named)} do not go together: {error} Take one of them."
        ) from error


def check_variant(
    variant: DARTSVariant, *, epochs: int, recipe: Recipe, alpha: AlphaRecipe
) -> None:
    """Refuse settings of a search that do not go together with its variant.

    Args:
        variant: Variant of the search.
        epochs: Number of epochs of the search.
        recipe: Recipe of the weights.
        alpha: Recipe of alpha.

    Raises:
        ValueError: With the reason.
    """
    if variant.order == 2 and recipe.optimizer != "sgd":
        raise ValueError(
            "`order` must be 1 unless the weights learn by SGD, whose next step can be foreseen, "
            f"but got order=2 and optimizer={recipe.optimizer!r}."
        )
    if alpha.warmup_epochs >= epochs:
        raise ValueError(
            f"`warmup_epochs` of alpha must be below the epochs of the search, {epochs}, or alpha "
            f"never learns, but got warmup_epochs={alpha.warmup_epochs}: search for longer, or "
            "warm up for less."
        )


def _why_apart(variant: DARTSVariant) -> str | None:
    """Say why the parts of a variant do not go together; None if they do."""
    mixing, selection, stop = variant.mixing, variant.selection, variant.stop
    if variant.order == 2 and mixing.samples:
        # The step ahead and the finite difference run a batch several times, each with weights
        # of its own then: their difference would be noise.
        return (
            f"`order` must be 1 with {mixing}, whose weights are sampled anew for every batch, "
            "but got order=2."
        )
    if mixing.hard:
        one = f"{mixing}, by which one choice alone has weight after an epoch"
        if stop is not None and stop.needs_eigenvalue:
            return f"`stop` must be None with {one}: alpha has no Hessian then, but got {stop}."
        if variant.watch_eigenvalue:
            return (
                f"`watch_eigenvalue` must be False with {one}: alpha has no Hessian then, but got "
                "watch_eigenvalue=True."
            )
        if selection is not None and selection.needs_mixture:
            return (
                f"`selection` must be None with {one}: without any other choice the supernet "
                f"stays the same, so that nothing can be compared, but got {selection}."
            )
    if selection is not None and stop is not None and stop.goes_back:
        return (
            f"`selection` must be None with {stop}, which goes back to the alphas of an earlier "
            f"epoch, whose weights are gone, but got {selection}."
        )
    return None
