"""Which pages there are for whom, and in which order. A link shows once its page exists and the reader may see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from rollbook.server.access.principals import Principal
from rollbook.server.pages.declared import PAGES

OF_SUBSCRIPTION = (
    ("usage", gettext_lazy("Usage"), "gauge"),
    ("learners", gettext_lazy("Learners"), "people"),
    ("statements", gettext_lazy("Statements"), "document"),
    ("planner", gettext_lazy("Planner"), "sliders"),
    ("notices", gettext_lazy("Reports & alerts"), "bell"),
)
"""Pages of one subscription: name of the page, what it is called, its icon. Their address has `number`."""

OF_CUSTOMER = (
    ("roster", gettext_lazy("Roster"), "roster"),
    ("people", gettext_lazy("People"), "people"),
    ("keys", gettext_lazy("API keys"), "key"),
    ("webhooks", gettext_lazy("Webhooks"), "send"),
    ("connect", gettext_lazy("Connect a source"), "plus"),
)
"""Pages of a customer. Their address has `number`."""

OF_VENDOR = (
    ("customers", gettext_lazy("Customers"), "building"),
    ("subscriptions", gettext_lazy("Subscriptions"), "calendar"),
    ("plans", gettext_lazy("Plans"), "rules"),
    ("tasks", gettext_lazy("Approvals & tasks"), "check"),
    ("problems", gettext_lazy("Problems"), "warning"),
    ("deliveries", gettext_lazy("Deliveries"), "send"),
    ("audit", gettext_lazy("Audit"), "clock"),
    ("jobs", gettext_lazy("Jobs"), "gear"),
)
"""Pages of the vendor."""


@dataclass(frozen=True, slots=True)
class Link:
    """One link; `here` where it is the page that is shown."""

    label: Any
    href: str
    icon: str
    here: bool


@dataclass(frozen=True, slots=True)
class Section:
    """Links under a heading."""

    label: str
    links: tuple[Link, ...]


def sections(
    principal: Principal, number: int | None, here: str, customer: int | None = None, whose: str = ""
) -> list[Section]:
    """The navigation of somebody.

    number    the subscription at hand
    customer  the customer at hand, and `whose` what it is called
    here      the page that is shown
    """
    found = []
    if principal.vendor:
        found.append(Section(gettext("Back office"), tuple(_links(principal, OF_VENDOR, here, {}))))
    of_plan = () if number is None else tuple(_links(principal, OF_SUBSCRIPTION, here, {"number": number}))
    own = () if customer is None else tuple(_links(principal, OF_CUSTOMER, here, {"number": customer}))
    if principal.vendor:
        found.append(Section(whose, of_plan + own))
    else:
        found += [Section(gettext("Your plan"), of_plan), Section(gettext("Your organisation"), own)]
    return [it for it in found if it.links]


def _links(
    principal: Principal, pages: tuple[tuple[str, Any, str], ...], here: str, parts: dict[str, int]
) -> Iterator[Link]:
    for name, label, icon in pages:
        if name in PAGES and any(map(principal.may, PAGES[name].needs)):
            yield Link(label, reverse(name, kwargs=parts), icon, name == here)
