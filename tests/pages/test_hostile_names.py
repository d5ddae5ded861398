"""Names and ids are text on every page, whatever stands in them: a sender, a learner or a customer writes no page."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from rollbook.server import models
from rollbook.server.access import keys
from rollbook.server.live import people as live_people
from rollbook.server.pages.registry import PAGES
from tests.pages.test_pages_by_role import Own, World
from tests.server import world

pytestmark = pytest.mark.usefixtures("ledger")

EVIL = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>"
TOLD = "&lt;img src=x onerror=alert(1)&gt;"
FILES = ("report", "statement-file", "charges")
"""Which are not pages; what stands in them is for spreadsheets."""


class Hostile(World):
    """Everything that somebody may name has the same name."""

    def __init__(self) -> None:
        super().__init__()
        self.north = world.customer(f"North {EVIL}", (EVIL,))
        self.subscription = world.subscribe(self.north, "monthly-login", quantity=1)
        self.own = Own(self.north, self.subscription)
        models.ApiKey.objects.filter(pk=self.own.key).update(name=EVIL)
        # Vera is a viewer of the parent's customer, and moves to this one.
        called = {"first_name": EVIL, "email": f"{EVIL}@example.org", "customer": self.north}
        models.User.objects.filter(pk=self.own.person).update(**called)
        models.Endpoint.objects.filter(pk=self.own.endpoint).update(url=f"https://example.org/{EVIL}")
        facts = [
            self.row("1", EVIL, "2026-03-02T09:00"),
            self.row("2", "bo", "2026-03-02T09:00"),
            self.row("3", "bo", "2026-03-02T10:00", EVIL),
            self.row("4", EVIL, "2026-03-02T10:00", "enrolment.created"),
            self.row(EVIL, "", "2026-03-02T11:00", role="guest"),
            self.row("1", "cy", "2026-03-02T09:00"),
            {**self.row("5", "cy", "2026-03-02T09:00"), "organisation": f"nobody's {EVIL}"},
        ]
        _, key = keys.make(name=EVIL, scopes=["facts:write"])
        sent = self.client("no").post(
            "/v1/facts", facts, content_type="application/json", headers={"Authorization": f"Bearer {key}"}
        )
        assert sent.status_code == 200, sent.content
        models.Person.objects.filter(learner="bo").update(name=EVIL, email=EVIL)

    @staticmethod
    def row(id_: str, learner: str, at: str, type_: str = "login", **more: str) -> dict[str, str]:
        told = {"id": id_, "learner": learner, "occurred_at": f"{at}:00Z", "type": type_, "organisation": EVIL}
        return {**told, "source": EVIL, "object": EVIL, **more}

    def address(self, name: str) -> str:
        of = f"/subscriptions/{self.subscription.pk}"
        if name == "guest":
            return f"{of}/guests/{quote(EVIL)}"
        number = live_people.surrogate(self.north.pk, EVIL)
        pages = {"learner": f"{of}/learners", "roster-learner": f"/customers/{self.north.pk}/roster/learners"}
        return f"{pages[name]}/{number}" if name in pages else super().address(name)


def test_what_somebody_is_called_is_text_on_every_page():
    there = Hostile()
    told = set()
    for name, page in PAGES.items():
        if "GET" not in page.methods or name in FILES:
            continue
        for who in ("op", "ad"):
            answer = there.client(who).get(there.address(name))
            text = answer.content.decode()
            assert answer.status_code in (200, 403), (name, who, answer.status_code)
            assert "<img src=x" not in text, (name, who)
            assert "<script>alert" not in text, (name, who)
            if TOLD in text:
                told.add(name)
    # Where names stand they are told, so that nothing is passed by leaving them out.
    assert told >= {"front", "customers", "customer", "learners", "learner", "problems", "keys", "people", "webhooks"}
    assert told >= {"roster", "roster-learner", "roster-courses", "roster-ways"}
