"""Places that a storage URL names on the disk, and its text without its password.

Accepted are SQLAlchemy's URLs and one scheme of our own, ``journal:PATH``.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote, unquote_plus

import sqlalchemy.engine
import sqlalchemy.exc

__all__ = [
    "HIDDEN",
    "artifact_directory",
    "escaped_url",
    "journal_path",
    "parse_url",
    "require_no_braces",
    "shown_storage",
    "sqlite_path",
    "without_password",
]

HIDDEN = "***"
"""Stands where a password was."""

_JOURNAL = "journal:"
_FILE = re.compile(r"sqlite[\w+]*:(?!//[^/])|[A-Za-z]:[\\/]")  # nobody logs in to a file
_SECRET = re.compile("pass|pwd|secret|token|cred", re.IGNORECASE)  # names of settings
_NO_PORT = re.compile(r"(\[[^\]]*\]|[^:/\[]*):(?!\d*(/|\Z))")  # a host without a port's number
_ACCEPTED = (
    "sqlite:///nas.db, postgresql+psycopg://user@host/database, "
    "mysql+pymysql://user@host/database or journal:nas.log"
)


def artifact_directory(url: str) -> Path:
    """Return the default folder for the artifacts of the studies in a storage.

    The folder stands beside a SQLite or journal file; for a database server and for a database
    in memory it is ``optuna-nas-artifacts`` in the working directory. It is not created here.

    Example:
        >>> from optuna_nas.stores import artifact_directory
        >>> artifact_directory("sqlite:///nas.db").name
        'nas.db-artifacts'

    Args:
        url: A storage URL as :func:`open_storage` takes it.

    Raises:
        ValueError: If ``url`` is no storage URL.
    """
    path = journal_path(url) or sqlite_path(parse_url(url))
    if path is None:
        return Path("optuna-nas-artifacts")
    return path.with_name(f"{path.name}-artifacts")


def shown_storage(url: str) -> str:
    """Return a storage URL for people and logs, with ``***`` for its password.

    It takes any text: in doubt, as where a URL cannot be parsed, it hides more than the password.

    Example:
        >>> from optuna_nas.stores import shown_storage
        >>> shown_storage("mysql+pymysql://nas:S3cret@host:33o6/nas?charset=utf8mb4")
        'mysql+pymysql://nas:***@host:33o6/nas?charset=utf8mb4'

    Args:
        url: A storage URL as :func:`open_storage` takes it, or one that it refuses.
    """
    return _shown(url)[0]


def without_password(text: str, url: str) -> str:
    """Return a text with ``***`` for the password of a storage URL, wherever it stands."""
    shown, secrets = _shown(url)
    text = text.replace(url, shown)
    for secret in sorted(secrets, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", HIDDEN, text)
    return text


def journal_path(url: str) -> Path | None:
    """Return the file of ``journal:PATH`` or ``journal:///PATH``, None for other schemes.

    As in SQLite's URLs a path after three slashes is relative and one after four is absolute.
    """
    if not url.startswith(_JOURNAL):
        return None
    rest = url.removeprefix(_JOURNAL)
    path = rest.removeprefix("///")
    if not path or path.endswith("/") or (path == rest and path.startswith("//")):
        raise ValueError(
            f"`url` must name the journal's file, but got url={url!r}: write journal:nas.log for "
            "a file in the working directory or journal:/folder/nas.log for an absolute path."
        )
    return Path(path)


def parse_url(url: str) -> sqlalchemy.engine.URL:
    """Return the parts of an SQLAlchemy URL, or say how one is written."""
    try:
        return sqlalchemy.engine.make_url(escaped_url(url))
    except (sqlalchemy.exc.ArgumentError, ValueError):
        # Without its cause, which may quote a part of the password: int("S3cret@host").
        raise ValueError(
            f"`url` must be a storage URL such as {_ACCEPTED}, but got "
            f"url={shown_storage(url)!r}{_hint(url)}."
        ) from None


def escaped_url(url: str) -> str:
    """Return a URL whose user and password are read as they are written.

    SQLAlchemy ends a password at the first ``@`` and would tell of the rest as the host; Optuna
    takes braces for placeholders of its own.

    Raises:
        ValueError: If nobody can say where the password ends.
    """
    scheme, user, place, settings = _split(url)
    if user and "@" in settings:
        raise ValueError("a password with both @ and ?")
    name = user.removesuffix("@")
    for character in "@{}":
        name = name.replace(character, quote(character))
    return f"{scheme}{name}{'@' if user else ''}{place}{settings}"


def require_no_braces(url: str) -> None:
    """Refuse placeholders that Optuna does not know.

    Raises:
        ValueError: If there are such.
    """
    try:
        url.format(SCHEMA_VERSION=0)
    except (LookupError, ValueError, AttributeError):
        raise ValueError(
            "`url` must lead to a database that Optuna can use, but Optuna takes the braces of "
            f"url={shown_storage(url)!r} for a placeholder: take a name without braces, and write "
            "%7B and %7D in a setting after the question mark."
        ) from None


def sqlite_path(url: sqlalchemy.engine.URL) -> Path | None:
    """Return the file of a SQLite URL, None for a database in memory or on a server."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database == ":memory:":
        return None
    return Path(url.database)


