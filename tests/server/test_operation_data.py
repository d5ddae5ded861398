"""History taken in, counted again, backed up and brought back: with the commands, over a database of its own."""

from __future__ import annotations

import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg
import pytest

import rollbook
from rollbook.server.configuration import database
from rollbook.server.operation import backup as backups
from tests import server_settings
from tests.postgres import database as postgres_database
from tests.server.operated import Operated

ACADEMY = str(Path(rollbook.__file__).parent / "samples" / "academy.csv")
POSTGRESQL = server_settings.KIND == "postgresql"

AGREE = """
from datetime import date
from rollbook import plans
from rollbook.model.subscription import Subscription
from rollbook.server.live import contracts, metering
from rollbook.server.clock import now_us
from rollbook.server.models import Customer, Organisation
customer = Customer.objects.create(name='Academy')
for name in ('academy-north', 'academy-south'):
    Organisation.objects.create(name=name, customer=customer)
for meter, plan in (('a', 'monthly-login'), ('b', 'reach360-starter'), ('c', 'wisenet-elearning')):
    agreed = Subscription(plan=plans.find_plan(plan), start=date(2026, 1, 1), end=date(2027, 1, 1), customer='Academy')
    metering.rebuild(contracts.subscribe(customer, agreed, meter=meter), now_us())
"""

COUNTED = """
from django.db import connection
with connection.cursor() as cursor:
    for table in ('fact', 'activation', 'holding', 'tally', 'person'):
        cursor.execute(f'select count(*) from {table}')
        print(table, cursor.fetchone()[0])
    cursor.execute('select subscription, window_number, count(*), min(first_us), max(first_us) from activation '
                   'group by subscription, window_number order by 1, 2')
    print(cursor.fetchall())
"""


@pytest.fixture
def databases(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Operated, Operated]]:
    """A server with a customer on three plans and nothing counted yet, and an empty database."""
    with ExitStack() as held:
        if POSTGRESQL:
            urls = request.getfixturevalue("postgres_server")
            first, second = (held.enter_context(postgres_database(urls)) for _ in range(2))
        else:
            first, second = (f"sqlite:///{tmp_path}/{name}.db" for name in ("first", "second"))
        made = Operated(tmp_path, first)
        made.done("migrate")
        made.python(AGREE)
        yield made, Operated(tmp_path, second)


