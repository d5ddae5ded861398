"""The first hour of an empty server: the first operator, and the first source."""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
from html import unescape

import httpx
import pytest
from django.test import Client
from playwright.sync_api import expect

from rollbook.server.access import first
from rollbook.server.models import ApiKey, Audit, Customer, Organisation, User
from tests.server import callers, world
from tests.server.operated import free_port

PASSWORD = "correct horse battery staple"  # noqa: S105 - of somebody made up for a test
OLGA = {"email": "Olga@example.org", "password": PASSWORD, "again": PASSWORD}


def code() -> str:
    return first.address().partition("?code=")[2].replace("%3A", ":")


@pytest.mark.usefixtures("ledger")
def test_whoever_has_the_code_becomes_the_first_operator_once():
    client = Client()
    address = first.address()
    page = client.get(address[address.index("/first") :])
    assert (page.status_code, "no-store" in page["Cache-Control"]) == (200, True)
    held = address.partition("?code=")[2].replace("%3A", ":")
    assert f'value="{held}"' in page.content.decode()
    answer = client.post("/first", OLGA | {"code": held})
    assert (answer.status_code, answer["Location"]) == (302, "/beginning")
    [olga] = User.objects.all()
    assert (olga.username, olga.role, olga.check_password(PASSWORD)) == ("olga@example.org", "operator", True)
    assert client.get("/beginning").status_code == 200
    assert [it.action for it in Audit.objects.order_by("id")] == ["user.password-set", "user.added", "session.begun"]
    # The door is closed for everybody else, with the same code too.
    for later in (
        Client().get(f"/first?code={held}"),
        Client().post("/first", OLGA | {"code": held, "email": "eve@example.org"}),
    ):
        assert later.status_code == 404
    assert User.objects.count() == 1


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("wrong", ["", "first", "first:1abcde:AAAA", "x" * 5000])
def test_nobody_becomes_an_operator_without_the_code(wrong):
    answer = Client().post("/first", OLGA | {"code": wrong})
    assert answer.status_code == 404
    assert "does not hold" in answer.content.decode()
    assert not User.objects.exists()


@pytest.mark.usefixtures("ledger")
def test_a_code_ends_after_three_days(monkeypatch):
    held = code()
    monkeypatch.setattr(first, "VALID_SECONDS", -1)
    assert Client().post("/first", OLGA | {"code": held}).status_code == 404
    assert not User.objects.exists()


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"password": "short", "again": "short"}, "too short"),
        ({"again": "another"}, "Both must be the same"),
        ({"email": "nobody"}, "no e-mail address"),
    ],
)
def test_what_was_mistyped_is_said_and_nobody_is_made(typed, words):
    answer = Client().post("/first", OLGA | {"code": code()} | typed)
    assert (answer.status_code, words in answer.content.decode()) == (422, True)
    assert not User.objects.exists()


@pytest.mark.usefixtures("ledger")
def test_the_page_to_sign_in_says_how_to_begin_while_nobody_can():
    hint = "Nobody can sign in yet"
    assert hint in Client().get("/signin").content.decode()
    callers.user("operator")
    assert hint not in Client().get("/signin").content.decode()


@pytest.mark.usefixtures("ledger")
def test_a_first_customer_is_made_with_its_organisation_or_not_at_all():
    client = Client()
    client.force_login(callers.user("operator"))
    answer = client.post("/beginning", {"do": "customer", "name": "North", "organisation": "north"})
    [north] = Customer.objects.all()
    assert answer["Location"] == f"/customers/{north.pk}/connect"
    # The organisation is taken: the second customer is not made either, and the form says why.
    answer = client.post("/beginning", {"do": "customer", "name": "South", "organisation": "north"})
    assert answer.status_code == 422
    assert (Customer.objects.count(), Organisation.objects.count()) == (1, 1)
    # And where there is a customer, the sample would be among real ones.
    assert client.post("/beginning", {"do": "sample"}).status_code == 409


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("kind", ["curl", "cloudevents", "caliper", "xapi"])
def test_what_is_copied_sends_a_fact_and_the_page_turns_green(kind):
    north = world.customer("North", ("north",))
    client = Client()
    client.force_login(callers.user("operator"))
    page = client.post(f"/customers/{north.pk}/connect", {"kind": kind}).content.decode()
    key = ApiKey.objects.get()
    assert (key.customer, key.scopes) == (north, ["facts:write"])
    poll = unescape(re.findall(r'hx-get="([^"]+)"', page)[0])
    assert client.get(poll).status_code == 204
    command = shlex.split(unescape(re.findall(r"<code>(curl .*?)</code>", page, re.DOTALL)[0]))
    headers = dict(command[place + 1].split(": ", 1) for place, it in enumerate(command) if it == "-H")
    body = command[command.index("-d") + 1]
    path = command[1].partition("/v1/")[2]
    # A call that is refused is told from none.
    sender = Client(headers={name: value for name, value in headers.items() if name != "Content-Type"})
    sender.post(f"/v1/{path}", "[]" if kind == "curl" else "{}", content_type=headers["Content-Type"])
    assert "no fact was taken yet" in client.get(poll).content.decode()
    sent = sender.post(f"/v1/{path}", body, content_type=headers["Content-Type"])
    assert sent.status_code == 200, sent.content
    green = client.get(poll).content.decode()
    assert "The first fact is here" in green
    assert "hx-get" not in green


