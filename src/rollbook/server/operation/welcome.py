"""What `rollbook serve --demo` says when everything runs: who can sign in, and a key with two calls to try it with.

Passwords and the key are made in the moment in which they are told, and never again: whoever starts the sample anew is
told where they were told, and how to make others. Nothing of this is ever logged. Lines are ASCII, so that every
terminal shows them, and none of them is to be broken: calls are copied as they stand.
"""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.db import transaction

from rollbook.model.instants import from_us
from rollbook.server.access import accounts
from rollbook.server.live.usage import usage
from rollbook.server.models import ApiKey, Customer, User
from rollbook.server.operation.demo import ADMINISTERED, ADMINISTRATOR, OPERATOR, customer_of

KEY = "sample"
"""What the key is called in lists."""

SCOPES = ("facts:write", "usage:read", "learners:read")
PASSWORD_BYTES = 15

NOTE = "welcome.txt"
"""Where it stands when there was no terminal to tell it to, in the sample's folder."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in, with the password that is known here alone, and what they see."""

    email: str
    password: str
    sees: str


@dataclass(frozen=True, slots=True)
class Trial:
    """A key, whose it is, and how many are active in the window that runs: one more who logs in makes it one more."""

    key: str
    customer: str
    organisation: str
    subscription: int
    active: int


@dataclass(frozen=True, slots=True)
class Made:
    """What was made just now; nothing where it had been made before."""

    people: tuple[Person, ...] = ()
    trial: Trial | None = None

    def __bool__(self) -> bool:
        return bool(self.people or self.trial)


@transaction.atomic
def make(now_us: int) -> Made:
    """Passwords of whoever has none yet, and the key, once. The sample is loaded."""
    customer = customer_of(ADMINISTERED)
    people = []
    for email, sees in (
        (ADMINISTRATOR, f"administrator of {customer.name}: its plan, its learners, what it pays"),
        (OPERATOR, "operator: all customers, as their vendor sees them"),
    ):
        user = User.objects.select_for_update().get(username=email)
        if not user.has_usable_password():
            password = secrets.token_urlsafe(PASSWORD_BYTES)
            user.set_password(password)
            user.save(update_fields=["password"])
            people.append(Person(email, password, sees))
    return Made(tuple(people), _trial(customer, now_us))


def _trial(customer: Customer, now_us: int) -> Trial | None:
    """None where the key was made before, and where no window runs any more."""
    if ApiKey.objects.filter(customer=customer, name=KEY).exists():
        return None
    row = customer.subscriptions.select_related("customer", "plan").earliest("start", "pk")
    found = usage(row, now_us)
    if found["window"] is None:
        return None
    _, key = accounts.add_key(accounts.COMMAND, KEY, SCOPES, customer.pk, None)
    [running] = [it for it in found["windows"] if it["window"] == found["window"]]
    return Trial(key, customer.name, ADMINISTERED.organisations[0], row.pk, running["pools"][0]["active"])


def first_lines(made: Made, url: str, now_us: int) -> Iterator[str]:
    """The welcome with its secrets."""
    yield from _running(url)
    if made.people:
        yield "  Open it in a browser, and sign in as a customer or as the vendor:"
        yield ""
    for person in made.people:
        yield f"  {person.email:<27} {person.password}"
        yield f"  {'':<27} {person.sees}"
        yield ""
    if made.trial is None:
        return
    trial = made.trial
    yield f"  Programs have a key. This one sends and reads what is of {trial.customer}:"
    yield ""
    yield f"  API key {trial.key}"
    yield ""
    yield f"  Whoever logs in counts once in each month of the plan. {trial.active} have in this one."
    yield f"  Let one more log in, then read {trial.active + 1}; a page that is open shows it at once:"
    yield ""
    yield from calls(trial, url, from_us(now_us).astimezone(UTC))
    yield ""
    yield "  Passwords and key are not shown again."


def calls(trial: Trial, url: str, at: datetime) -> tuple[str, str]:
    """One line that sends a fact which counts now, and one that reads how many count, for any POSIX shell."""
    fact = {
        "id": "first-login",
        "source": "trial",
        "occurred_at": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "organisation": trial.organisation,
        "learner": "first.visitor",
        "type": "login",
    }
    bearer = f'-H "Authorization: Bearer {trial.key}"'
    typed = '-H "Content-Type: application/json"'
    usage_of = f"{url}/v1/subscriptions/{trial.subscription}/usage"
    # The window that runs stands last.
    last_active = """grep -o '"active": *[0-9]*' | tail -n 1"""
    return (
        f"curl {url}/v1/facts {bearer} {typed} -d {shlex.quote(json.dumps([fact]))}",
        f"curl -s {usage_of} {bearer} | {last_active}",
    )


def later_lines(url: str, folder: Path, command: str) -> Iterator[str]:
    """The welcome of every later start. `command` is how `rollbook` is called in a shell."""
    customer = customer_of(ADMINISTERED).name
    yield from _running(url)
    note = folder / NOTE
    told = f"stand in {note}" if note.exists() else f"were shown on the terminal when {folder} was made"
    yield f"  Passwords and API key {told}."
    yield "  New ones, in another terminal:"
    yield ""
    yield f"cd {shlex.quote(str(folder))}; set -a; . ./secrets.env; ROLLBOOK_BASE_URL={url}; set +a"
    yield f"{command} add-operator {OPERATOR}"
    scopes = " ".join(f"--scope {scope}" for scope in SCOPES)
    yield f"{command} add-key another {scopes} --customer {shlex.quote(customer)}"
    yield ""
    yield f"  Or stop it and delete {folder}: everything is made anew by the next start."


def _running(url: str) -> Iterator[str]:
    yield ""
    yield f"  Rollbook runs at {url}   (Ctrl-C stops it)"
    yield ""
