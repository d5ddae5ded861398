"""Every event that is told, who learns of it, and what its data says. None of it names a learner.

`docs/server/messages.md` has the same table, and a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CUSTOMER, VENDOR, ENDPOINT = "customer", "vendor", "endpoint"
"""Whose systems may learn of an event: the customer's and the vendor's, the vendor's alone, or one that is named."""

ADMINISTRATORS, OPERATORS, NOBODY = "administrators", "operators", "nobody"
"""Who gets mail: the customer's administrators, the vendor's operators, or nobody but who is named."""


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of event.

    says      in words, when it is told
    audience  whose webhooks, see `CUSTOMER`; where a subscription is not shown to its customer, the vendor's alone
    mail      who gets mail, see `ADMINISTRATORS`; of a subscription that is not shown, operators do
    data      what its data says, by key, beside `COMMON`
    once      whether it is tried once and no more: whoever caused it looks at what comes of it
    """

    says: str
    audience: str
    mail: str
    data: Mapping[str, str]
    once: bool = False


COMMON: Mapping[str, str] = {
    "customer": "the customer's name, where it is about one",
    "subscription": "the subscription's number, where it is about one",
    "plan": "the id of its plan",
    "zone": "the time zone whose midnights cut its windows, such as Europe/Paris",
}
"""What every event says where it applies."""

WINDOW: Mapping[str, str] = {
    "window": "the window's number within the term, from 1",
    "from": "its first instant",
    "until": "the first instant after it",
}

EVENTS: Mapping[str, Event] = {
    "threshold.crossed": Event(
        "A share of what is included was reached: once for each share, pool and window, or once a term where the "
        "allowance is the term's.",
        CUSTOMER,
        ADMINISTRATORS,
        {
            **WINDOW,
            "pool": "the organisation whose allowance it is; empty where all share one",
            "percent": "the share that was reached, in percent",
            "used": "units that counted",
            "allowance": "units that are included",
            "per": "what the allowance is of: window, term or held",
            "policy": "what happens beyond it: bill, notify, block-new or block",
        },
    ),
    "threshold.foreseen": Event(
        "By what happened so far, more than is included will probably be used: at most once for each pool and window.",
        CUSTOMER,
        ADMINISTRATORS,
        {
            **WINDOW,
            "pool": "the organisation whose allowance it is; empty where all share one",
            "used": "units that counted so far",
            "allowance": "units that are included",
            "per": "what the allowance is of: window, term or held",
            "policy": "what happens beyond it: bill, notify, block-new or block",
            "likely_on": "the day on which it will probably be used up",
            "percent_likely": "of 100 courses that it may take, so many go beyond what is included",
        },
    ),
    "statement.closed": Event(
        "A window is closed: its statement is final. A note after the term, for what came late, has no window.",
        CUSTOMER,
        ADMINISTRATORS,
        {
            **WINDOW,
            "statement": "the statement's number",
            "digest": "the digest of the statement, in hexadecimal",
            "total": "what it comes to, a decimal number as text; empty where a price is not known",
            "currency": "its currency; empty where nothing has a price",
        },
    ),
    "statement.awaiting-approval": Event(
        "A window is over, and its plan closes windows only when somebody approves.", VENDOR, OPERATORS, WINDOW
    ),
    "statement.withheld": Event(
        "A window is over and cannot be closed: told once for each reason, and tried again every hour.",
        VENDOR,
        OPERATORS,
        {**WINDOW, "reason": "why, and what to do about it"},
    ),
    "statement.disputed": Event(
        "A customer disputes a statement. Why stands with the statement, and not in any message.",
        VENDOR,
        OPERATORS,
        {**WINDOW, "statement": "the statement's number"},
    ),
    "statement.dispute-ended": Event(
        "The vendor ended a dispute that the customer had begun.",
        CUSTOMER,
        ADMINISTRATORS,
        {**WINDOW, "statement": "the statement's number"},
    ),
    "subscription.upgrade-suggested": Event(
        "More was used than is included, and the plan does not charge for it: a larger size would fit.",
        VENDOR,
        OPERATORS,
        {
            "pool": "the organisation whose allowance it is; empty where all share one",
            "used": "units that counted",
            "allowance": "units that are included",
            "units_that_fit": "units that would be enough for what is used and foreseen",
        },
    ),
    "rules.stopped": Event(
        "A run of enrolment rules would have made more learners newly active than its budget: nothing was changed, and "
        "somebody has to agree to it, refuse it, or correct the rules. The same stop is not told every night.",
        CUSTOMER,
        ADMINISTRATORS,
        {
            "run": "the number of the run",
            "day": "the day it was for, in the zone of the rules",
            "changes": "how many statuses it would have changed",
            "learners_changed": "of how many learners",
            "newly_active": "how many would newly count, in the period that runs or in the next",
            "budget": "how many it may be",
            "page": "the address of the page where somebody agrees or refuses",
        },
    ),
    "rules.failed": Event(
        "Enrolment rules that are on could not be run: nothing was done by them. They are tried again every hour, "
        "and this is told once for each day.",
        CUSTOMER,
        ADMINISTRATORS,
        {
            "run": "the number of the run",
            "day": "the day it was for, in the zone of the rules",
            "reason": "why, in words",
            "remedy": "what to do about it",
            "page": "the address of the page that says more",
        },
    ),
    "roster.due": Event(
        "Steps of rules that only tell fell due: once for each, with the run of that day.",
        CUSTOMER,
        ADMINISTRATORS,
        {
            "run": "the number of the run",
            "day": "the day, in the zone of the rules",
            "enrolments": "how many enrolments they are about",
            "due": "by cycle and step: cycle, step (begins, ends, completes or idle), and how many enrolments",
            "page": "the address of the roster",
        },
    ),
    "report.sent": Event(
        "A report that was ordered was sent.",
        CUSTOMER,
        NOBODY,
        {
            "order": "the number of the order",
            "report": "the report's name",
            "by": "what it has rows for: learner or company; empty for what is usual",
            "format": "the kind of file, such as csv or xlsx",
            "every": "close or month: what it is sent after",
            "period": "the month that is over, such as 2026-03, or the number of the window that was closed",
            "asked_by": "the number of the user who asked for this one, beside the order's times; else it is not there",
        },
    ),
    "report-order.paused": Event(
        "An ordered report is not sent any more: whoever ordered it could not order it now.",
        CUSTOMER,
        ADMINISTRATORS,
        {"order": "the number of the order", "report": "the report's name", "reason": "why, in words"},
    ),
    "facts.held": Event(
        "Facts wait because no customer has the organisation that they name: at most once a day.",
        VENDOR,
        OPERATORS,
        {
            "facts": "how many wait",
            "organisations": "the organisations that they name, at most 20 of them",
        },
    ),
    "count.differs": Event(
        "A count that another system reported is not what was counted here.",
        VENDOR,
        OPERATORS,
        {
            "window": "the window's number within the term, from 1",
            "at": "the instant of which the other system reported its count",
            "reported": "what it reported",
            "counted": "what was counted here, up to that instant",
        },
    ),
    "roster.requested": Event(
        "Statuses were changed here, and the platform is asked to change them: one message for each organisation. It "
        "is told only where an endpoint names this event; whose status it is, `GET /v1/roster/requests` says.",
        CUSTOMER,
        NOBODY,
        {
            "customer_number": "the customer's number, which the API asks for as `customer`",
            "organisation": "whose learners they are",
            "requests": "how many changes are asked for",
            "after": "what to get them with: `GET /v1/roster/requests?state=requested&after=…`",
        },
    ),
    "roster.refused": Event(
        "The platform refused what it was asked for, and it was taken back: once an hour at most, with all since.",
        CUSTOMER,
        ADMINISTRATORS,
        {"requests": "how many changes were refused"},
    ),
    "roster.unanswered": Event(
        "The platform has not answered for three days: once a day, for 30 days after it was asked.",
        CUSTOMER,
        ADMINISTRATORS,
        {"requests": "how many changes it has not answered", "from": "when the first of them was asked for"},
    ),
    "endpoint.disabled": Event(
        "An address for webhooks answered that it is gone (410): nothing is sent there any more.",
        CUSTOMER,
        ADMINISTRATORS,
        {"host": "the host of the address", "endpoint": "its number"},
    ),
    "endpoint.tested": Event(
        "Somebody tries an address for webhooks out: it is sent there alone, whatever the address wants to be told of, "
        "and once, whatever it answers.",
        ENDPOINT,
        NOBODY,
        {"endpoint": "its number"},
        once=True,
    ),
}
"""Every event by its name, which never changes."""
