"""Makes the arguments of a search by alphas again from what a study keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna_nas.objectives.identity import as_field, ask_for, rebuilt, recipe_from, subclasses
from optuna_nas.objectives.one_shot._alpha_recipe import AlphaRecipe
from optuna_nas.objectives.one_shot.variants import DARTSVariant, Mixing, Selection, Stopping

if TYPE_CHECKING:
    from optuna_nas.objectives.identity import DARTSIdentity, StudyIdentity

__all__ = ["kept_arguments"]


def kept_arguments(identity: StudyIdentity, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of :class:`DARTSObjective` beside space and data.

    Args:
        identity: Identity of a study of such an objective.
        given: Arguments that go before those of the identity, which are not made.

    Raises:
        ValueError: If one is of the user's own and must be given.
    """
    assert identity.darts is not None
    darts, evaluation = identity.darts, identity.darts.evaluation
    kept: dict[str, Any] = {
        "epochs": identity.epochs,
        "supernet": identity.supernet,
        "recipe": identity.training_recipe(),
        "build": identity.build,
        "alpha": AlphaRecipe(
            share=darts.alpha_share,
            **{name: as_field(value) for name, value in darts.alpha.items()},
        ),
        "value": darts.value,
    }
    if "variant" not in given:
        kept["variant"] = _variant(darts)
    if evaluation is not None:
        if evaluation.evaluator is not None and "evaluator" not in given:
            ask_for("evaluator", evaluation.evaluator)
        recipe = None if evaluation.recipe is None else recipe_from(evaluation.recipe)
        kept |= {"eval_epochs": evaluation.epochs, "eval_recipe": recipe}
    return kept


def _variant(darts: DARTSIdentity) -> DARTSVariant:
    """Return the variant of which a study keeps the parts.

    Raises:
        ValueError: If a part is of none of the classes that there are in this process.
    """
    kinds: dict[str, tuple[type[Any], Mapping[str, Any] | None]] = {
        "mixing": (Mixing, darts.mixing),
        "selection": (Selection, darts.selection),
        "stop": (Stopping, darts.stop),
    }
    parts = {}
    for name, (base, told) in kinds.items():
        if told is not None:
            settings = {key: value for key, value in told.items() if key != name}
            parts[name] = rebuilt("variant", subclasses(base), settings, told, of="to_dict")
    return DARTSVariant(order=darts.order, **parts)
