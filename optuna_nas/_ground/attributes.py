"""Attributes of trials and studies, checked where they are read.

A storage is shared: other programs, people and damaged disks write to it as well. Every read of an
attribute therefore decodes it. A trial's malformed attribute counts as missing and is warned of
once; one that says what a study is must be right, since going on would mix results.

Example::

    LINEAGE = Attribute("optuna_nas:lineage", fields({"parents": list_of(integer())}), system=True)
    found = LINEAGE.read(trial)  # a dict, or None if it is missing or malformed
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import optuna
from optuna.study import Study

from optuna_nas._ground.checks import shown

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

__all__ = [
    "Attribute",
    "Decode",
    "Scalar",
    "fields",
    "integer",
    "json_value",
    "list_of",
    "mapping",
    "matching",
    "number",
    "optional",
    "pass_over",
    "real",
    "scalar",
    "text",
    "truth",
]

T = TypeVar("T")

Scalar: TypeAlias = "None | bool | int | float | str"
Decode: TypeAlias = Callable[[object], T]
"""Returns a value of the storage as what it must be.

Raises:
    ValueError: If it is malformed or out of bounds: "must be ..., but is ...".
"""

MAX_WARNINGS = 1_000  # per process; further ones are left out, and the last one says so
MAX_ITEMS = 100_000
MAX_TEXT = 10_000
MAX_DEPTH = 20
_LARGEST = sys.float_info.max
_ABSENT = object()
_NUMBERS = (bool, int, float)  # made once, since a decoder is called for every decision
_CONTAINERS = (dict, list, tuple)


@dataclass(frozen=True)
class Attribute(Generic[T]):
    """An attribute of trials or studies: its key, and what it must hold.

    Args:
        key: The key in the storage.
        decode: Checks a stored value; raises ValueError if it is malformed.
        system: Whether it is a system attribute, not a user attribute.
    """

    key: str
    decode: Decode[T]
    system: bool = False

    def read(self, owner: BaseTrial | Study) -> T | None:
        """The attribute of a trial or study; None if it is missing or malformed.

        A malformed one is warned of, once per process. System attributes of a live trial are not
        at hand: use :meth:`read_in`.
        """
        attributes = owner.system_attrs if self.system else owner.user_attrs  # type: ignore[union-attr]
        return self.read_in(attributes, owner)

    def read_in(self, attributes: Mapping[str, object], owner: BaseTrial | Study) -> T | None:
        """The same, of attributes that have been read already."""
        value = attributes.get(self.key, _ABSENT)
        if value is _ABSENT:
            return None
        try:
            return self.decode(value)
        except ValueError as e:
            pass_over(owner, self.key, f"{e}")
            return None

    def require(self, study: Study) -> T | None:
        """The attribute of a study that must not be guessed; None if it is missing.

        Raises:
            ValueError: If it is malformed.
        """
        value = study.user_attrs.get(self.key, _ABSENT)
        if value is _ABSENT:
            return None
        try:
            return self.decode(value)
        except ValueError as e:
            raise ValueError(
                f"The study {study.study_name!r} has a damaged attribute {self.key!r}: it {e}. "
                "Going on would mix results: restore a copy of the storage, or begin a study of "
                "another name."
            ) from e


def pass_over(owner: BaseTrial | Study, key: str, why: str) -> None:
    """Warn, once per process, that an attribute counts as missing.

    Args:
        owner: The trial or study.
        key: Key of the attribute.
        why: Rule that is broken: "must be ..., but is ...".
    """
    identity: tuple[object, object]
    if isinstance(owner, Study):
        whose, identity = f"study {owner.study_name!r}", (owner.study_name, None)
    else:  # a frozen trial does not know its study, but no two begin at the same microsecond
        whose, identity = f"trial {owner.number}", (owner.number, owner.datetime_start)
    left = _warned.take((*identity, key))
    if left is None:
        return
    silent = "" if left else " Further attributes like it are passed over without a word."
    optuna.logging.get_logger(__name__).warning(
        f"The attribute {key!r} of {whose} {why}. It counts as missing. Find out what else writes "
        f"to the storage, or restore a copy if more is damaged.{silent}"
    )


class _Warned:
    """Attributes that were warned of, up to ``MAX_WARNINGS``."""

    def __init__(self) -> None:
        self._seen: set[tuple[object, ...]] = set()
        self._lock = threading.Lock()

    def take(self, identity: tuple[object, ...]) -> int | None:
        """Note a warning; how many may follow it, or None if it is not to be given."""
        with self._lock:
            if identity in self._seen or len(self._seen) >= MAX_WARNINGS:
                return None
            self._seen.add(identity)
            return MAX_WARNINGS - len(self._seen)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._seen.clear()


_warned = _Warned()


def integer(at_least: int = 0, at_most: int = 2**63 - 1) -> Decode[int]:
    """Decode an integer within bounds; true and false are none."""

    def decode(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and at_least <= value <= at_most:
            return value
        raise _malformed(f"an integer in [{at_least}, {at_most}]", value)

    return decode


def number(at_least: float = -_LARGEST, at_most: float = _LARGEST) -> Decode[float]:
    """Decode a finite number within bounds; it stays an integer if it is one."""

    def decode(value: object) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and at_least <= value <= at_most:  # type: ignore[operator]
            return value  # type: ignore[return-value]
        raise _malformed(f"a finite number in [{at_least:g}, {at_most:g}]", value)

    return decode


def real(value: object) -> float:
    """Decode a number that may be infinite or NaN."""
    if isinstance(value, float) or (isinstance(value, int) and abs(value) <= _LARGEST):
        if not isinstance(value, bool):
            return value
    raise _malformed("a number", value)


def text(at_most: int = MAX_TEXT) -> Decode[str]:
    """Decode a text of at most so many characters."""

    def decode(value: object) -> str:
        if isinstance(value, str) and len(value) <= at_most:
            return value
        raise _malformed(f"a text of at most {at_most:,} characters", value)

    return decode


def matching(pattern: str, rule: str) -> Decode[str]:
    """Decode a text that a regular expression matches as a whole.

    Args:
        pattern: The regular expression.
        rule: The same in words.
    """
    compiled = re.compile(pattern)

    def decode(value: object) -> str:
        if isinstance(value, str) and compiled.fullmatch(value):
            return value
        raise _malformed(rule, value)

    return decode


def truth(value: object) -> bool:
    """Decode true or false."""
    if isinstance(value, bool):
        return value
    raise _malformed("true or false", value)


def scalar(value: object) -> Scalar:
    """Decode what a categorical choice can be: a number, text, true, false or null."""
    if isinstance(value, str):
        if len(value) <= MAX_TEXT:
            return value
    elif value is None or isinstance(value, _NUMBERS):
        return value
    raise _malformed("a number, a text, true, false or null", value)


def json_value(value: object, depth: int = MAX_DEPTH) -> Any:
    """Decode anything of JSON, nested at most ``MAX_DEPTH`` deep."""
    if not isinstance(value, _CONTAINERS) or not depth:
        return scalar(value)
    if isinstance(value, dict):
        return mapping(lambda inner: json_value(inner, depth - 1))(value)
    return list_of(lambda inner: json_value(inner, depth - 1))(value)


def optional(decode: Decode[T]) -> Decode[T | None]:
    """Decode null, or something else."""
    return lambda value: None if value is None else decode(value)


def list_of(decode: Decode[T], *, at_least: int = 0, at_most: int = MAX_ITEMS) -> Decode[list[T]]:
    """Decode a list of so many items."""

    def decode_list(value: object) -> list[T]:
        if not isinstance(value, list | tuple) or not at_least <= len(value) <= at_most:
            raise _malformed(f"a list of {at_least} to {at_most:,} items", value)
        return [decode(item) for item in value]

    return decode_list


def mapping(decode: Decode[T], *, at_most: int = MAX_ITEMS) -> Decode[dict[str, T]]:
    """Decode a mapping of names to values of one kind."""

    def decode_mapping(value: object) -> dict[str, T]:
        if not isinstance(value, dict) or len(value) > at_most:
            raise _malformed(f"a mapping of at most {at_most:,} names", value)
        decoded, name = {}, ""
        try:
            for name, item in value.items():
                if not isinstance(name, str) or len(name) > MAX_TEXT:
                    break
                decoded[name] = decode(item)
            else:
                return decoded
        except ValueError as e:
            raise _in_field(name, e) from e
        raise _malformed("a mapping of names", value)

    return decode_mapping


def fields(
    required: Mapping[str, Decode[Any]],
    optional: Mapping[str, Decode[Any]] | None = None,
    *,
    others: Decode[Any] | None = None,
) -> Decode[dict[str, Any]]:
    """Decode a mapping with fields of different kinds.

    Args:
        required: Fields that must be there.
        optional: Fields that may be there.
        others: Decodes all further ones; None: they are left out.
    """
    known = {**(optional or {}), **required}

    def decode_fields(value: object) -> dict[str, Any]:
        items: dict[str, object] = mapping(_anything)(value)
        if missing := sorted(required.keys() - items.keys()):
            raise _malformed(f"a mapping with {', '.join(missing)}", value)
        decoded, name = {}, ""
        try:
            for name, item in items.items():
                if (decode := known.get(name, others)) is not None:
                    decoded[name] = decode(item)
        except ValueError as e:
            raise _in_field(name, e) from e
        return decoded

    return decode_fields


def _anything(value: object) -> object:
    return value


def _in_field(name: str, error: ValueError) -> ValueError:
    return ValueError(f"has {shown(name)}, which {error}")


def _malformed(rule: str, value: object) -> ValueError:
    return ValueError(f"must be {rule}, but is {shown(value)}")
