"""A real server with the sample's customers, in a process of its own: `with site() as found`.

It keeps everything in a folder, or in an empty PostgreSQL where ROLLBOOK_TEST_DATABASE=postgresql, and ends with the
context. Beside the sample there are people who can sign in, a plan that is over and one to come, a pilot that
customers are not shown, a customer without any plan, and a key that sends facts.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests import postgres

PASSWORD = "correct horse battery staple"  # noqa: S105 - of people made up for a test
SHORT = {
    "facilitate-annual": "facilitate",
    "docebo-mau": "docebo",
    "reach360-starter": "reach",
    "secondnature-seats": "seats",
    "secondnature-mau": "mau",
    "secondnature-mauc": "mauc",
    "wisenet-elearning": "elearning",
    "wisenet-lrm": "lrm",
}
"""What the subscriptions are called in tests."""

BEGIN_SECONDS = 240
GROWN_IN_A_SECOND = 500
"""Activations, at the least."""


@dataclass(frozen=True)
class Site:
    """The running server.

    subscriptions  number by short name, with `past`, `coming` and `pilot` of the customer of `mau`
    customers      number by short name
    things         number of what the customer of `mau` manages itself, by short name, see `owned`
    people         who can sign in, by role and short name: operator, administrator mau, viewer mau, viewer roster, administrator none
    key            of the vendor's platform, which sends facts
    learners       numbers of people, and ids of entries, see `naming`
    """

    url: str
    subscriptions: dict[str, int]
    customers: dict[str, int]
    things: dict[str, int]
    people: dict[str, str]
    key: str
    learners: dict[str, str]
    folder: str
    environment: dict[str, str] = field(repr=False, default_factory=dict)

    def path(self, template: str) -> str:
        """An address with the numbers of subscriptions: /subscriptions/{mau}/usage; {c:mau} is a customer's, {t:key} of a thing."""
        for name, number in self.things.items():
            template = template.replace(f"{{t:{name}}}", str(number))
        for name, number in self.customers.items():
            template = template.replace(f"{{c:{name}}}", str(number))
        for name, number in self.subscriptions.items():
            template = template.replace(f"{{{name}}}", str(number))
        for name, number_or_id in self.learners.items():
            template = template.replace(f"{{{name}}}", number_or_id)
        return template

    def send(self, *facts: dict[str, Any]) -> None:
        """Sends facts as the platform."""
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = httpx.post(f"{self.url}/v1/facts", json=list(facts), headers=headers)
        assert answer.json()["new"] == len(facts), answer.text


