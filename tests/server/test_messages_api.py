"""The list of messages and what can be done about them; and the thresholds that were reached.

10 units are included in a month, and thresholds are at 80 and 100 %.
"""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone
from standardwebhooks import Webhook

from rollbook.server import clock
from rollbook.server.configuration import Configuration
from rollbook.server.models import Audit, Endpoint, Message, Subscription
from rollbook.server.notices import delivery
from rollbook.server.notices.announce import announce
from rollbook.server.notices.endpoints import ENDPOINTS_MAX
from rollbook.server.notices.webhooks import new_secret
from tests.server import receivers
from tests.server.callers import administrator, by_key, code, operator, user, viewer
from tests.server.world import at, customer, own_plan, row, send, subscribe

pytestmark = pytest.mark.usefixtures("ledger")

PLAN = """
[meter]
counts = ["login"]
[window]
kind = "calendar-month"
[allowance]
per = "window"
quantity = 10
[limit]
policy = "notify"
thresholds = [80, 100]
"""


def endpoint(of=None, url: str = "https://hooks.example/x", state: str = Endpoint.ACTIVE) -> Endpoint:
    return Endpoint.objects.create(customer=of, url=url, secret=new_secret(), state=state)


def about(term: Subscription) -> int:
    """Says that a report of a term was sent; how many messages it made."""
    return announce("report.sent", term.customer, {"report": "usage"}, term, mail=["somebody@example.org"])


