"""Mail arrives at a real mail server, says in plain words what happened, and shows nothing for HTML that is a name."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from django.test import Client

from rollbook.server.configuration import ConfigurationError, configuration, mail
from rollbook.server.models import Customer, Endpoint, Message, ReportOrder, Subscription, User
from rollbook.server.notices import mail as mails
from rollbook.server.notices import reports
from rollbook.server.notices.announce import announce
from rollbook.server.notices.delivery import deliver
from rollbook.server.notices.events import COMMON, ENDPOINT, EVENTS
from rollbook.server.notices.webhooks import new_secret

from . import receivers, world

pytestmark = pytest.mark.usefixtures("ledger")


@pytest.fixture
def mailbox(settings: Any) -> Iterator[receivers.Mailbox]:
    with receivers.mailbox() as box:
        for name, value in mail(f"smtp://127.0.0.1:{box.port}?tls=none").items():
            setattr(settings, name, value)
        yield box


@pytest.fixture
def north() -> Customer:
    customer = world.customer()
    User.objects.create(username="ada", email="ada@example.org", role=User.ADMINISTRATOR, customer=customer)
    return customer


def soon() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=1)


CROSSED: dict[str, Any] = {
    "window": 3,
    "from": "2026-03-01T00:00:00Z",
    "until": "2026-04-01T00:00:00Z",
    "pool": "",
    "percent": 80,
    "used": 1200,
    "allowance": 1500,
    "per": "window",
    "policy": "notify",
}


def parts(message: EmailMessage) -> tuple[str, str]:
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    return plain.get_content(), html.get_content()


def test_an_administrator_reads_what_happened_and_what_it_means(mailbox: receivers.Mailbox, north: Customer) -> None:
    row = world.subscribe(north)
    announce("threshold.crossed", north, CROSSED, row)
    assert deliver(soon()) == 1
    [(to, message)] = mailbox.came
    assert to == ["ada@example.org"]
    assert message["Subject"] == "Northern Academy: 80 % of what is included is used"
    assert message["Message-ID"] == f"<{Message.objects.get().message_id}@localhost>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["From"] == "rollbook@localhost"
    for text in parts(message):
        said = " ".join(text.split())
        assert "includes 1,500 active learners in the period from March 1, 2026 to March 31, 2026" in said
        assert "1,200 have counted so far" in said
        assert "Nobody is kept from learning" in said
        assert "http://localhost:8000" in said
        # There is no page of a subscription to lead to.
        assert "http://localhost:8000/" not in said
    assert Message.objects.get().state == "sent"


def test_mail_is_in_the_language_in_which_its_reader_last_read_a_page(
    mailbox: receivers.Mailbox, north: Customer
) -> None:
    """Two readers in one batch, each on a thread of the sender."""
    row = world.subscribe(north)
    ben = User.objects.create(username="ben", email="ben@example.org", role=User.ADMINISTRATOR, customer=north)
    client = Client()
    client.force_login(ben)
    assert client.get("/account", headers={"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}).status_code == 200
    announce("threshold.crossed", north, CROSSED, row)
    assert deliver(soon()) == 2
    came = {to[0]: message for to, message in mailbox.came}
    assert came["ada@example.org"]["Subject"] == "Northern Academy: 80 % of what is included is used"
    german = came["ben@example.org"]
    assert german["Subject"] == "Northern Academy: 80 % dessen, was enthalten ist, sind genutzt"
    plain, html = parts(german)
    assert "enthält 1.500 aktive Lernende im Zeitraum vom 1. März 2026 bis 31. März 2026" in " ".join(plain.split())
    assert '<html lang="de">' in html
    # Whoever reads English again is written to in English.
    client.get("/account", headers={"Accept-Language": "en"})
    ben.refresh_from_db()
    assert ben.language == "en"


def test_a_period_is_told_in_the_days_of_the_subscriptions_zone(mailbox: receivers.Mailbox, north: Customer) -> None:
    """March in Sydney (UTC+11) is from 28 February 13:00 UTC."""
    row = world.subscribe(north, zone="Australia/Sydney")
    announce(
        "threshold.crossed",
        north,
        CROSSED | {"from": "2026-02-28T13:00:00Z", "until": "2026-03-31T13:00:00Z"},
        row,
    )
    deliver(soon())
    [(_, message)] = mailbox.came
    assert "from March 1, 2026 to March 31, 2026" in " ".join(parts(message)[0].split())


def test_a_name_is_never_html_and_never_a_header(mailbox: receivers.Mailbox, north: Customer) -> None:
    north.name = "<img src=x onerror=alert(1)>\r\nBcc: evil@example.org"
    north.save()
    announce("threshold.crossed", north, CROSSED | {"pool": "{{ link }}<script>"}, world.subscribe(north))
    deliver(soon())
    [(to, message)] = mailbox.came
    assert to == ["ada@example.org"]
    assert message["Bcc"] is None
    text, html = parts(message)
    assert "<img" not in html
    assert "<script" not in html
    assert "&lt;img" in html
    assert "{{ link }}<script>" in text  # a text is a text


def test_what_the_mail_server_refuses_for_good_is_given_up_and_the_rest_tried_again(
    mailbox: receivers.Mailbox, north: Customer
) -> None:
    row = world.subscribe(north)
    announce("threshold.crossed", north, CROSSED, row)
    mailbox.refuse = "451 later"
    now = soon()
    deliver(now)
    assert Message.objects.get().state == "waiting"
    mailbox.refuse = ""
    deliver(now + timedelta(seconds=7))
    assert Message.objects.get().state == "sent"
    announce("threshold.crossed", north, CROSSED, row)
    mailbox.refuse = "550 nobody here"
    deliver(soon())
    assert Message.objects.order_by("-pk")[0].state == "dead"


def test_without_a_mail_server_it_is_tried_again(settings: Any, north: Customer) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        for name, value in mail(f"smtp://127.0.0.1:{free.getsockname()[1]}?tls=none").items():
            setattr(settings, name, value)
    announce("threshold.crossed", north, CROSSED, world.subscribe(north))
    deliver(soon())
    message = Message.objects.get()
    assert (message.state, message.last_error) == ("waiting", "the mail server was not reached, or broke off")


def test_a_server_that_should_speak_tls_and_does_not_gets_nothing(
    mailbox: receivers.Mailbox, settings: Any, north: Customer
) -> None:
    for name, value in mail(f"smtp://ada:secret@127.0.0.1:{mailbox.port}").items():
        setattr(settings, name, value)
    announce("threshold.crossed", north, CROSSED, world.subscribe(north))
    deliver(soon())
    assert mailbox.came == []
    assert Message.objects.get().state == "waiting"


def test_a_report_is_attached_and_the_outbox_never_holds_it(
    mailbox: receivers.Mailbox, north: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    csv = ("usage.csv", "text/csv", b"learner,active\nann,1\n")
    monkeypatch.setattr(reports, "attached", lambda it: reports.Attached(csv if it.event == "report.sent" else None))
    data = {"report": "usage", "by": "learner", "format": "csv", "every": "month", "period": "2026-03"}
    announce("report.sent", north, data, world.subscribe(north), mail=["bob@example.org"], webhooks=False)
    deliver(soon())
    [(to, message)] = mailbox.came
    assert to == ["bob@example.org"]
    [attachment] = message.iter_attachments()
    assert attachment.get_filename() == "usage.csv"
    assert attachment.get_payload(decode=True) == csv[2]
    assert "ann" not in str(Message.objects.get().content)


def test_a_report_that_is_too_large_is_told_of(north: Customer) -> None:
    data = {"report": "usage", "by": "learner", "format": "csv", "every": "month", "period": "2026-03"}
    announce("report.sent", north, data, world.subscribe(north), mail=["bob@example.org"])
    made = mails.made(Message.objects.get(), ("usage.csv", "text/csv", bytes(mails.ATTACHMENT_BYTES_MAX + 1)))
    assert made.attachments == []
    assert "too large for mail" in str(made.body)


def test_every_event_that_anybody_gets_mail_about_has_words_without_gaps(north: Customer) -> None:
    """With all that its data can say, and with as little: no empty quantity, no name of a variable."""
    row = world.subscribe(north)
    full: dict[str, Any] = CROSSED | {
        "likely_on": "2026-03-20",
        "percent_likely": 70,
        "statement": 3,
        "digest": "ab",
        "total": "10.00",
        "currency": "EUR",
        "units_that_fit": 2000,
        "facts": 5,
        "organisations": ["one", "two"],
        "at": "2026-03-05T00:00:00Z",
        "reported": 10,
        "counted": 11,
        "host": "example.org",
        "endpoint": 1,
        "reason": "The facts give other counts than the live ones.",
        "remedy": "tell whoever runs the server",
        "order": 7,
        "report": "usage",
        "by": "",
        "format": "csv",
        "every": "close",
        "period": "3",
        "asked_by": 1,
        "run": 4,
        "day": "2026-03-18",
        "changes": 1200,
        "learners_changed": 1100,
        "newly_active": 31,
        "budget": 20,
        "enrolments": 12,
        "due": [{"cycle": "Idle", "step": "idle", "enrolments": 12}],
        "page": "https://example.org/customers/1/roster/rules",
        "customer_number": 1,
        "organisation": "north",
        "requests": 2,
        "after": 16,
    }
    for event, kind in EVENTS.items():
        if kind.audience == ENDPOINT:  # whoever tries one out looks at its page
            continue
        for per in ("window", "term", "held"):
            data = {key: full[key] for key in kind.data} | ({"per": per} if "per" in kind.data else {})
            Message.objects.all().delete()
            announce(event, north, data, row, mail=["x@example.org"])
            made = mails.made(Message.objects.get())
            assert made.subject, event
            text = str(made.body)
            assert "  " not in text.replace("\n\n", "").strip(), (event, text)
            assert "None" not in text
            assert "{" not in text
            assert len([it for it in text.split("\n\n") if it.strip()]) >= 4, event
    assert COMMON.keys() >= {"customer", "zone"}


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("smtp://ada:pa%40ss@mail.example.org", ("mail.example.org", 587, "ada", "pa@ss", True, False)),
        ("smtps://mail.example.org", ("mail.example.org", 465, "", "", False, True)),
        ("smtp://localhost:25?tls=none", ("localhost", 25, "", "", False, False)),
    ],
)
def test_an_address_of_a_mail_server_is_read(url: str, says: tuple[Any, ...]) -> None:
    found = mail(url)
    names = ("HOST", "PORT", "HOST_USER", "HOST_PASSWORD", "USE_TLS", "USE_SSL")
    assert tuple(found[f"EMAIL_{name}"] for name in names) == says
    assert found["EMAIL_TIMEOUT"] == 10


@pytest.mark.parametrize(
    "url", ["mail.example.org", "http://mail.example.org", "smtp://", "smtp://a:b@c?tls=none", "smtp://c?x=1"]
)
def test_an_address_that_is_none_is_told_when_the_server_starts(url: str) -> None:
    given = {"ROLLBOOK_SECRET_KEY": "s" * 32, "ROLLBOOK_DIGEST_KEY": "d" * 32, "ROLLBOOK_EMAIL_URL": url}
    with pytest.raises(ConfigurationError, match="ROLLBOOK_EMAIL_URL"):
        configuration(given)


def test_without_an_address_mail_is_kept_as_files() -> None:
    assert mail("")["EMAIL_BACKEND"].endswith("filebased.EmailBackend")


def of_order(row: Subscription) -> dict[str, int]:
    """The order that a report is of: its customer's administrator made it."""
    made = ReportOrder.objects.create(
        subscription=row, report="mau", by="learner", address="bob@example.org", created_by=User.objects.get()
    )
    return {"order": made.pk}


