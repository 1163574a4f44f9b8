"""Storage URLs for people: no password of any URL, parsed or not, is in what is shown."""

from __future__ import annotations

import traceback

import pytest

from optuna_nas.stores import open_storage, shown_storage, without_password
from optuna_nas.stores._location import parse_url

SECRET = "S3cret"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mysql+pymysql://nas:S3cret@host:3306/nas", "mysql+pymysql://nas:***@host:3306/nas"),
        ("mysql+pymysql://nas:S3cret@host:33o6/nas", "mysql+pymysql://nas:***@host:33o6/nas"),
        ("mysql+pymysql://nas:p@S3cret@host/nas", "mysql+pymysql://nas:***@host/nas"),
        ("mysql+pymysql://nas:S3cret/x:y@host/nas", "mysql+pymysql://nas:***@host/nas"),
        ("mysql+pymysql://nas:{S3cret}@host/nas", "mysql+pymysql://nas:***@host/nas"),
        ("mysql+pymysql://nas:p?S3cret@host/nas", "mysql+pymysql://nas:***"),
        ("mysql+pymysql://nas:p@q?S3cret@host/nas", "mysql+pymysql://nas:***"),
        ("mysql+pymysql://nas:S3cret", "mysql+pymysql://nas:***"),
        ("mysql+pymysql://nas:S3cret/nas", "mysql+pymysql://nas:***"),
        ("mysql+pymysql:///nas:S3cret@host/nas", "mysql+pymysql:///nas:***@host/nas"),
        ("mysql+pymysql:/nas:S3cret@host/nas", "mysql+pymysql:***@host/nas"),
        ("nas:S3cret@host/nas", "nas:***@host/nas"),
        ("postgresql://host/nas?password=S3cret", "postgresql://host/nas?password=***"),
        (
            "postgresql://u@host/nas?sslmode=require&sslpassword=S3cret&port=5",
            "postgresql://u@host/nas?sslmode=require&sslpassword=***&port=5",
        ),
        ("postgresql://host/nas?pass%77ord=p&S3cret", "postgresql://host/nas?pass%77ord=***&***"),
        ("postgresql://host:5/nas?password=p@S3cret", "postgresql://host:***"),
        ("mssql://host/?odbc_connect=UID%3Dx%3BPWD%3DS3cret", "mssql://host/?odbc_connect=***"),
        ("sqlite:///file:nas.db?password=S3cret", "sqlite:///file:nas.db?password=***"),
        ("sqlite+pysqlcipher://:S3cret@/nas.db", "sqlite+pysqlcipher://:***@/nas.db"),
    ],
)
def test_a_password_is_hidden_wherever_it_stands(url: str, shown: str) -> None:
    assert shown_storage(url) == shown
    assert SECRET not in shown
    assert without_password(f"no {url!r}!", url) == f"no {shown!r}!"


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("mysql+pymysql://nas:S3cret@host/nas", "S3cret"),
        ("mysql+pymysql://nas:S3%40cret@host/nas", "S3@cret"),
        ("mysql+pymysql://nas:p@S3/cret@host/nas", "p@S3/cret"),
        ("mysql+pymysql://nas:p?S3cret@host/nas", "p?S3cret"),
        ("mysql+pymysql://nas:S3cret", "S3cret"),
        ("postgresql://host/nas?user=nas&password=S3%20cret", "S3 cret"),
        ("postgresql://host/nas?password=S3&cret", "cret"),
    ],
)
def test_a_password_is_hidden_in_what_others_say(url: str, password: str) -> None:
    assert without_password(f"refused: '{password}', nas", url) == "refused: '***', nas"


@pytest.mark.parametrize("password", ["p@S3cret", "p:/S3cret", "{S3cret}", "p?S3cret", "S3%40"])
def test_a_password_is_read_as_it_is_written(password: str) -> None:
    parsed = parse_url(f"mysql+pymysql://nas:{password}@host:5/db?charset=utf8mb4")
    assert (parsed.username, parsed.password) == ("nas", password.replace("%40", "@"))
    assert (parsed.host, parsed.port, parsed.database) == ("host", 5, "db")


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///nas.db",
        "sqlite:////home/a:b@c/nas.db",
        "sqlite://",
        "sqlite:nas.db",
        "C:\\nas.db",
        "nas.db",
        "",
        "journal:runs/a:b@c.log",
        "postgresql+psycopg://nas@host:5432/nas?sslmode=require",
        "mysql+pymysql://[::1]:3306/nas",
        "redis://localhost",
    ],
)
def test_where_there_is_no_password_nothing_is_hidden(url: str) -> None:
    assert shown_storage(url) == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql+pymysql://nas:S3cret@127.0.0.1:33o6/nas", "the port must be a number"),
        ("mysql+pymysql://nas:p:@S3cret@127.0.0.1:1/nas", "check that the server runs|driver for"),
        ("mysql+pymysql://nas:p@S3?cret@127.0.0.1:1/nas", "in a password @ is written %40"),
        ("mysql+pymysql://nas:S3cret/nas", "the port must be a number"),
        ("mysql+pymysql://nas:S3cret@127.0.0.1:1/nas{x}", "a name without braces"),
        ("mysql+pymysql://nas:{S3cret}@127.0.0.1:1/nas", "check that the server runs|driver for"),
        ("postgresql+psycopg://nas:{S3cret@127.0.0.1:1/nas", "the server runs|driver for"),
        ("nosuch://nas:S3cret@host/nas", "must start with sqlite, postgresql, mysql"),
        ("sqlite:///no/such/nas.db?password=S3cret", "make the folder"),
    ],
)
def test_no_error_of_opening_shows_it_in_its_traceback(url: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        open_storage(url)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
