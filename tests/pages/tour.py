"""Every page once, as somebody who may see it: walked by axe-core, at 360 px, and photographed.

A page that is not here fails `test_every_page_is_on_the_tour`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stop:
    """One page. `who` is one of `Site.people`, or nobody; `path` see `Site.path`; `page` its name in the registry.

    photographed  whether `make screenshots` keeps a picture: one of each kind is enough
    """

    name: str
    path: str
    who: str
    page: str
    photographed: bool = True


TOUR = (
    Stop("sign-in", "/signin", "", ""),
    Stop("overview", "/", "administrator elearning", "front"),
    Stop("overview-vendor", "/", "operator", "front"),
    Stop("overview-without-plan", "/", "administrator none", "front", photographed=False),
    Stop("account", "/account", "administrator mau", "account", photographed=False),
    Stop("usage-facilitate", "/subscriptions/{facilitate}/usage", "administrator facilitate", "usage"),
    Stop("usage-docebo", "/subscriptions/{docebo}/usage", "administrator docebo", "usage"),
    Stop("usage-reach", "/subscriptions/{reach}/usage", "administrator reach", "usage"),
    Stop("usage-seats", "/subscriptions/{seats}/usage", "administrator seats", "usage"),
    Stop("usage-mau", "/subscriptions/{mau}/usage", "administrator mau", "usage"),
    Stop("usage-mauc", "/subscriptions/{mauc}/usage", "administrator mauc", "usage"),
    Stop("usage-wisenet", "/subscriptions/{elearning}/usage", "administrator elearning", "usage"),
    Stop("usage-vendor", "/subscriptions/{lrm}/usage", "operator", "usage", photographed=False),
    Stop("usage-past", "/subscriptions/{past}/usage", "viewer mau", "usage", photographed=False),
    Stop("usage-coming", "/subscriptions/{coming}/usage", "administrator mau", "usage", photographed=False),
    Stop("refused", "/subscriptions/{mauc}/usage", "administrator mau", "usage", photographed=False),
)

PARTS = frozenset({"usage-live", "usage-forecast", "report"})
"""Pages of the registry that are parts of others, or files."""