def listed(caller, query: str = "") -> list[dict]:
    answer = caller.get(f"/messages{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()["items"]


def died(message: Message | int, why: str = "answered 500") -> None:
    number = message if isinstance(message, int) else message.pk
    Message.objects.filter(pk=number).update(state=Message.DEAD, attempts=9, last_error=why)


def test_the_list_says_what_became_of_each_message_and_names_nobody() -> None:
    mine = customer()
    term = subscribe(mine, own_plan(PLAN))
    hook = endpoint(mine)
    assert about(term) == 2
    mail, webhook = sorted(listed(administrator(mine)), key=lambda it: it["channel"])
    assert (mail["channel"], mail["endpoint"], webhook["endpoint"]) == ("mail", None, hook.pk)
    for it in (mail, webhook):
        assert (it["event"], it["state"], it["attempts"]) == ("report.sent", "waiting", 0)
        assert (it["subscription"], it["customer"]) == (term.pk, mine.pk)
    text = json.dumps([mail, webhook])
    assert "somebody" not in text
    assert mine.name not in text
    assert "hooks.example" not in text


def test_it_is_filtered_by_state_event_and_subscription_and_the_newest_comes_first() -> None:
    mine = customer()
    first = subscribe(mine, own_plan(PLAN), meter="first")
    second = subscribe(mine, own_plan(PLAN), meter="second")
    for term in (first, second, first):
        about(term)
    oldest = Message.objects.order_by("pk").first()
    died(oldest)
    caller = operator()
    numbers = [it["id"] for it in listed(caller)]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 3
    assert [it["id"] for it in listed(caller, "?state=dead")] == [oldest.pk]
    assert {it["subscription"] for it in listed(caller, f"?subscription={first.pk}")} == {first.pk}
    assert len(listed(caller, f"?subscription={first.pk}")) == 2
    assert listed(caller, "?event=statement.closed") == []
    assert len(listed(caller, "?event=report.sent&state=waiting")) == 2
    assert code(caller.get("/messages?event=report.snet")) == "input-invalid"
    page = caller.get("/messages?limit=2").json()
    assert [it["id"] for it in page["items"]] == numbers[:2]
    rest = caller.get(f"/messages?limit=2&after={page['next']}").json()
    assert ([it["id"] for it in rest["items"]], rest["next"]) == (numbers[2:], None)


def test_a_customer_sees_neither_the_vendors_messages_nor_anothers() -> None:
    """Three terms: shown, a pilot, and another customer's. Of each a webhook to the vendor, and one mail."""
    mine, other = customer(), customer("Southern Academy", ("south",))
    endpoint()
    own = endpoint(mine)
    user("operator")
    shown = subscribe(mine, own_plan(PLAN))
    for term in (shown, subscribe(mine, own_plan(PLAN), kind="pilot", meter="pilot"), subscribe(other, own_plan(PLAN))):
        about(term)
    announce("statement.withheld", mine, {"window": 1, "reason": "it differs"}, shown)
    announce("endpoint.disabled", mine, {"host": "hooks.example", "endpoint": own.pk}, mail=["admin@example.org"])
    found = listed(administrator(mine))
    assert sorted((it["event"], it["channel"], it["subscription"]) for it in found) == [
        ("endpoint.disabled", "mail", None),
        ("endpoint.disabled", "webhook", None),
        ("report.sent", "mail", shown.pk),
        ("report.sent", "webhook", shown.pk),
    ]
    assert {it["endpoint"] for it in found} == {None, own.pk}
    # Of the shown term 3, of the pilot and the other's 2 each, of what is withheld 2, of the endpoint 3.
    assert len(listed(operator())) == Message.objects.count() == 12
    assert len(listed(by_key("manage"))) == 12
    hidden = Message.objects.filter(event="statement.withheld").first()
    died(hidden)
    assert administrator(mine).post(f"/messages/{hidden.pk}/resend").status_code == 404


def test_a_dead_letter_starts_over_with_the_same_id_and_the_audit_says_who_asked() -> None:
    mine = customer()
    endpoint(mine)
    announce("report.sent", mine, {"report": "usage"})
    message = Message.objects.get()
    Message.objects.update(next_at=timezone.now() + timedelta(days=3))
    died(message)
    caller = administrator(mine)
    found = caller.post(f"/messages/{message.pk}/resend").json()
    assert (found["state"], found["attempts"], found["last_error"]) == ("waiting", 0, "")
    assert found["message"] == message.message_id
    message.refresh_from_db()
    assert message.next_at <= timezone.now()
    [audit] = Audit.objects.filter(action="message.resent")
    assert (audit.actor, audit.object) == (f"administrator administrator{mine.pk}@example.org", f"message {message.pk}")
    assert (audit.customer_id, audit.details) == (mine.pk, {"event": "report.sent"})
    again = caller.post(f"/messages/{message.pk}/resend")
    assert (again.status_code, code(again)) == (409, "not-dead")
    assert Audit.objects.filter(action="message.resent").count() == 1


def test_nothing_is_sent_again_to_an_endpoint_that_is_off_until_it_is_on() -> None:
    mine = customer()
    hook = endpoint(mine)
    announce("report.sent", mine, {"report": "usage"})
    [message] = Message.objects.all()
    died(message)
    caller = administrator(mine)
    Endpoint.objects.update(state=Endpoint.GONE)
    refused = caller.post(f"/messages/{message.pk}/resend")
    assert (refused.status_code, code(refused)) == (409, "disabled")
    assert caller.post(f"/endpoints/{hook.pk}/enable").json()["state"] == "active"
    assert caller.post(f"/messages/{message.pk}/resend").status_code == 200
    assert list(Audit.objects.filter(action="endpoint.enabled").values_list("object", "customer_id")) == [
        (f"endpoint {hook.pk}", mine.pk)
    ]
    assert caller.post(f"/endpoints/{hook.pk}/enable").status_code == 200
    assert Audit.objects.filter(action="endpoint.enabled").count() == 1


def test_an_endpoint_that_was_removed_is_told_from_one_that_is_gone_and_never_comes_back() -> None:
    mine = customer()
    removed, gone = endpoint(mine), endpoint(mine, state=Endpoint.GONE)
    announce("report.sent", mine, {"report": "usage"})
    [message] = Message.objects.all()
    caller = administrator(mine)
    assert caller.call("DELETE", f"/endpoints/{removed.pk}").json()["state"] == "removed"
    shown = {it["id"]: it["state"] for it in caller.get("/endpoints").json()["items"]}
    assert shown == {removed.pk: "removed", gone.pk: "gone"}
    # What waited for it waits no more, and says why.
    message.refresh_from_db()
    assert (message.state, message.last_error) == ("dead", "the endpoint was removed")
    for path in (f"/endpoints/{removed.pk}/enable", f"/messages/{message.pk}/resend"):
        refused = caller.post(path)
        assert (refused.status_code, code(refused)) == (409, "removed")
        assert "enter the address anew" in refused.json()["problems"][0]["remedy"]
    removed.refresh_from_db()
    assert (removed.state, removed.secret) == ("removed", "")
    assert caller.call("DELETE", f"/endpoints/{removed.pk}").status_code == 200
    assert Audit.objects.filter(action="endpoint.removed").count() == 1
    # One that is gone can be removed, too.
    assert caller.call("DELETE", f"/endpoints/{gone.pk}").json()["state"] == "removed"


def test_an_endpoint_is_not_switched_on_beyond_the_most_or_where_none_could_be_added() -> None:
    mine = customer()
    plain = endpoint(mine, "http://hooks.example/x", Endpoint.GONE)
    off = endpoint(mine, state=Endpoint.GONE)
    caller = administrator(mine)
    refused = caller.post(f"/endpoints/{plain.pk}/enable")
    assert (refused.status_code, code(refused)) == (409, "url-invalid")
    for _ in range(ENDPOINTS_MAX):
        endpoint(mine)
    refused = caller.post(f"/endpoints/{off.pk}/enable")
    assert (refused.status_code, code(refused)) == (409, "too-many")
    assert not Endpoint.objects.filter(pk__in=(plain.pk, off.pk), state=Endpoint.ACTIVE).exists()


def test_the_thresholds_that_were_reached_are_listed_with_when_and_at_what(monkeypatch: pytest.MonkeyPatch) -> None:
    """The 8th of 10 is 80 %, and the 10th 100 %."""
    monkeypatch.setattr(clock, "source_ns", lambda: at("2026-01-06T12:00") * 1000)
    mine = customer()
    term = subscribe(mine, own_plan(PLAN))
    for first, last, day in ((0, 8, 5), (8, 10, 6)):
        when = f"2026-01-0{day}T09:00"
        send([row(str(it), f"learner {it}", when) for it in range(first, last)], f"2026-01-0{day}T10:00")
    answer = viewer(mine).get(f"/subscriptions/{term.pk}/crossings").json()
    said = [
        (it["window"], it["pool"], it["percent"], it["foreseen"], it["used"], it["allowance"]) for it in answer["items"]
    ]
    assert said == [(1, "", 100, False, 10, 10), (1, "", 80, False, 8, 10)]
    assert all(it["at"].endswith("Z") for it in answer["items"])
    first = viewer(mine).get(f"/subscriptions/{term.pk}/crossings?limit=1").json()
    assert (first["items"][0]["percent"], first["next"]) == (100, first["items"][0]["id"])


def test_an_endpoint_is_tried_out_once_and_what_it_answered_is_said(settings) -> None:
    """The message is signed like all others, goes to this endpoint alone, and is tried once, whatever comes of it."""
    settings.CONFIGURATION = Configuration({**settings.CONFIGURATION.values, "ROLLBOOK_WEBHOOKS_PRIVATE": True})
    mine = customer()
    caller = administrator(mine)
    with receivers.webhooks() as receiver:
        hook = endpoint(mine, receiver.url)
        hook.events = ["statement.closed"]
        hook.save()
        endpoint(mine, receiver.url + "/other")
        endpoint(None, receiver.url + "/vendor")
        for status, state in ((204, "sent"), (500, "dead")):
            receiver.statuses = [status]
            answer = caller.post(f"/endpoints/{hook.pk}/test")
            assert (answer.status_code, answer.json()["state"], answer.json()["answered"]) == (201, "waiting", None)
            while delivery.deliver(timezone.now() + timedelta(days=9)):
                pass
            newest = listed(caller, "?event=endpoint.tested")[0]
            assert (newest["id"], newest["state"], newest["answered"]) == (answer.json()["id"], state, status)
            assert newest["attempts"] == 1
        assert len(receiver.got) == 2
        for headers, body in receiver.got:
            said = Webhook(hook.secret).verify(body, headers)
            assert said["type"] == "endpoint.tested"
            assert said["data"] == {"customer": mine.name, "endpoint": hook.pk}
    assert Audit.objects.filter(action="endpoint.tested", customer=mine).count() == 2


def test_an_endpoint_is_tried_out_ten_times_in_a_quarter_of_an_hour_and_no_more() -> None:
    mine = customer()
    hook, other = endpoint(mine), endpoint(mine)
    caller = administrator(mine)
    answers = [caller.post(f"/endpoints/{hook.pk}/test") for _ in range(11)]
    assert [it.status_code for it in answers] == [201] * 10 + [429]
    assert int(answers[-1]["Retry-After"]) <= 901
    assert caller.post(f"/endpoints/{other.pk}/test").status_code == 201
    assert Message.objects.filter(endpoint=hook).count() == 10


@pytest.mark.parametrize("state", [Endpoint.GONE, Endpoint.REMOVED])
def test_what_is_switched_off_or_removed_is_not_tried_out(state) -> None:
    mine = customer()
    hook = endpoint(mine, state=state)
    assert administrator(mine).post(f"/endpoints/{hook.pk}/test").status_code == 409
    assert not Message.objects.exists()
