"""Names of files and folders for what has any name, such as a study."""

from __future__ import annotations

import hashlib
import os
import re

__all__ = ["file_name"]

_LONGEST = 255  # bytes, of nearly all file systems
# Separators, control characters, a dash in front (an option to a command), and a percent sign
# that would be read as an escape; on Windows also what no name may have there.
_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f]|^-|%(?=[0-9A-Fa-f]{2})")
_UNSAFE_ON_WINDOWS = re.compile(rf'{_UNSAFE.pattern}|[<>:"|?*]')


def file_name(text: str, suffix: str = "") -> str:
    """Return a name for a file or folder in one place, different for different texts.

    Texts that can stand in a name are kept. In others the unsafe characters are escaped as in a
    URL, and one that is too long is cut, with a checksum of the whole behind it.

    Example:
        >>> from optuna_nas.stores import file_name
        >>> file_name("nas", "-final"), file_name("../nas", "-final")
        ('nas-final', '..%2Fnas-final')

    Args:
        text: Such as the name of a study.
        suffix: Stands behind it, and must make a safe name of ``.`` and ``..``.
    """
    unsafe = _UNSAFE_ON_WINDOWS if os.name == "nt" else _UNSAFE
    escaped = unsafe.sub(lambda found: f"%{ord(found[0]):02X}", text)
    room = _LONGEST - len(os.fsencode(suffix))
    if len(os.fsencode(escaped)) > room:
        checksum = hashlib.sha256(os.fsencode(text)).hexdigest()[:32]
        kept = os.fsencode(escaped)[: room - len(checksum) - 1].decode(errors="ignore")
        escaped = f"{kept}-{checksum}"
    return f"{escaped}{suffix}"
