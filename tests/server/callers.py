"""Who calls the API in tests: people by session with their CSRF token, programs by key, and nobody."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

from rollbook.server.access import keys
from rollbook.server.models import Customer, User

PASSWORD = "correct horse battery staple"  # noqa: S105 - of users made up for a test


class Caller:
    """Sends JSON, as a browser or a program would: CSRF is enforced."""

    def __init__(self, user: User | None = None, key: str = "") -> None:
        self.client = Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {key}"} if key else None)
        self.headers: dict[str, str] = {}
        if user:
            self.client.force_login(user)
            self.headers = {"X-CSRFToken": self.client.get("/v1/session").json()["csrf_token"]}

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        more = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
        return self.client.generic(method.upper(), f"/v1{path}", headers={**self.headers, **headers}, **more)

    def upload(self, path: str, content: bytes | str, kind: str = "text/csv") -> HttpResponse:
        """Posts a file."""
        return self.client.generic("POST", f"/v1{path}", content, content_type=kind, headers=self.headers)

    def get(self, path: str) -> HttpResponse:
        return self.call("GET", path)

    def post(self, path: str, body: Any = None) -> HttpResponse:
        return self.call("POST", path, body)


def user(role: str, customer: Customer | None = None, name: str = "") -> User:
    """Somebody with a password."""
    email = name or f"{role}{customer.pk if customer else ''}@example.org"
    found = User.objects.filter(username=email).first()
    if found is None:
        found = User(username=email, email=email, role=role, customer=customer)
        found.set_password(PASSWORD)
        found.save()
    return found


def by_key(*scopes: str, customer: Customer | None = None) -> Caller:
    """A program with a key."""
    _, text = keys.make(name="test", scopes=list(scopes), customer=customer)
    return Caller(key=text)


def operator() -> Caller:
    return Caller(user("operator"))


def administrator(customer: Customer) -> Caller:
    return Caller(user("administrator", customer))


def viewer(customer: Customer) -> Caller:
    return Caller(user("viewer", customer))


def code(answer: HttpResponse) -> str:
    """The code of the first problem."""
    return answer.json()["problems"][0]["code"]