def test_a_report_that_was_ordered_is_made_when_it_is_sent(mailbox: receivers.Mailbox, north: Customer) -> None:
    """Two learners in January, one of them also in February: the file that is attached says so, with their ids."""
    row = world.subscribe(north)
    rows = [("1", "ann", "2026-01-05T10:00"), ("2", "bob", "2026-01-06T10:00"), ("3", "ann", "2026-02-05T10:00")]
    world.send([world.row(*it) for it in rows], "2026-02-05T11:00")
    data = {"report": "mau", "by": "learner", "format": "csv", "every": "month", "period": "2026-02"} | of_order(row)
    announce("report.sent", north, data, row, mail=["bob@example.org"], webhooks=False)
    assert deliver(soon()) == 1
    [(_, message)] = mailbox.came
    [attachment] = message.iter_attachments()
    content = attachment.get_payload(decode=True)
    assert isinstance(content, bytes)
    assert content.count(b"ann") == 2
    assert content.count(b"bob") == 1
    assert Message.objects.get(channel="mail").state == "sent"


def test_a_report_that_does_not_exist_is_given_up(mailbox: receivers.Mailbox, north: Customer) -> None:
    row = world.subscribe(north)
    data = {"report": "no-such", "by": "", "format": "csv", "every": "month", "period": "2026-02"} | of_order(row)
    announce("report.sent", north, data, row, mail=["bob@example.org"], webhooks=False)
    deliver(soon())
    assert mailbox.came == []
    assert Message.objects.get().last_error == "there is no such report any more"


def test_programs_learn_of_a_report_when_it_is_sent_and_not_before(mailbox: receivers.Mailbox, north: Customer) -> None:
    Endpoint.objects.create(url="https://example.invalid/", secret=new_secret())
    row = world.subscribe(north)
    data = {"report": "usage", "by": "company", "format": "csv", "every": "month", "period": "2026-02"} | of_order(row)
    announce("report.sent", north, data, row, mail=["bob@example.org"], webhooks=False)
    assert not Message.objects.filter(channel="webhook").exists()
    deliver(soon())
    assert len(mailbox.came) == 1
    assert Message.objects.get(channel="webhook").content["data"]["report"] == "usage"
    assert "bob@example.org" not in str(Message.objects.get(channel="webhook").content)