def _split(url: str) -> tuple[str, str, str, str]:
    """Return ``scheme://``, ``user:password@``, ``host:port/database`` and ``?settings``.

    The parts make up the URL. SQLAlchemy ends a password at the first ``@``; here it is the last
    one before the settings, so that no part of a password is taken for the host.
    """
    start = url.find("://") + len("://") if "://" in url else 0
    scheme, rest = url[:start], url[start:]
    place, question, settings = rest.partition("?")
    end = 0 if _FILE.match(url) else place.rfind("@") + 1
    return scheme, place[:end], place[end:], question + settings


def _shown(url: str) -> tuple[str, set[str]]:
    """Return a URL without its secrets, and these as they are written and as they are meant."""
    if url.startswith(_JOURNAL):
        return url, set()
    scheme, user, place, settings = _split(url)
    is_file = _FILE.match(url) is not None
    rest = user + place + settings
    if "@" in settings and not is_file:  # perhaps a password with a question mark
        open_end = re.search("[:?]", rest)
    else:  # perhaps a password whose host is missing
        open_end = None if user or is_file else _NO_PORT.match(place)
    if open_end is not None:
        shown, tail = f"{scheme}{rest[: open_end.end() - 1]}:{HIDDEN}", rest[open_end.end() :]
        secrets = {tail, tail.rpartition("@")[0], tail.partition("/")[0]}
    else:
        name, colon, password = user.removesuffix("@").partition(":")
        pieces, in_settings = _shown_settings(settings)
        shown = f"{scheme}{f'{name}:{HIDDEN}@' if colon else user}{place}{pieces}"
        secrets = {password, *in_settings}
    return shown, {t for secret in secrets for t in (secret, unquote_plus(secret)) if t}


def _shown_settings(settings: str) -> tuple[str, set[str]]:
    """Return ``?name=value&...`` without its secrets, and these."""
    shown, secrets, in_secret = [], set(), False
    for setting in settings.removeprefix("?").split("&"):
        name, equals, value = setting.partition("=")
        if equals:
            in_secret = _SECRET.search(unquote_plus(setting)) is not None
        if not in_secret:
            shown.append(setting)
            continue
        # A piece without a name may be the rest of a password that has an ampersand.
        shown.append(f"{name}={HIDDEN}" if equals else HIDDEN)
        secrets.add(value if equals else name)
    return settings[:1] + "&".join(shown), secrets


def _hint(url: str) -> str:
    """Return what may be wrong with a URL that has all its parts, else nothing."""
    scheme, user, place, _ = _split(url)
    if not scheme or not (user or ":" in place):
        return ""
    return (
        ": the port must be a number, and in a password @ is written %40, : %3A, / %2F, ? %3F "
        "and % %25"
    )
