"""Kills the server, its workers and PostgreSQL at random moments under load, and then counts what is there.

    python -m tests.faults.kills --database postgresql --kills 100 --seed 1

Several senders send batches and send each again until it is acknowledged, as every sender must. Meanwhile processes are
killed with SIGKILL and started again. In the end every acknowledged fact must be there once, the live tables must equal
a recount, statements must have no gaps and come to what a fresh rating says, and every message must have arrived, the
ones that came twice under one id. It ends with 1 where anything is otherwise.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx

from tests.postgres import SYSTEM, server
from tests.server.receivers import Webhooks, webhooks

SENDERS = 4
FACTS_MAX = 200
LEARNERS = 60
TERM_DAYS = 6
"""The first term lies in the past: it is closed at once, and what comes late for it is booked on notes."""

QUIET_SECONDS = 120
"""How long the end may take to come to rest."""

AT_ONCE = 0.2
"""Of the kills, those that come whether or not anything was taken in since the one before: while things begin."""

PROGRESS_SECONDS = 30
"""How long others wait for that: a machine that is slow to begin would be killed a hundred times before it began."""


class Processes:
    """What runs, each in a group of its own, so that a kill takes its children too."""

    def __init__(self, environment: dict[str, str], port: int) -> None:
        self.environment = environment
        rollbook = [sys.executable, "-m", "rollbook.cli"]
        self.commands = {
            "server": [*rollbook, "serve", "--port", str(port), "--threads", "4"],
            "worker 1": [*rollbook, "worker"],
            "worker 2": [*rollbook, "worker"],
        }
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        self.running[name] = subprocess.Popen(
            self.commands[name],
            env=self.environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self, name: str) -> None:
        process = self.running.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill_all(self) -> None:
        for name in list(self.running):
            self.kill(name)


class Postgres:
    """The server of the tests, killed and started anew on the same data."""

    def __init__(self, url: str) -> None:
        self.folder = Path(url.partition("host=")[2])

    def kill(self) -> None:
        pid = int((self.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.5)

    def start(self, file_bytes_max: int | None = None) -> None:
        """Starts it on its data; no file may grow beyond so many bytes, where some are given."""
        binaries = max(SYSTEM.glob("*/bin"))
        as_postgres = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()
        limited = ("prlimit", f"--fsize={file_bytes_max}", "--") if file_bytes_max else ()
        control = [*as_postgres, *limited, str(binaries / "pg_ctl"), "-D", str(self.folder / "data"), "-w", "-t", "60"]
        options = f"-k {self.folder} -c listen_addresses=''"
        for _ in range(20):
            done = subprocess.run(
                [*control, "-l", str(self.folder / "log"), "-o", options, "start"],
                check=False,
                capture_output=True,
                cwd="/",
            )
            if done.returncode == 0:
                return
            time.sleep(0.5)
        raise SystemExit(done.stderr.decode())


class Sender(threading.Thread):
    """Sends batches of its own source, each until it is acknowledged. `sent` are the ids that were."""

    def __init__(self, number: int, address: str, key: str, seed: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.number, self.address, self.key, self.halt = number, address, key, stop
        self.random = random.Random(seed * 100 + number)
        self.sent: list[str] = []
        self.repeats = self.batches = 0
        self.fault = ""

    def run(self) -> None:
        with httpx.Client(base_url=self.address, headers={"Authorization": f"Bearer {self.key}"}, timeout=10) as client:
            while not self.halt.is_set() and not self.fault:
                rows = [self.row() for _ in range(self.random.randint(1, FACTS_MAX))]
                self.deliver(client, rows)
                self.batches += 1

    def deliver(self, client: httpx.Client, rows: list[dict[str, str]]) -> None:
        began = time.monotonic()
        while time.monotonic() - began < QUIET_SECONDS:
            try:
                answer = client.post("/v1/facts", json=rows)
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code >= 500 or answer.status_code == 429:
                time.sleep(0.1)
                continue
            if answer.status_code != 200 or answer.json()["rejected"]:
                self.fault = f"{answer.status_code} {answer.text[:300]}"
                return
            self.repeats += answer.json()["repeats"]
            self.sent += [row["id"] for row in rows]
            return
        self.fault = "a batch was not acknowledged in time"

    def row(self) -> dict[str, str]:
        ago = timedelta(seconds=self.random.randint(0, 20 * 86_400))
        number = len(self.sent) + self.random.randint(1, 10**9)
        return {
            "id": f"{self.batches}-{number}",
            "source": f"sender {self.number}",
            "occurred_at": (datetime.now(UTC) - ago).isoformat().replace("+00:00", "Z"),
            "organisation": self.random.choice(("north", "south")),
            "learner": f"learner {self.random.randint(1, LEARNERS)}",
            "type": self.random.choice(("login", "enrolment.enabled", "enrolment.disabled")),
            "object": self.random.choice(("A", "B")),
        }


PLAN = """
id = "days-{meter}"
title = "Days"
vendor = "nobody"
summary = ""
sources = []
[meter]
{meter}
[window]
kind = "days"
length_days = 1
[allowance]
per = "window"
quantity = 20
[tariff]
currency = "EUR"
[tariff.overage]
rate = 2
"""
METERS = (
    'counts = ["login"]',
    'holds = { on = ["enrolment.enabled"], off = ["enrolment.disabled"] }\nunit = "enrolment"',
)


def furnish(hook: str) -> str:
    """A customer whose terms are over and one whose runs; a webhook; gives the key of the vendor's platform."""
    from django.core.management import call_command  # noqa: PLC0415 - the environment comes first

    from rollbook.model.plan import parse_plan  # noqa: PLC0415
    from rollbook.server.access import keys  # noqa: PLC0415
    from rollbook.server.models import Endpoint  # noqa: PLC0415
    from tests.server import world  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    now = datetime.now(UTC)
    customer = world.customer("Academy", ["north", "south"])
    begin = now.date() - timedelta(days=TERM_DAYS * 2 + 4)
    for number, meter in enumerate(METERS):
        plan = parse_plan(PLAN.replace("days-{meter}", f"days-{number}").replace("{meter}", meter))
        for start, end in _terms(begin):
            world.subscribe(
                customer, plan, start, end=end, kind="pilot", meter=f"m{number}", now=now.strftime("%Y-%m-%dT%H:%M")
            )
    Endpoint.objects.create(url=hook, secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")  # noqa: S106 - made up
    _, key = keys.make(name="faults", scopes=["facts:write"])
    return key


def _terms(begin: date) -> list[tuple[date, date]]:
    ended = begin + timedelta(days=TERM_DAYS)
    return [(begin, ended), (ended, ended + timedelta(days=40))]


def judge(senders: Sequence[Sender], hooks: Webhooks) -> Iterator[str]:
    """Everything that is not as it must be."""
    yield from _wrong_facts(senders)
    yield from _wrong_terms()
    yield from _wrong_messages(hooks)


def _wrong_facts(senders: Sequence[Sender]) -> Iterator[str]:
    from django.db import connection  # noqa: PLC0415 - the environment comes first

    acknowledged = {(f"sender {it.number}", id_) for it in senders for id_ in it.sent}
    with connection.cursor() as cursor:
        cursor.execute("select source, id from fact")
        stored = cursor.fetchall()
    if len(stored) != len(set(stored)):
        yield f"{len(stored) - len(set(stored))} facts are there twice"
    if missing := acknowledged - set(stored):
        yield f"{len(missing)} acknowledged facts are missing, such as {sorted(missing)[:3]}"


def _wrong_terms() -> Iterator[str]:
    """Live counts against a recount, numbers of statements, and what is booked against a fresh rating."""
    from rollbook.server import clock  # noqa: PLC0415
    from rollbook.server.live import contracts, metering  # noqa: PLC0415
    from rollbook.server.models import Statement, Subscription  # noqa: PLC0415
    from rollbook.server.operation import recounting  # noqa: PLC0415

    for row in Subscription.objects.all():
        yield from recounting.recount(row.pk).differences
        statements = list(Statement.objects.filter(subscription=row).order_by("number"))
        if [it.number for it in statements] != list(range(1, len(statements) + 1)):
            yield f"subscription {row.pk}: numbers of statements have gaps"
        found = metering.account_of(contracts.live(row), clock.now_us() + 1)
        if found.as_of_us < found.subscription.end_us:
            continue  # What came late waits for the statement of the window that runs.
        if len({it.window_number for it in statements} - {None}) != len(found.windows):
            yield f"subscription {row.pk}: not all windows are closed"
        booked = sum((Decimal(it.record["total"]) for it in statements), Decimal(0))
        fresh = found.total()
        if fresh is None or booked != fresh.amount:
            yield f"subscription {row.pk}: {booked} is booked, and a fresh rating says {fresh}"


def _wrong_messages(hooks: Webhooks) -> Iterator[str]:
    """Every statement has its message, and every message has arrived."""
    from rollbook.server.models import Message, Statement  # noqa: PLC0415

    statements = Statement.objects.count()
    told = Message.objects.filter(event="statement.closed", channel=Message.WEBHOOK).count()
    if told != statements:
        yield f"{statements} statements were closed, and {told} webhooks say so"
    arrived = set(hooks.ids)
    for message in Message.objects.exclude(state=Message.SENT)[:3]:
        yield f"a message was not sent: {message.event} {message.last_error}"
    sent = set(Message.objects.filter(state=Message.SENT, channel=Message.WEBHOOK).values_list("message_id", flat=True))
    if sent - arrived:
        yield f"{len(sent - arrived)} webhooks are marked as sent and never arrived"
    if arrived - sent:
        yield f"{len(arrived - sent)} webhooks arrived that nobody knows of"


def rest(hooks: Webhooks) -> None:
    """Lets this process do all that is due, until nothing is."""
    from rollbook.server.models import Message, Statement  # noqa: PLC0415
    from rollbook.server.operation import worker  # noqa: PLC0415

    began = time.monotonic()
    before = None
    while time.monotonic() - began < QUIET_SECONDS:
        # Messages that wait for their next attempt are tried now.
        Message.objects.filter(state=Message.WAITING).update(next_at=datetime.now(UTC))
        worker.run_once(datetime.now(UTC))
        now = (Statement.objects.count(), Message.objects.exclude(state=Message.SENT).count(), len(hooks.got))
        if now == before and now[1] == 0:
            return
        before = now


@contextmanager
def _database(kind: str) -> Iterator[tuple[str, Postgres | None]]:
    folder = Path(tempfile.mkdtemp(prefix="rollbook-faults-"))
    with ExitStack() as held:
        held.callback(shutil.rmtree, folder, ignore_errors=True)
        if kind == "sqlite":
            yield f"sqlite:///{folder}/rollbook.db", None
            return
        # The server's own database: a connection that held another one for us would be killed too.
        url = held.enter_context(server()).format(name="postgres")
        yield url, Postgres(url)


def environment(url: str) -> dict[str, str]:
    """What the server's processes are told."""
    return {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "rollbook.server.settings",
        "ROLLBOOK_SECRET_KEY": "faults-sign-with-this-and-nobody-else-doe",
        "ROLLBOOK_DIGEST_KEY": "faults-recognise-people-by-this-key-xxxxx",
        "ROLLBOOK_TLS": "false",
        "ROLLBOOK_RATE_PER_MINUTE": "1000000",
        "ROLLBOOK_WEBHOOKS_PRIVATE": "true",
    }


def main() -> int:
    """One run: its seed says which."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    with _database(given.database) as (url, postgres), webhooks() as hooks:
        os.environ.update(environment(url))
        import django  # noqa: PLC0415 - the environment comes first

        django.setup()
        key = furnish(hooks.url)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        processes = Processes(dict(os.environ), port)
        try:
            senders = _under_fire(given, processes, postgres, f"http://127.0.0.1:{port}", key)
        finally:
            processes.kill_all()
        from django.db import connection  # noqa: PLC0415

        connection.close()
        rest(hooks)
        faults = [f"sender {it.number}: {it.fault}" for it in senders if it.fault] + list(judge(senders, hooks))
    sent = sum(len(it.sent) for it in senders)
    print(
        f"{given.database}: {given.kills} kills, {sent:,} facts acknowledged in {sum(it.batches for it in senders):,} ",
        end="",
    )
    print(f"batches, {sum(it.repeats for it in senders):,} of them repeats, {len(hooks.got):,} webhooks ", end="")
    print(f"with {len(set(hooks.ids)):,} ids; {len(faults)} faults")
    for fault in faults[:50]:
        print("FAULT", fault)
    return 1 if faults else 0


def _under_fire(
    given: argparse.Namespace, processes: Processes, postgres: Postgres | None, address: str, key: str
) -> list[Sender]:
    """Starts everything, kills as often as asked, and lets the senders end."""
    chance = random.Random(given.seed)
    for name in processes.commands:
        processes.start(name)
    stop = threading.Event()
    senders = [Sender(number, address, key, given.seed, stop) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    victims = ["server", "server", "worker 1", "worker 2"] + (["postgres"] if postgres else [])
    time.sleep(5)
    before = 0
    for _ in range(given.kills):
        if chance.random() > AT_ONCE:
            before = _progressed(senders, before)
        time.sleep(chance.uniform(0.1, 2.5))
        victim = chance.choice(victims)
        if victim == "postgres" and postgres:
            postgres.kill()
            postgres.start()
            continue
        processes.kill(victim)
        processes.start(victim)
    time.sleep(3)
    stop.set()
    for sender in senders:
        sender.join(QUIET_SECONDS + 10)
    return senders


def _progressed(senders: Sequence[Sender], before: int) -> int:
    """Waits until more than so many batches were acknowledged; how many were."""
    began = time.monotonic()
    while (now := sum(it.batches for it in senders)) <= before and time.monotonic() - began < PROGRESS_SECONDS:
        time.sleep(0.02)
    return now


if __name__ == "__main__":
    raise SystemExit(main())
