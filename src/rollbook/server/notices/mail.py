"""Mail about events: the words of an event's template, as text and as HTML, to one address.

The words are the templates `mail/words/<event>.txt`: the first line is the subject, and paragraphs follow. They are
never HTML: names of customers stand in them, and the layout escapes all of it. They are in the language in which their
reader last read a page.
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date, datetime
from email.encoders import encode_base64
from email.mime.base import MIMEBase
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal
from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import get_language, gettext

from rollbook.server.models import Message, User
from rollbook.server.notices.webhooks import Result

ATTACHMENT_BYTES_MAX = 15 * 2**20
"""What a mail server takes, with room for its encoding. A larger report is said to be there to be fetched."""

COUNTS = (
    *("used", "allowance", "units_that_fit", "reported", "counted", "facts", "requests"),
    *("changes", "learners_changed", "newly_active", "budget", "enrolments"),
)
"""Keys of data that are counts: people read them with separators."""

PERMANENT = range(500, 600)
"""Answers of a mail server after which trying again changes nothing (RFC 5321)."""

Attachment = tuple[str, str, bytes]
"""File name, kind of content, content."""


def languages_of(messages: Iterable[Message]) -> dict[str, str]:
    """The language of each address that somebody here has; others are written to in English."""
    addresses = {it.address for it in messages}
    found = User.objects.filter(email__in=addresses).exclude(language="").order_by("pk")
    return dict(found.values_list("email", "language"))


def send(message: Message, attachment: Attachment | None = None, language: str = "") -> Result:
    """One attempt. Never raises for what a mail server or the network does."""
    with translation.override(language or settings.LANGUAGE_CODE):
        mail = made(message, attachment)
    server = get_connection()
    try:
        server.send_messages([mail])
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        return Result("the mail server does not take mail for this address", final=all(it in PERMANENT for it in codes))
    except smtplib.SMTPResponseException as error:
        return Result(f"the mail server answered {error.smtp_code}", final=error.smtp_code in (552, 553, 554))
    except (smtplib.SMTPException, OSError):
        return Result("the mail server was not reached, or broke off")
    finally:
        # Also where it was opened and could not be made safe.
        with suppress(smtplib.SMTPException, OSError):
            server.close()
    return Result()


def made(message: Message, attachment: Attachment | None = None) -> EmailMultiAlternatives:
    """The mail of a message, in the language that is spoken."""
    too_large = attachment is not None and len(attachment[2]) > ATTACHMENT_BYTES_MAX
    data = dict(message.content["data"])
    for key in ("reason", "remedy"):
        if isinstance(data.get(key), str) and data[key]:
            data[key] = gettext(data[key])
    context = {**_for_people(data), "link": _base_url(), "too_large": too_large}
    subject, paragraphs = words(message.event, context)
    context |= {"subject": subject, "paragraphs": paragraphs}
    mail = EmailMultiAlternatives(
        subject=subject,
        body=render_to_string("mail/layout.txt", context),
        to=[message.address],
        headers={
            "Message-ID": f"<{message.message_id}@{urlsplit(_base_url()).hostname or 'localhost'}>",
            "Auto-Submitted": "auto-generated",
        },
    )
    mail.attach_alternative(render_to_string("mail/layout.html", context), "text/html")
    if attachment and not too_large:
        mail.attach(_as_it_is(*attachment))
    return mail


def _as_it_is(name: str, kind: str, content: bytes) -> MIMEBase:
    """A file that arrives byte by byte: the ends of its lines are not mail's to change."""
    main, _, sub = kind.partition(";")[0].strip().partition("/")
    part = MIMEBase(main or "application", sub or "octet-stream")
    part.set_payload(content)
    encode_base64(part)
    part.add_header("Content-Disposition", "attachment", filename=("utf-8", "", name))
    return part


def words(event: str, context: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Subject and paragraphs of an event, each on one line."""
    text = render_to_string(f"mail/words/{event}.txt", dict(context))
    subject, _, rest = text.strip().partition("\n")
    paragraphs = [" ".join(part.split()) for part in rest.split("\n\n")]
    return " ".join(subject.split()), [it for it in paragraphs if it]


def _base_url() -> str:
    """Where the reader finds more: the front page leads on."""
    return str(settings.CONFIGURATION["ROLLBOOK_BASE_URL"]).rstrip("/")


def _for_people(data: Mapping[str, Any]) -> dict[str, Any]:
    """Counts with separators, and a window as its first and last day in the subscription's zone."""
    locale = Locale.parse(get_language() or "en", sep="-")
    found: dict[str, Any] = {
        # A name is one line here, whatever its owner typed.
        key: " ".join(value.split()) if isinstance(value, str) else value
        for key, value in data.items()
    }
    for key in COUNTS:
        if isinstance(found.get(key), int):
            found[f"{key}_text"] = format_decimal(found[key], locale=locale)
    zone = ZoneInfo(str(data.get("zone", "UTC")))
    for key in ("from", "until", "at"):
        if key in data:
            # The last day is the one of the last instant inside.
            at_us = datetime.fromisoformat(data[key]).timestamp() - (1e-6 if key == "until" else 0)
            found[f"{key}_day"] = format_date(datetime.fromtimestamp(at_us, zone), format="long", locale=locale)
    if data.get("day"):
        found["day_text"] = format_date(date.fromisoformat(data["day"]), format="long", locale=locale)
    if data.get("likely_on"):
        found["likely_day"] = format_date(date.fromisoformat(data["likely_on"]), format="long", locale=locale)
    return found
