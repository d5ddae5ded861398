"""What somebody ordered or made does not outlive their right to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from rollbook.server import clock
from rollbook.server.access import keys
from rollbook.server.models import ApiKey, Audit, Endpoint, Message, ReportOrder, Subscription, User
from rollbook.server.notices import orders, standing
from rollbook.server.notices.announce import announce
from rollbook.server.notices.delivery import deliver, resend
from tests.server import callers, receivers, world
from tests.server.callers import PASSWORD, Caller, code

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture
def mailbox(settings: Any) -> Iterator[receivers.Mailbox]:
    with receivers.mailbox() as running:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", running.port
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        yield running


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def soon() -> datetime:
    return timezone.now() + timedelta(seconds=1)


@pytest.fixture
def row() -> Subscription:
    return world.subscribe(world.customer())


def ordered(by: Caller, row: Subscription, report: str = "users") -> ReportOrder:
    body = {"subscription": row.pk, "report": report, "address": "bob@example.org", "every": "month"}
    made = by.post("/report-orders", body)
    assert made.status_code == 201, made.content
    ReportOrder.objects.filter(pk=made.json()["id"]).update(created_at=at("2026-01-02T00:00:00"))
    return ReportOrder.objects.get(pk=made.json()["id"])


def disabled(user: User) -> None:
    assert callers.operator().post(f"/users/{user.pk}/disable").status_code == 200


def lost_role(user: User) -> None:
    User.objects.filter(pk=user.pk).update(role=User.VIEWER)


def moved(user: User) -> None:
    User.objects.filter(pk=user.pk).update(customer=world.customer("Southern Academy", ("south",)))


def deleted(user: User) -> None:
    User.objects.filter(pk=user.pk).delete()


GONE = pytest.mark.parametrize(
    ("leave", "reason"),
    [
        (disabled, standing.DISABLED),
        (lost_role, standing.MAY_NOT),
        (moved, standing.MAY_NOT),
        (deleted, standing.NOBODY),
    ],
)


@GONE
def test_an_order_is_paused_when_whoever_ordered_it_leaves_and_administrators_are_told_once(
    row: Subscription, leave: Any, reason: str
) -> None:
    order = ordered(callers.administrator(row.customer), row)
    other = callers.user("administrator", row.customer, "stays@example.org")
    leave(callers.user("administrator", row.customer))
    assert [orders.order_reports(at(f"2026-0{month}-01T00:00:00")) for month in (2, 3)] == [0, 0]
    order.refresh_from_db()
    assert order.paused == reason
    [told] = Message.objects.filter(event="report-order.paused", channel="mail")
    assert told.address == other.email
    assert told.content["data"]["order"] == order.pk
    assert told.content["data"]["reason"] == reason
    [shown] = Caller(other).get("/report-orders").json()["items"]
    assert shown["paused"] == reason
    assert not Message.objects.filter(event="report.sent").exists()


@GONE
def test_what_was_queued_before_is_not_sent_after(
    row: Subscription, mailbox: receivers.Mailbox, leave: Any, reason: str
) -> None:
    ordered(callers.administrator(row.customer), row)
    assert orders.order_reports(at("2026-02-01T00:00:00")) == 1
    leave(callers.user("administrator", row.customer))
    [waiting] = Message.objects.filter(event="report.sent")
    for _ in range(2):
        deliver(soon())
        waiting.refresh_from_db()
        assert (waiting.state, waiting.last_error) == ("dead", reason)
        # Who sends it again by hand sends nothing either.
        assert resend(waiting, timezone.now())
    assert mailbox.came == []


def test_an_order_that_was_removed_takes_what_waits_with_it(row: Subscription, mailbox: receivers.Mailbox) -> None:
    caller = callers.administrator(row.customer)
    order = ordered(caller, row)
    assert orders.order_reports(at("2026-02-01T00:00:00")) == 1
    assert caller.call("DELETE", f"/report-orders/{order.pk}").status_code == 204
    deliver(soon())
    assert mailbox.came == []
    assert Message.objects.get().last_error == "the order was removed"


def test_an_order_of_a_program_ends_with_its_key(row: Subscription, mailbox: receivers.Mailbox) -> None:
    order = ordered(callers.by_key("manage"), row, "usage")
    assert orders.order_reports(at("2026-02-01T00:00:00")) == 1
    deliver(soon())
    assert len(mailbox.came) == 1
    ApiKey.objects.update(expires_at=timezone.now())
    assert orders.order_reports(at("2026-03-01T00:00:00")) == 0
    order.refresh_from_db()
    assert order.paused == standing.ENDED


def test_an_order_stays_paused_until_somebody_who_may_takes_it_over(
    row: Subscription, mailbox: receivers.Mailbox
) -> None:
    leaver = callers.user("administrator", row.customer)
    order = ordered(Caller(leaver), row)
    operator = callers.operator()
    assert operator.post(f"/users/{leaver.pk}/disable").json()["report_orders"] == [order.pk]
    assert operator.post(f"/users/{leaver.pk}/enable").status_code == 200
    # To be let in again is one thing, to send learners' names by mail another.
    assert orders.order_reports(at("2026-02-01T00:00:00")) == 0
    path = f"/report-orders/{order.pk}/take-over"
    # A key that manages reads no learners, another customer's administrator sees no such order, a viewer manages none.
    other = callers.administrator(world.customer("Southern Academy", ("south",)))
    tried = [it.post(path).status_code for it in (callers.by_key("manage"), other, callers.viewer(row.customer))]
    assert tried == [403, 404, 403]
    heir = callers.user("administrator", row.customer, "heir@example.org")
    taken = Caller(heir).post(path).json()
    assert (taken["created_by"], taken["paused"]) == (heir.pk, "")
    assert Audit.objects.filter(action="report-order.taken-over").count() == 1
    assert orders.order_reports(at("2026-03-01T00:00:00")) == 1
    deliver(soon())
    assert any("bob@example.org" in str(it) for it in mailbox.came)


def test_mail_about_what_happened_goes_to_nobody_who_left_meanwhile(
    row: Subscription, mailbox: receivers.Mailbox
) -> None:
    stays = callers.user("administrator", row.customer, "stays@example.org")
    leavers = [callers.user("administrator", row.customer, f"{it.__name__}@example.org") for it in (lost_role, moved)]
    gone = callers.user("administrator", row.customer, "gone@example.org")
    announce("statement.closed", row.customer, {"statement": 1, "total": "", "currency": "", "digest": ""}, row)
    assert Message.objects.count() == 4
    lost_role(leavers[0])
    moved(leavers[1])
    User.objects.filter(pk=gone.pk).update(is_active=False)
    deliver(soon())
    sent = Message.objects.filter(state="sent").values_list("address", flat=True)
    assert list(sent) == [stays.email]
    assert len(mailbox.came) == 1
    assert set(Message.objects.filter(state="dead").values_list("last_error", flat=True)) == {
        "nobody with this address is told of it any more"
    }


def test_disabling_somebody_says_what_of_theirs_still_holds_and_ends_it_where_that_is_asked(row: Subscription) -> None:
    leaver = callers.user("administrator", row.customer)
    caller = Caller(leaver)
    key = caller.post("/keys", {"name": "mine", "scopes": ["learners:read"]}).json()
    hook = caller.post("/endpoints", {"url": "https://hooks.example/x"}).json()["endpoint"]
    keys.make(name="another's", scopes=["facts:write"], customer=row.customer)
    operator = callers.operator()
    assert (key["key"]["created_by"], hook["created_by"]) == (leaver.pk, leaver.pk)
    left = operator.post(f"/users/{leaver.pk}/disable").json()
    assert (left["user"]["active"], left["keys"], left["endpoints"]) == (False, [key["key"]["id"]], [hook["id"]])
    # It is their customer's: what runs goes on.
    program = Caller(key=key["secret"])
    assert program.get(f"/subscriptions/{row.pk}/usage").status_code == 403
    left = operator.post(f"/users/{leaver.pk}/disable?revoke=true").json()
    assert (left["keys"], left["endpoints"]) == ([], [])
    assert program.get("/customers").status_code == 401
    assert Endpoint.objects.get().state == "removed"
    assert ApiKey.objects.filter(revoked_at=None).count() == 1
    assert set(Audit.objects.values_list("action", flat=True)) >= {"key.revoked", "endpoint.removed"}


def test_sessions_and_links_from_before_somebody_was_disabled_stay_ended_when_they_are_let_in_again() -> None:
    someone, operator = callers.user("viewer", world.customer()), callers.operator()
    session = Caller(someone)
    link = operator.post(f"/users/{someone.pk}/password-link").json()["password_link"]
    assert session.get("/customers").status_code == 200
    operator.post(f"/users/{someone.pk}/disable")
    operator.post(f"/users/{someone.pk}/enable")
    assert session.get("/customers").status_code == 401
    assert used(link).status_code == 404
    # What begins afterwards holds: a new link, and a new session.
    assert used(operator.post(f"/users/{someone.pk}/password-link").json()["password_link"]).status_code == 204
    someone.refresh_from_db()
    again = Caller(someone)
    assert again.get("/customers").status_code == 200
    assert again.get("/customers").status_code == 200


@pytest.mark.parametrize("change", [lost_role, moved])
def test_a_link_is_for_the_role_and_the_customer_that_its_user_had(change: Any) -> None:
    """Whoever made a link for a viewer knows it: it must not open what the viewer may do later."""
    someone, operator = callers.user("administrator", world.customer()), callers.operator()
    link = operator.post(f"/users/{someone.pk}/password-link").json()["password_link"]
    change(someone)
    refused = used(link)
    assert (refused.status_code, code(refused)) == (404, "link-invalid")


def used(link: str) -> Any:
    number, token = link.split("/")[-2:]
    browser = Caller()
    csrf = browser.get("/session").json()["csrf_token"]
    body = {"number": number, "token": token, "password": PASSWORD + " anew"}
    return browser.call("POST", "/session/password-link", body, **{"X-CSRFToken": csrf})


def test_whoever_manages_an_order_has_one_report_at_once_and_nobody_else_has_it(
    row: Subscription, mailbox: receivers.Mailbox
) -> None:
    """W-23. The order goes to bob, and stays as it is."""
    order = ordered(callers.administrator(row.customer), row)
    asks = Caller(callers.user("administrator", row.customer, "asks@example.org"))
    answer = asks.post(f"/report-orders/{order.pk}/send-now")
    assert (answer.status_code, answer.json()["last_sent_for"]) == (200, "")
    deliver(soon())
    [(to, mail)] = mailbox.came
    assert to == ["asks@example.org"]
    assert [it.get_filename().endswith(".csv") for it in mail.iter_attachments()] == [True]
    assert Audit.objects.filter(action="report-order.sent-now", customer=row.customer).count() == 1
    assert orders.order_reports(at("2026-02-01T00:00:00")) == 1, "what was ordered comes as it would have"


@GONE
def test_whoever_asks_for_a_report_and_leaves_before_it_is_made_gets_none(
    row: Subscription, mailbox: receivers.Mailbox, leave: Any, reason: str
) -> None:
    order = ordered(callers.administrator(row.customer), row)
    asks = callers.user("administrator", row.customer, "asks@example.org")
    assert Caller(asks).post(f"/report-orders/{order.pk}/send-now").status_code == 200
    leave(asks)
    deliver(soon())
    assert mailbox.came == []
    said = Message.objects.get(event="report.sent").last_error
    assert said.startswith("whoever asked for it"), reason


def test_a_report_is_asked_for_six_times_in_a_quarter_of_an_hour_and_no_more(
    row: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ns = time.time_ns()
    monkeypatch.setattr(clock, "source_ns", lambda: now_ns)
    caller = callers.administrator(row.customer)
    order = ordered(caller, row)
    path = f"/report-orders/{order.pk}/send-now"
    assert [caller.post(path).status_code for _ in range(7)] == [200] * 6 + [429]
    # A colleague has a rate of their own; a program has no address.
    assert Caller(callers.user("administrator", row.customer, "other@example.org")).post(path).status_code == 200
    assert code(callers.by_key("manage").post(path)) == "no-address"


def test_there_is_no_report_of_the_last_closed_window_before_one_is_closed(row: Subscription) -> None:
    caller = callers.administrator(row.customer)
    order = ordered(caller, row)
    ReportOrder.objects.filter(pk=order.pk).update(every="close")
    assert code(caller.post(f"/report-orders/{order.pk}/send-now")) == "nothing-closed"
    assert not Message.objects.exists()
