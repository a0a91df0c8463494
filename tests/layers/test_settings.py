"""Settings: what an environment means, and a table of environments that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from geo.errors import RequestError
from layers.engine import libpq_parameters
from layers.settings import KEYS, Settings


def test_an_empty_environment_means_the_private_database() -> None:
    settings = Settings.from_environment({"HOME": "/home/someone"})
    assert settings.is_private
    assert settings.database == "onemap"
    assert settings.pg_dir.parent == settings.home


def test_root_keeps_its_data_where_another_user_may_reach_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert Settings.from_environment({"HOME": "/root"}).home == Path("/var/lib/onemap")


@pytest.mark.parametrize(
    ("environ", "home"),
    [
        ({"HOME": "/home/li"}, "/home/li/.local/share/onemap"),
        ({"HOME": "/home/li", "XDG_DATA_HOME": "/data/li"}, "/data/li/onemap"),
        ({"HOME": "/home/li", "XDG_DATA_HOME": "relative"}, "/home/li/.local/share/onemap"),
        ({"HOME": "/home/li", "ONEMAP_HOME": "/srv/onemap"}, "/srv/onemap"),
    ],
)
def test_a_plain_user_keeps_data_in_the_home(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], home: str
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert Settings.from_environment(environ).home == Path(home)


def test_every_key_is_read(tmp_path: Path) -> None:
    city = tmp_path / "city.csv"
    city.touch()
    environ = {
        "DATABASE_URL": "postgres://li:secret@db.example:5433/city",
        "DATABASE_URL_READ": "postgresql://reader@db.example/city",
        "ONEMAP_HOME": str(tmp_path),
        "ONEMAP_DATABASE": "city_2",
        "ONEMAP_PG_BIN": str(tmp_path),
        "ONEMAP_READER_TIMEOUT_S": "2.5",
        "ONEMAP_WRITER_TIMEOUT_S": "0",
        "ONEMAP_POOL_SIZE": "7",
        "ONEMAP_LINK_MAX_M": "250",
        "ONEMAP_ENTRANCE_WITHIN_M": "0",
        "ONEMAP_CITY_FILE": str(city),
    }
    assert environ.keys() == KEYS.keys()
    assert Settings.from_environment(environ) == Settings(
        home=tmp_path,
        database_url="postgresql+psycopg://li:secret@db.example:5433/city",
        database_url_read="postgresql+psycopg://reader@db.example/city",
        database="city_2",
        pg_bin=tmp_path,
        reader_timeout_s=2.5,
        writer_timeout_s=0.0,
        pool_size=7,
        link_max_m=250.0,
        entrance_within_m=0.0,
        city_file=city,
    )


@pytest.mark.parametrize(
    ("key", "value", "found"),
    [
        ("DATABASE_URL", "mysql://a:b@c/d", "mysql"),
        ("DATABASE_URL", "postgresql+asyncpg://a@b/c", "asyncpg"),
        ("DATABASE_URL", "not an address", "not a database address"),
        ("DATABASE_URL", "postgresql://user:secret@host:5432", "names no database"),
        ("DATABASE_URL", "postgresql://user:secret@host:port/name", "not a database address"),
        ("ONEMAP_HOME", __file__, "is a file"),
        ("ONEMAP_HOME", "a\0b", "NUL"),
        ("ONEMAP_PG_BIN", __file__, "is a file"),
        ("ONEMAP_DATABASE", "City", "small letters"),
        ("ONEMAP_DATABASE", "1city", "digit"),
        ("ONEMAP_DATABASE", 'x"; DROP DATABASE y', "small letters"),
        ("ONEMAP_DATABASE", "a" * 64, "small letters"),
        ("ONEMAP_READER_TIMEOUT_S", "0", "from 0.1"),
        ("ONEMAP_READER_TIMEOUT_S", "soon", "expected a number"),
        ("ONEMAP_READER_TIMEOUT_S", "nan", "expected a number"),
        ("ONEMAP_READER_TIMEOUT_S", "inf", "expected a number"),
        ("ONEMAP_WRITER_TIMEOUT_S", "-1", "from 0"),
        ("ONEMAP_POOL_SIZE", "2.5", "whole number"),
        ("ONEMAP_POOL_SIZE", "0", "from 1"),
        ("ONEMAP_POOL_SIZE", "٣", "whole number"),
        ("ONEMAP_LINK_MAX_M", "0", "from 1"),
        ("ONEMAP_ENTRANCE_WITHIN_M", "501", "to 500"),
        ("ONEMAP_CITY_FILE", "/no/such/file.csv", "no file"),
        ("ONEMAP_HOMES", "/srv", "no such setting"),
    ],
)
def test_bad_values_are_refused(key: str, value: str, found: str) -> None:
    with pytest.raises(RequestError, match=found) as caught:
        Settings.from_environment({key: value})
    assert caught.value.parameter == key
    assert "secret" not in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(RequestError) as caught:
        Settings.from_environment({"ONEMAP_POOL_SIZE": "x", "ONEMAP_LINK_MAX_M": "y", "ONEMAP_NOPE": "z"})
    assert all(key in caught.value.message for key in ("ONEMAP_POOL_SIZE", "ONEMAP_LINK_MAX_M", "ONEMAP_NOPE"))


def test_a_reading_address_alone_is_refused() -> None:
    with pytest.raises(RequestError, match="needs DATABASE_URL"):
        Settings.from_environment({"DATABASE_URL_READ": "postgresql://a/b"})


def test_an_address_may_name_several_servers() -> None:
    url = "postgresql://li:secret@one:5433,two,three:5435/city?target_session_attrs=any"
    settings = Settings.from_environment({"DATABASE_URL": url})
    assert libpq_parameters(settings, role="owner") == {
        "user": "li",
        "password": "secret",
        "host": "one,two,three",
        "port": "5433,,5435",
        "dbname": "city",
        "target_session_attrs": "any",
    }


def test_an_empty_value_counts_as_absent() -> None:
    assert Settings.from_environment({"DATABASE_URL": "", "ONEMAP_POOL_SIZE": " "}).is_private


def test_settings_never_show_a_password() -> None:
    settings = Settings.from_environment({"DATABASE_URL": "postgresql://li:secret@host/db"})
    assert "secret" not in repr(settings)
