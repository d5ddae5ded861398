"""Where the documentation says more about each page: what *Help*, beside its heading, leads to.

A test follows each, and finds the heading.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest
from django.urls import reverse

SECTIONS: Mapping[str, str] = {
    "front": "server/pages#overview",
    "account": "server/security#who-there-is",
    "usage": "server/pages#usage-details",
    "learners": "server/pages#learners",
    "learners-uncounted": "server/pages#learners",
    "groups": "reports#groups",
    "learner": "server/pages#why-somebody-counts",
    "guest": "server/pages#why-somebody-counts",
    "roster": "server/pages#roster",
    "roster-learner": "server/pages#roster",
    "roster-courses": "server/pages#roster",
    "roster-upload": "server/roster#sending-a-roster",
    "roster-ways": "server/pages#roster",
    "roster-requests": "server/roster#having-the-platform-do-it",
    "roster-rules": "server/rules#a-term",
    "planner": "server/pages#planner",
    "planner-history": "server/pages#planner",
    "statements": "server/pages#statements",
    "statement": "server/pages#statements",
    "statement-preview": "server/pages#statements",
    "notices": "server/pages#reports-and-alerts",
    "order-new": "server/messages#reports-by-mail",
    "order": "server/messages#reports-by-mail",
    "people": "server/pages#what-an-organisation-manages-itself",
    "person": "server/security#when-somebody-leaves",
    "keys": "server/security#scopes-of-keys",
    "key": "server/security#scopes-of-keys",
    "webhooks": "server/messages#receiving-webhooks",
    "webhook": "server/messages#receiving-webhooks",
    "connect": "server/ingest#facts",
    "beginning": "server/operation#the-first-hour",
    "customers": "server/pages#back-office",
    "customer": "server/pages#back-office",
    "subscriptions": "server/pages#back-office",
    "subscribe": "plans#subscriptions",
    "subscription": "server/pages#back-office",
    "reconcile": "server/pages#back-office",
    "plans": "plans#keys-of-a-plan",
    "plan": "plans#keys-of-a-plan",
    "plan-editor": "plans#keys-of-a-plan",
    "tasks": "server/statements#when-nothing-is-closed",
    "problems": "server/ingest#when-something-is-wrong",
    "deliveries": "server/pages#back-office",
    "audit": "server/security#what-is-written-down",
    "jobs": "server/operation#watching",
}
"""By the name of a page, `document#heading`."""


def of(request: HttpRequest) -> str:
    """The address of the section about the page that is shown; empty where there is none, as of help itself."""
    match = request.resolver_match
    name, _, heading = SECTIONS.get(match.url_name or "" if match else "", "").partition("#")
    return f"{reverse('help-page', kwargs={'name': name})}#{heading}" if name else ""
