"""The server that tests run on."""

from __future__ import annotations

import psycopg

from tests.postgres import database, server


def test_each_test_has_an_empty_database_in_utf8(postgres_url: str, postgres_server: str) -> None:
    with database(postgres_server) as another, psycopg.connect(another) as connection:
        connection.execute("create table here (n integer)")
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone() == (0,)
        assert connection.execute("show server_encoding").fetchone() == ("UTF8",)
        assert connection.execute("show fsync").fetchone() == ("on",)
        assert connection.execute("select 'a' < 'Z', 'a' collate \"C\" < 'Z'").fetchone() == (True, False)


def test_a_server_may_be_asked_not_to_wait_for_the_disk_and_is_gone_after() -> None:
    with server(fsync="off") as urls:
        url = urls.format(name="postgres")
        with psycopg.connect(url) as connection:
            assert connection.execute("show fsync").fetchone() == ("off",)
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return
    raise AssertionError("it is still running")