@contextmanager
def site(activations: int = 0) -> Iterator[Site]:
    """Starts it, and ends it. `activations` it is to have about, on PostgreSQL only, see `scale`; 0 for the sample."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="rollbook-site-"))
        url = f"sqlite:///{folder}/rollbook.db"
        if activations or os.environ.get("ROLLBOOK_TEST_DATABASE") == "postgresql":
            url = stack.enter_context(postgres.database(stack.enter_context(postgres.server(fsync="off"))))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "rollbook.server.settings",
            "DATABASE_URL": url,
            "ROLLBOOK_SECRET_KEY": "pages-sign-with-this-and-nobody-else-does",
            "ROLLBOOK_DIGEST_KEY": "pages-recognise-erased-people-by-this-key",
            "ROLLBOOK_TLS": "false",
            "ROLLBOOK_BASE_URL": f"http://127.0.0.1:{port}",
            "PROMETHEUS_MULTIPROC_DIR": f"{folder}/metrics",
            "ROLLBOOK_LOG_FORMAT": "console",
        }
        (Path(folder) / "metrics").mkdir()
        log = stack.enter_context((Path(folder) / "log").open("wb"))
        command = [sys.executable, "-m", "tests.pages.site", folder, str(port), str(activations)]
        running = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        stack.callback(_end, running)
        yield _begun(running, Path(folder), port, environment, BEGIN_SECONDS + activations // GROWN_IN_A_SECOND)


def _begun(
    running: subprocess.Popen[bytes], folder: Path, port: int, environment: dict[str, str], seconds: int
) -> Site:
    url, until = f"http://127.0.0.1:{port}", time.monotonic() + seconds
    while time.monotonic() < until and running.poll() is None:
        try:
            if httpx.get(f"{url}/healthz").status_code == 200:
                made = json.loads((folder / "site.json").read_text())
                return Site(url=url, folder=str(folder), environment=environment, **made)
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError((folder / "log").read_text()[-4000:])


def _end(running: subprocess.Popen[bytes]) -> None:
    running.terminate()
    try:
        running.wait(30)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()


def made(activations: int = 0) -> dict[str, Any]:
    """Everything that the site has, in the database of the environment: the fields of `Site` that tell of it."""
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    from dateutil.relativedelta import relativedelta  # noqa: PLC0415

    from rollbook.server import models  # noqa: PLC0415
    from rollbook.server.access import keys  # noqa: PLC0415
    from rollbook.server.clock import now_us  # noqa: PLC0415
    from rollbook.server.operation import demo  # noqa: PLC0415
    from tests.pages import attention, naming, owned, rostered, scale  # noqa: PLC0415
    from tests.server import world  # noqa: PLC0415

    demo.load(now_us())
    rows = {SHORT[it.plan.plan_id]: it for it in models.Subscription.objects.select_related("plan", "customer")}
    if activations:
        scale.grow(rows, activations, now_us())
    mau = rows["mau"]
    year = relativedelta(years=1)
    rows["past"] = world.subscribe(mau.customer, "secondnature-mau", mau.start - year, quantity=20)
    rows["coming"] = world.subscribe(mau.customer, "secondnature-mauc", mau.start + year, quantity=400)
    rows["pilot"] = world.subscribe(
        mau.customer, "monthly-login", mau.start, kind="pilot", meter="pilot", end=mau.end - timedelta(days=90)
    )
    owned.close(rows, now_us())
    none = models.Customer.objects.create(name="Lantern Museum (no plan)")
    today = datetime.now(UTC).replace(tzinfo=None).isoformat()
    rows["shadow"] = world.subscribe(mau.customer, "monthly-login", mau.start, quantity=50, kind="shadow", now=today)
    learners = naming.make(rows)
    learners |= rostered.make(rows, now_us())
    attention.make(rows)
    people = {"operator": _person("operator", None)}
    for short in ("facilitate", "docebo", "reach", "seats", "mau", "mauc", "elearning", "roster"):
        people[f"administrator {short}"] = _person("administrator", rows[short].customer, short)
    for short in ("mau", "roster"):
        people[f"viewer {short}"] = _person("viewer", rows[short].customer, short)
    people["administrator none"] = _person("administrator", none, "none")
    _, key = keys.make(name="platform", scopes=["facts:write", "usage:read"], customer=None)
    return {
        "subscriptions": {name: row.pk for name, row in rows.items()},
        "customers": {name: row.customer_id for name, row in rows.items()} | {"none": none.pk},
        "things": owned.make(rows, people),
        "people": people,
        "key": key,
        "learners": learners,
    }


def _person(role: str, customer: Any, short: str = "") -> str:
    from rollbook.server import models  # noqa: PLC0415

    email = f"{role}.{short}@example.org" if short else f"{role}@example.org"
    user, _ = models.User.objects.get_or_create(
        username=email, defaults={"email": email, "role": role, "customer": customer}
    )
    user.set_password(PASSWORD)
    user.save()
    return email


def _run(folder: Path, port: int, activations: int) -> None:
    import django  # noqa: PLC0415

    django.setup()

    from django.db import connections  # noqa: PLC0415

    from rollbook.server.operation import migrating, serving  # noqa: PLC0415

    migrating.migrate(quietly=True)
    (folder / "site.json").write_text(json.dumps(made(activations)))
    connections.close_all()
    serving.serve("127.0.0.1", port, 1, 4, "console")


if __name__ == "__main__":
    _run(Path(sys.argv[1]), *map(int, sys.argv[2:]))
