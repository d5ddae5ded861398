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
    Stop("account", "/account", "administrator mau", "account"),
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
    Stop("planner", "/subscriptions/{mau}/planner?learners=300&rate=12", "administrator mau", "planner"),
    Stop(
        "planner-priced",
        "/subscriptions/{mau}/planner?price-secondnature-mau=6&price-secondnature-mauc=5&price-secondnature-seats=40",
        "administrator mau",
        "planner",
    ),
    Stop("planner-history", "/subscriptions/{mau}/planner/history", "administrator mau", "planner-history"),
    Stop("customers", "/customers", "operator", "customers"),
    Stop("customer", "/customers/{c:mau}", "operator", "customer"),
    Stop("customer-without-plan", "/customers/{c:none}", "operator", "customer", photographed=False),
    Stop("subscriptions", "/subscriptions", "operator", "subscriptions"),
    Stop("subscriptions-differing", "/subscriptions?state=differing", "operator", "subscriptions", photographed=False),
    Stop("subscribe", "/customers/{c:none}/subscribe", "operator", "subscribe"),
    Stop("subscription", "/subscriptions/{mau}", "operator", "subscription"),
    Stop("reconcile", "/subscriptions/{mau}/reconcile", "operator", "reconcile"),
    Stop("tasks", "/tasks", "operator", "tasks"),
    Stop("problems", "/problems", "operator", "problems"),
    Stop("problems-of-one", "/problems?code=conflict", "operator", "problems", photographed=False),
    Stop("problems-resolved", "/problems?state=resolved", "operator", "problems", photographed=False),
    Stop("deliveries", "/deliveries", "operator", "deliveries"),
    Stop("audit", "/audit", "operator", "audit"),
    Stop("jobs", "/jobs", "operator", "jobs"),
    Stop("plans", "/plans", "operator", "plans"),
    Stop("plan", "/plans/wisenet-lrm", "operator", "plan"),
    Stop("plan-editor", "/plan-editor?plan=secondnature-mau", "operator", "plan-editor"),
    Stop("learners", "/subscriptions/{mau}/learners", "administrator mau", "learners"),
    Stop("learners-wisenet", "/subscriptions/{elearning}/learners?order=name", "administrator elearning", "learners"),
    Stop("learners-guests", "/subscriptions/{facilitate}/learners?class=guest", "operator", "learners", False),
    Stop("learners-none", "/subscriptions/{mau}/learners?search=nobody", "administrator mau", "learners", False),
    Stop("learners-coming", "/subscriptions/{coming}/learners", "administrator mau", "learners", False),
    Stop(
        "learners-uncounted", "/subscriptions/{reach}/learners/not-counted", "administrator reach", "learners-uncounted"
    ),
    Stop("groups", "/subscriptions/{roster}/groups", "administrator roster", "groups"),
    Stop("groups-none", "/subscriptions/{mau}/groups", "viewer mau", "groups", photographed=False),
    Stop("learner", "/subscriptions/{mau}/learners/{l:mau}", "administrator mau", "learner"),
    Stop("learner-wisenet", "/subscriptions/{elearning}/learners/{l:elearning}", "administrator elearning", "learner"),
    Stop("learner-not-counted", "/subscriptions/{reach}/learners/{l:reach}", "administrator reach", "learner"),
    Stop("learner-erased", "/subscriptions/{mau}/learners/{l:erased}", "administrator mau", "learner", False),
    Stop("guest", "/subscriptions/{facilitate}/guests/{g:facilitate}", "operator", "guest"),
    Stop("statements", "/subscriptions/{mau}/statements", "administrator mau", "statements"),
    Stop("statements-vendor", "/subscriptions/{docebo}/statements", "operator", "statements", photographed=False),
    Stop("statements-held", "/subscriptions/{past}/statements", "operator", "statements"),
    Stop("statements-coming", "/subscriptions/{coming}/statements", "administrator mau", "statements", False),
    Stop("statement", "/subscriptions/{past}/statements/12", "administrator mau", "statement"),
    Stop("statement-note", "/subscriptions/{past}/statements/13", "operator", "statement"),
    Stop("statement-disputed", "/subscriptions/{mau}/statements/1", "operator", "statement", photographed=False),
    Stop("statement-adjusts", "/subscriptions/{mau}/statements/3", "administrator mau", "statement", False),
    Stop("statement-preview", "/subscriptions/{mau}/statements/preview", "administrator mau", "statement-preview"),
    Stop("notices", "/subscriptions/{mau}/notices", "administrator mau", "notices"),
    Stop("notices-viewer", "/subscriptions/{mau}/notices", "viewer mau", "notices", photographed=False),
    Stop("notices-past", "/subscriptions/{past}/notices", "operator", "notices", photographed=False),
    Stop("order-new", "/subscriptions/{mau}/report-orders/new", "administrator mau", "order-new"),
    Stop("order", "/report-orders/{t:order}", "administrator mau", "order", photographed=False),
    Stop("order-paused", "/report-orders/{t:paused}", "administrator mau", "order"),
    Stop("people", "/customers/{c:mau}/people", "administrator mau", "people"),
    Stop("people-none", "/customers/{c:lrm}/people", "operator", "people", photographed=False),
    Stop("person", "/customers/{c:mau}/people/{t:viewer}", "administrator mau", "person"),
    Stop("keys", "/customers/{c:mau}/keys", "administrator mau", "keys"),
    Stop("key", "/customers/{c:mau}/keys/{t:key}", "administrator mau", "key"),
    Stop("webhooks", "/customers/{c:mau}/webhooks", "administrator mau", "webhooks"),
    Stop("webhook", "/customers/{c:mau}/webhooks/{t:webhook}", "administrator mau", "webhook"),
    Stop("webhook-gone", "/customers/{c:mau}/webhooks/{t:gone}", "operator", "webhook", photographed=False),
    Stop("roster", "/customers/{c:roster}/roster", "administrator roster", "roster"),
    Stop("roster-none", "/customers/{c:none}/roster", "administrator none", "roster", photographed=False),
    Stop(
        "roster-learner", "/customers/{c:roster}/roster/learners/{l:banksia}", "administrator roster", "roster-learner"
    ),
    Stop("roster-courses", "/customers/{c:roster}/roster/courses", "administrator roster", "roster-courses"),
    Stop(
        "roster-course",
        "/customers/{c:roster}/roster/courses?organisation=banksia-north&course=Seamanship+2025",
        "administrator roster",
        "roster-courses",
        photographed=False,
    ),
    Stop("roster-rules", "/customers/{c:roster}/roster/rules", "administrator roster", "roster-rules"),
    Stop("roster-rules-none", "/customers/{c:none}/roster/rules", "administrator none", "roster-rules", False),
    Stop("roster-ways", "/customers/{c:roster}/roster/ways", "administrator roster", "roster-ways"),
    Stop("roster-ways-operator", "/customers/{c:mau}/roster/ways", "operator", "roster-ways", photographed=False),
    Stop("roster-upload", "/customers/{c:roster}/roster/upload", "administrator roster", "roster-upload"),
    Stop("roster-requests", "/customers/{c:roster}/roster/requests", "administrator roster", "roster-requests"),
    Stop("roster-requests-none", "/customers/{c:none}/roster/requests", "administrator none", "roster-requests"),
    Stop("beginning", "/beginning", "operator", "beginning"),
    Stop("connect", "/customers/{c:mau}/connect?kind=curl", "operator", "connect"),
    Stop("connect-by-customer", "/customers/{c:mau}/connect", "administrator mau", "connect", photographed=False),
    Stop("help", "/help", "viewer mau", "help"),
    Stop("help-page", "/help/server/ingest", "viewer mau", "help-page"),
    Stop("refused", "/subscriptions/{mauc}/usage", "administrator mau", "usage"),
)

PARTS = frozenset(
    {
        "statement-file",
        "charges",
        "statement-preview-lines",
        "learners-uncounted-list",
        "groups-list",
        "arrived",
        "jobs-overdue",
        "planner-figures",
        "planner-history-figures",
        "usage-live",
        "usage-forecast",
        "report",
    }
)
"""Pages of the registry that are parts of others, or files."""
