"""Names of modules, weights and classes in code, whatever they are.

A name is data: somebody's folder, a key of an ``nn.ModuleDict``. It becomes an identifier where it
can be one, and a string literal everywhere else, never code.
"""

from __future__ import annotations

import keyword
import unicodedata

from optuna_nas.export._text import literal

__all__ = ["assignment", "attribute", "identifier"]


def identifier(text: str, fallback: str) -> str:
    """Turn a text into an identifier that is no keyword; ``fallback`` if nothing is left."""
    normal = unicodedata.normalize("NFKC", text)  # as Python reads identifiers
    inner = "".join(c if f"a{c}".isidentifier() else "_" for c in normal)
    if not inner.strip("_"):
        return fallback
    if inner.startswith("__"):  # a class would mangle it
        inner = f"_{inner.lstrip('_')}"
    if not inner.isidentifier():  # begins with a digit
        inner = f"_{inner}"
    return f"{inner}_" if keyword.iskeyword(inner) else inner


def attribute(owner: str, name: str) -> str:
    """Write how an attribute is read."""
    return f"{owner}.{name}" if _is_plain(name) else f"getattr({owner}, {literal(name)})"


def assignment(name: str) -> tuple[str, str]:
    """Write how an attribute of ``self`` is set: what stands before and behind the value."""
    if _is_plain(name):
        return f"self.{name} = ", ""
    return f"setattr(self, {literal(name)}, ", ")"


def _is_plain(name: str) -> bool:
    """Whether a name can stand behind a dot within a class and means the same there."""
    mangled = name.startswith("__") and not name.endswith("__")
    normal = unicodedata.normalize("NFKC", name) == name
    return name.isidentifier() and normal and not mangled and not keyword.iskeyword(name)
