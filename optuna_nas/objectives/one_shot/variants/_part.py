"""The common base of mixing, selection and stopping: values that a study keeps."""

from __future__ import annotations

import dataclasses
import json
from abc import ABC
from typing import Any, ClassVar

from optuna_nas._ground.checks import shown

__all__ = ["VariantPart", "require_part"]


class VariantPart(ABC):
    """A part of a variant of DARTS.

    A subclass is a frozen dataclass whose fields are numbers, strings and tuples, with a
    :attr:`name` of its own. A study keeps the name and the fields, and refuses to go on with
    others.

    Raises:
        TypeError: If a subclass has no name of its own.
    """

    kind: ClassVar[str]
    """Option of :class:`DARTSVariant` that takes such a part."""

    name: ClassVar[str]
    """Name under which a study keeps the part, never to be changed."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if ABC in cls.__bases__:  # a base of others, which is never kept itself
            return
        # By an inherited name a study would go on with another algorithm than it was created with.
        name = cls.__dict__.get("name")
        if not isinstance(name, str) or not name:
            raise TypeError(
                f"{cls.__name__} must have a `name`, under which studies keep it, but has "
                f'{shown(name)}: write `name: ClassVar[str] = "{cls.__name__}"` into the class.'
            )

    def to_dict(self) -> dict[str, Any]:
        """Return name and fields, ready for JSON.

        Raises:
            TypeError: If the class is no frozen dataclass.
        """
        own = type(self).__dict__.get("__dataclass_params__")
        if own is None or not own.frozen:  # without it, fields would be missing in silence
            raise TypeError(
                f"{type(self).__name__} must be a frozen dataclass, so that studies can keep its "
                "fields: put @dataclass(frozen=True) above the class."
            )
        return {self.kind: self.name, **dataclasses.asdict(self)}  # type: ignore[call-overload]


def require_part(value: object, base: type[VariantPart], example: str) -> None:
    """Refuse what is no part of a kind, or cannot be kept.

    Args:
        value: Value of the option.
        base: Base of such parts; its ``kind`` is the name of the option.
        example: Code that could be written instead.

    Raises:
        TypeError: If so.
    """
    option = base.kind
    if not isinstance(value, base):
        is_class = isinstance(value, type) and issubclass(value, base)
        way_out = f"write {value.__name__}()" if is_class else f"take {example}"  # type: ignore[attr-defined]
        raise TypeError(
            f"`{option}` must be an instance of {base.__name__}, but got {shown(value)}: "
            f"{way_out}."
        )
    try:
        json.dumps(value.to_dict())
    except (TypeError, ValueError) as error:
        if "frozen dataclass" in str(error):
            raise
        raise TypeError(
            f"`{option}` must have fields that JSON can hold, but got {shown(value)}: {error}. "
            "Take numbers, strings and tuples of them."
        ) from error