def test_history_is_taken_in_backed_up_brought_back_and_counts_the_same(databases: tuple[Operated, Operated]) -> None:
    made, empty = databases
    receipt = dict(reversed(line.split()) for line in made.done("import", ACADEMY).splitlines())
    # The sample has 703 facts, each once.
    assert receipt == {"received": "703", "new": "703", "repeats": "0", "held": "0", "rejected": "0"}
    again = dict(reversed(line.split()) for line in made.done("import", ACADEMY).splitlines())
    assert (again["new"], again["repeats"]) == ("0", "703")
    ran = made.call("recount")
    assert (ran.returncode, ran.stdout) == (0, "")
    assert "3 subscriptions counted again: 0 differences" in ran.stderr

    file = made.folder / "rollbook.backup"
    made.done("backup", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    counted = made.python(COUNTED)
    assert "fact 703" in counted

    refused = made.call("restore", str(file))
    assert refused.returncode == 2
    assert "holds something already" in refused.stderr
    assert made.python(COUNTED) == counted

    empty.more = {"ROLLBOOK_DIGEST_KEY": "another-key-than-that-of-this-database"}
    other = empty.call("restore", str(file))
    assert other.returncode == 2
    assert "restored, but it cannot be used with this ROLLBOOK_DIGEST_KEY" in other.stderr
    empty.more = {}
    empty.done("migrate")
    assert empty.python(COUNTED) == counted
    assert empty.call("recount").returncode == 0
    # It goes on where it was: the same facts are repeats there too, and erased ids would be recognised.
    assert dict(reversed(it.split()) for it in empty.done("import", ACADEMY).splitlines())["repeats"] == "703"


def test_a_ledger_is_taken_in_as_the_exports_are_of_which_it_was_built(databases: tuple[Operated, Operated]) -> None:
    made, _ = databases
    ledger = str(made.folder / "ledger")
    made.done("ledger", "build", ACADEMY, ledger)
    for source, new in ((ledger, "703"), (ACADEMY, "0")):
        receipt = dict(reversed(it.split()) for it in made.done("import", source).splitlines())
        assert (receipt["new"], receipt["repeats"]) == (new, str(703 - int(new)))


def test_facts_of_closed_windows_leave_the_database_and_everything_counts_the_same(
    databases: tuple[Operated, Operated],
) -> None:
    made, _ = databases
    refused = made.call("archive")
    assert refused.returncode == 2
    assert "ROLLBOOK_ARCHIVE" in refused.stderr
    (made.folder / "archive").mkdir()
    made.more = {"ROLLBOOK_ARCHIVE": str(made.folder / "archive")}
    made.done("import", ACADEMY)
    made.python(
        "from rollbook.server.billing.closing import close_due\n"
        "from rollbook.server.clock import now_us\n"
        "assert close_due(now_us())"
    )
    before = made.python(COUNTED)
    ran = made.call("archive")
    assert ran.returncode == 0, ran.stderr
    moved = int(ran.stderr.split(" facts moved in all")[0].split()[-1].replace(",", ""))
    assert 300 < moved < 703
    after = made.python(COUNTED)
    assert f"fact {703 - moved}" in after
    assert after.replace(f"fact {703 - moved}", "fact 703") == before
    assert made.call("recount").returncode == 0
    assert "0 facts moved in all" in made.call("archive").stderr
    assert "archive" not in made.call("migrate").stderr
    made.more = {}
    ran = made.call("migrate")
    assert ran.returncode == 0
    assert re.search(
        r"^customer \d: customer-\d-1: .* it is not there; .* set ROLLBOOK_ARCHIVE", ran.stderr, re.MULTILINE
    )


def test_a_recount_tells_what_somebody_changed(databases: tuple[Operated, Operated]) -> None:
    made, _ = databases
    made.done("import", ACADEMY)
    made.python(
        "from django.db import connection\n"
        "with connection.cursor() as cursor:\n"
        "    cursor.execute('delete from activation where subscription = 1 and window_number = 3')"
    )
    ran = made.call("recount")
    assert ran.returncode == 1
    assert "subscription 1" in ran.stdout
    one = made.call("recount", "--subscription", "2")
    assert (one.returncode, "1 subscription counted again: 0 differences" in one.stderr) == (0, True)
    assert made.call("recount", "--subscription", "99").returncode == 2


def test_an_import_that_was_killed_is_simply_begun_again(databases: tuple[Operated, Operated]) -> None:
    made, _ = databases
    facts = made.folder / "many.csv"
    with facts.open("w") as file:
        file.write("id,occurred_at,organisation,learner,type\n")
        file.writelines(
            f"{number},2026-02-{number % 28 + 1:02}T10:00:00Z,academy-north,l{number % 400},login\n"
            for number in range(25_000)
        )
    with made.start("import", str(facts)) as running:
        assert running.stderr
        for line in running.stderr:
            if line.startswith("10,000 of"):
                break
        running.send_signal(signal.SIGKILL)
    receipt = dict(reversed(line.split()) for line in made.done("import", str(facts)).splitlines())
    # What the first run said it had stored is there.
    assert int(receipt["repeats"].replace(",", "")) in (10_000, 20_000)
    assert int(receipt["new"].replace(",", "")) + int(receipt["repeats"].replace(",", "")) == 25_000
    assert made.call("recount").returncode == 0


def test_an_import_tells_what_it_cannot_take_with_its_place(databases: tuple[Operated, Operated]) -> None:
    made, _ = databases
    facts = made.folder / "some.csv"
    facts.write_text(
        "id,occurred_at,organisation,learner,type\n"
        "1,2026-02-01T10:00:00Z,academy-north,ana,login\n"
        "2,yesterday,academy-north,ana,login\n"
        f"3,2026-02-01T10:00:00Z,academy-north,{'x' * 1100},login\n"
        "4,2026-02-01T10:00:00Z,elsewhere,ana,login\n"
        "5,2026-02-01T10:00:00Z,,ana,login\n"
    )
    ran = made.call("import", str(facts))
    receipt = dict(reversed(line.split()) for line in ran.stdout.splitlines())
    # Refused in reading was the second, and by the server the third and, of nobody, the fifth.
    assert ran.returncode == 3
    assert receipt == {"received": "5", "new": "1", "repeats": "0", "held": "1", "rejected": "3"}
    assert "INCOMPLETE: 1 of 5 rows were refused in reading" in ran.stderr
    assert f"{facts}:6: organisation is empty, and no customer is named; say whose it is with --customer" in ran.stderr
    assert 'organisations that no customer has: "elsewhere" (1)' in ran.stderr
    assert "POST /v1/customers/N/organisations" in ran.stderr
    # Again: what is held yet is no repeat.
    receipt = dict(reversed(line.split()) for line in made.call("import", str(facts)).stdout.splitlines())
    assert receipt == {"received": "5", "new": "0", "repeats": "1", "held": "1", "rejected": "3"}
    assert f"{facts}:3: " in ran.stderr
    assert f"{facts}:4: " in ran.stderr
    # With a customer named, facts of others are refused instead of held.
    ran = made.call("import", str(facts), "--customer", "Academy")
    receipt = dict(reversed(line.split()) for line in ran.stdout.splitlines())
    assert (receipt["repeats"], receipt["held"], receipt["rejected"]) == ("1", "0", "4")
    assert made.call("import", str(facts), "--customer", "Nobody").returncode == 2


def test_facts_refused_for_the_same_reason_are_told_three_times_and_then_counted(
    databases: tuple[Operated, Operated],
) -> None:
    made, _ = databases
    facts = made.folder / "nobodys.csv"
    rows = "".join(f"{number},2026-02-01T10:00:00Z,,ana,login\n" for number in range(1, 8))
    facts.write_text("id,occurred_at,organisation,learner,type\n" + rows)
    said = made.call("import", str(facts)).stderr.splitlines()
    reason = "organisation is empty, and no customer is named"
    assert [line.split(f": {reason}")[0] for line in said if reason in line] == [
        *(f"{facts}:{line}" for line in (2, 3, 4)),
        "7 in all",
    ]


def test_a_backup_never_replaces_a_file_and_leaves_nothing_half_done(databases: tuple[Operated, Operated]) -> None:
    made, _ = databases
    file = made.folder / "there"
    file.write_text("precious")
    assert "never replaces" in made.call("backup", str(file)).stderr
    assert file.read_text() == "precious"
    assert "no such folder" in made.call("backup", str(made.folder / "nowhere" / "x")).stderr
    assert not [path for path in made.folder.iterdir() if path.name.endswith(".partial")]


def test_what_is_no_backup_leaves_the_database_empty(databases: tuple[Operated, Operated]) -> None:
    made, empty = databases
    file = made.folder / "wrong"
    for content in (b"", b"not a backup", b"SQLite format 3\0" + b"\xff" * 5000, b"PGDMP\x01"):
        file.write_bytes(content)
        ran = empty.call("restore", str(file))
        assert ran.returncode == 2, (content, ran.stderr)
        assert "Traceback" not in ran.stderr
    empty.done("backup", str(made.folder / "of-nothing")) if POSTGRESQL else None
    whole = made.folder / "whole"
    made.done("backup", str(whole))
    empty.done("restore", str(whole))


@pytest.mark.skipif(POSTGRESQL, reason="about files of SQLite")
def test_a_backup_is_of_one_instant_while_others_write(databases: tuple[Operated, Operated]) -> None:
    made, _ = databases
    path = made.folder / "first.db"
    script = (
        "import sqlite3, sys, itertools\n"
        f"c = sqlite3.connect({str(path)!r}, timeout=30)\n"
        "print('ready', flush=True)\n"
        "for n in itertools.count():\n"
        "    with c:\n"
        "        c.execute('insert into customer (name, created_at) values (?, 0)', (f'a{n}',))\n"
        "        c.execute('insert into customer (name, created_at) values (?, 0)', (f'b{n}',))\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        writer.stdout.readline()
        for number in range(5):
            time.sleep(0.05)
            backups.backup(database(f"sqlite:///{path}"), str(made.folder / f"{number}.backup"))
        writer.kill()
    seen = []
    for number in range(5):
        with closing(sqlite3.connect(made.folder / f"{number}.backup")) as copy:
            [(a, b)] = copy.execute("select sum(name glob 'a*'), sum(name glob 'b*') from customer").fetchall()
            assert a == b
            seen.append(a)
    assert seen[-1] > seen[0]


@pytest.mark.skipif(not POSTGRESQL, reason="about PostgreSQL's programs")
def test_without_postgresqls_programs_it_says_what_to_install(
    databases: tuple[Operated, Operated], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, _ = databases
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(backups.BackupError, match="postgresql-client"):
        backups.backup(database(made.database_url), str(made.folder / "x"))
    assert not list(made.folder.glob("*x*"))


@pytest.mark.skipif(not POSTGRESQL, reason="about PostgreSQL's programs")
def test_a_database_with_anything_in_it_is_not_restored_over(databases: tuple[Operated, Operated]) -> None:
    made, other = databases
    file = made.folder / "whole"
    made.done("backup", str(file))
    with psycopg.connect(other.database_url, autocommit=True) as connection:
        connection.execute("create sequence something")
    assert "holds something already" in other.call("restore", str(file)).stderr
