"""The JSON of a space or an architecture, checked for its form.

Whether the settings and the decisions are any good is up to the space.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna_nas._ground.bounds import MAX_TEXT
from optuna_nas._ground.checks import shown
from optuna_nas._ground.json import parse_json
from optuna_nas.keys import ARCHITECTURE_KEY

__all__ = ["check_identity", "jsonable", "note_of", "read_architecture"]

_NOTE_WAY_OUT = "Leave that trial out, or give its decisions: space.architecture(trial.params)."

_MOST_NESTED = 4  # of a setting; ours are tuples of tuples at most


def read_architecture(text: object, what: str, way_out: str) -> Mapping[str, Any]:
    """Read the JSON of an architecture: ``space``, ``version``, ``settings`` and ``params``.

    Args:
        text: The text that was found.
        what: The name of the text, for messages.
        way_out: Advice on a text that is no such JSON.

    Raises:
        ValueError: If it is something else.
    """
    try:
        data = parse_json(text, what, max_length=MAX_TEXT)
    except ValueError as error:
        raise ValueError(f"{error} {way_out}") from error
    check_identity(data, what, way_out, with_params=True)
    read: Mapping[str, Any] = data
    return read


def check_identity(
    identity: object, what: str, way_out: str, *, with_params: bool = False
) -> None:
    """Raise unless something has the form of ``space.identity``.

    Args:
        identity: The value that was found.
        what: Its name, for messages.
        way_out: Advice on another form.
        with_params: Whether there must be decisions, too.

    Raises:
        ValueError: If it has another form.
    """
    forms: dict[str, type] = {"space": str, "version": int, "settings": Mapping}
    if with_params:
        forms["params"] = Mapping
    if (
        not isinstance(identity, Mapping)
        or not all(isinstance(identity.get(key), form) for key, form in forms.items())
        or not all(_is_flat(setting) for setting in identity["settings"].values())
    ):
        raise ValueError(
            f"{what} must be JSON with {', '.join(forms)}, as Architecture.to_json() writes them, "
            f"but is {shown(identity)}. {way_out}"
        )


def _is_flat(setting: object, depth: int = 0) -> bool:
    if not isinstance(setting, list):
        return True
    return depth < _MOST_NESTED and all(_is_flat(inner, depth + 1) for inner in setting)


def jsonable(value: Any) -> Any:
    """Return a setting with lists in the place of tuples."""
    return [jsonable(v) for v in value] if isinstance(value, tuple) else value


def note_of(trial: Any, prefix: str) -> Mapping[str, Any] | None:
    """Return a trial's note of its architecture, unless it is about another prefix.

    Raises:
        ValueError: If the note is no JSON of an architecture.
    """
    user_attrs = trial.user_attrs
    if ARCHITECTURE_KEY not in user_attrs:
        return None
    what = f"The attribute `{ARCHITECTURE_KEY}` of trial {trial.number}"
    note = read_architecture(user_attrs[ARCHITECTURE_KEY], what, _NOTE_WAY_OUT)
    return note if note["settings"].get("prefix", "") == prefix else None