@pytest.mark.usefixtures("ledger")
def test_an_administrator_sees_what_to_copy_without_a_key():
    north = world.customer("North", ("north",))
    client = Client()
    client.force_login(callers.user("administrator", north))
    page = client.get(f"/customers/{north.pk}/connect?kind=python").content.decode()
    assert "ask your contact there" in page
    assert client.post(f"/customers/{north.pk}/connect", {"kind": "python"}).status_code == 403
    assert not ApiKey.objects.exists()
    assert client.get(f"/customers/{north.pk}/connect?kind=nothing").status_code == 404


def test_a_source_turns_green_by_itself(visit, there):
    page = visit("operator", "/customers/{c:mau}/connect")
    page.get_by_role("link", name="curl").click()
    page.get_by_role("button", name="Make a key for curl").click()
    page.get_by_text("Waiting for the first fact").wait_for()
    command = page.locator("pre").first.inner_text()
    assert f"{there.url}/v1/facts" in command
    # It is told from a first fact that the platform called and nothing was taken.
    subprocess.run(["/bin/sh", "-c", command.replace("login", "")], check=True, capture_output=True)
    page.get_by_text("The platform has called, and no fact was taken yet").wait_for()
    subprocess.run(["/bin/sh", "-c", command], check=True, capture_output=True)
    page.get_by_text("The first fact is here").wait_for()
    expect(page.get_by_role("link", name="To the usage")).to_be_visible()


SECRETS = {"ROLLBOOK_SECRET_KEY": "s" * 50, "ROLLBOOK_DIGEST_KEY": "d" * 50}
BARE = {name: it for name, it in os.environ.items() if not name.startswith(("ROLLBOOK_", "DATABASE_", "DJANGO_"))}
"""The environment of somebody who set up nothing."""


def begun(folder, stderr, *command: str, **more: str) -> subprocess.Popen[bytes]:
    """A command of somebody who has only just set it up, in a folder."""
    whole = [sys.executable, "-m", "rollbook.cli", *command]
    return subprocess.Popen(whole, env=BARE | more, cwd=folder, stdout=subprocess.DEVNULL, stderr=stderr)


def migrate(folder, stderr) -> None:
    assert begun(folder, stderr, "migrate", **SECRETS).wait(120) == 0


def test_whoever_has_set_up_nothing_is_told_every_step_on_a_terminal(tmp_path):
    ours, theirs = pty.openpty()
    assert begun(tmp_path, theirs, "serve").wait(120) == 2
    os.close(theirs)
    shown = os.read(ours, 8000).decode()
    os.close(ours)
    steps = [
        "serve --demo",
        "server-secrets > rollbook.env",
        "ROLLBOOK_TLS=false",
        "migrate",
        "ROLLBOOK_SECRET_KEY: it is",
    ]
    assert sorted(steps, key=shown.index) == steps
    with (tmp_path / "log").open("wb") as log:
        assert begun(tmp_path, log, "serve").wait(120) == 2
    assert "--demo" not in (tmp_path / "log").read_text()


def test_a_server_without_tables_says_so_and_one_without_people_says_where_to_begin_on_its_own_port(tmp_path):
    port = str(free_port())
    for named in ("migrate", f"http://localhost:{port}/first?code="):
        ours, theirs = pty.openpty()
        running = begun(tmp_path, theirs, "serve", "--port", port, **SECRETS, ROLLBOOK_TLS="false")
        os.close(theirs)
        shown = ""
        while "Started worker" not in shown:
            shown += os.read(ours, 4000).decode()
        assert named in shown
        assert ("rollbook worker" in shown, "no tables yet" in shown) == (named != "migrate", named == "migrate")
        found = re.findall(r"http://localhost:\d+/first\S+", shown)
        assert [httpx.get(it).status_code for it in found] == [200] * (named != "migrate")
        running.terminate()
        running.wait(120)
        os.close(ours)
        migrate(tmp_path, subprocess.DEVNULL)


def test_the_code_goes_to_a_terminal_and_nowhere_else(tmp_path):
    ours, theirs = pty.openpty()
    migrate(tmp_path, theirs)
    os.close(theirs)
    shown = os.read(ours, 4000).decode()
    os.close(ours)
    assert re.search(r"http://localhost:8000/first\?code=first%3A\w+%3A[\w-]+", shown)
    with (tmp_path / "log").open("wb") as log:
        migrate(tmp_path, log)
    said = (tmp_path / "log").read_text()
    assert "rollbook add-operator" in said
    assert "code=" not in said
