"""What an address of a database says holds, for the server and for the programs that back it up."""

from __future__ import annotations

import pytest

from rollbook.server.configuration import ConfigurationError, configuration, database
from rollbook.server.operation.backup import _environment

SECRETS = {"ROLLBOOK_SECRET_KEY": "s" * 32, "ROLLBOOK_DIGEST_KEY": "d" * 32}


def test_how_a_database_is_to_be_connected_to_is_never_passed_over() -> None:
    url = "postgresql://ana:p%40ss@db.example:5433/roll?sslmode=verify-full&sslrootcert=%2Fetc%2Fca%20file.pem"
    found = database(url)
    assert (found["HOST"], found["PORT"], found["USER"], found["PASSWORD"]) == ("db.example", 5433, "ana", "p@ss")
    assert found["OPTIONS"]["sslmode"] == "verify-full"
    assert found["OPTIONS"]["sslrootcert"] == "/etc/ca file.pem"
    assert found["OPTIONS"]["options"] == "-c jit=off -c timezone=UTC"
    programs = _environment(found)
    assert (programs["PGSSLMODE"], programs["PGSSLROOTCERT"]) == ("verify-full", "/etc/ca file.pem")
    assert (programs["PGHOST"], programs["PGCONNECT_TIMEOUT"]) == ("db.example", "10")


def test_a_socket_s_folder_is_a_host() -> None:
    found = database("postgresql://rollbook@/roll?host=/var/run/postgresql")
    assert (found["HOST"], found["NAME"]) == ("/var/run/postgresql", "roll")
    assert "host" not in found["OPTIONS"]


@pytest.mark.parametrize("query", ["sslmod=require", "host=/run&options=-cfsync=off", "password=x"])
def test_what_is_not_known_of_a_connection_is_refused_and_not_left_out(query: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        configuration(SECRETS | {"DATABASE_URL": f"postgresql://rollbook@/roll?{query}"})
    [problem] = refused.value.problems
    assert problem.place == "DATABASE_URL"
    assert "sslmode" in problem.rule


def test_nobody_waits_for_ever_for_a_host_and_the_database_is_told_who_is_connected() -> None:
    assert database("postgresql://rollbook@db.example/roll")["OPTIONS"]["connect_timeout"] == "10"
    found = database("postgresql://rollbook@db.example/roll?connect_timeout=3&application_name=rollbook%20one")
    assert (found["OPTIONS"]["connect_timeout"], found["OPTIONS"]["application_name"]) == ("3", "rollbook one")
    assert (_environment(found)["PGCONNECT_TIMEOUT"], _environment(found)["PGAPPNAME"]) == ("3", "rollbook one")
    for wrong in ("", "soon", "-1", "1.5"):
        with pytest.raises(ValueError, match="connect_timeout is no whole number"):
            database(f"postgresql://rollbook@db.example/roll?connect_timeout={wrong}")
