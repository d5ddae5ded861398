"""What the audit says, in words: acts as sentences, what they were done to, and their details.

A test reads the code for an act that has no words here; rows of acts that there are no more show their code alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.utils.translation import gettext_lazy, pgettext_lazy

SENTENCES: Mapping[str, Any] = {
    "closing.held": gettext_lazy("Put statements on hold"),
    "closing.released": gettext_lazy("Let statements be closed again"),
    "customer.added": gettext_lazy("Added a customer"),
    "endpoint.added": gettext_lazy("Added a webhook"),
    "endpoint.enabled": gettext_lazy("Switched a webhook on again"),
    "endpoint.removed": gettext_lazy("Removed a webhook"),
    "endpoint.rotated": gettext_lazy("Made a new secret for a webhook"),
    "endpoint.tested": gettext_lazy("Sent a test to a webhook"),
    "key.added": gettext_lazy("Made an API key"),
    "key.revoked": gettext_lazy("Revoked an API key"),
    "key.rotated": gettext_lazy("Made a new secret for an API key"),
    "message.resent": gettext_lazy("Sent a message again"),
    "organisation.added": gettext_lazy("Gave a customer an organisation"),
    "people.named": gettext_lazy("Sent names and addresses of learners"),
    "person.erased": gettext_lazy("Erased a person"),
    "plan.changed": gettext_lazy("Changed the plan of a subscription"),
    "plan.published": gettext_lazy("Saved a version of a plan"),
    "problem.reopened": gettext_lazy("Opened a problem again"),
    "problem.resolved": gettext_lazy("Ticked a problem off"),
    "quantity.added": gettext_lazy("Changed how much is bought"),
    "report-order.added": gettext_lazy("Ordered a report by mail"),
    "report-order.changed": gettext_lazy("Changed an order of a report"),
    "report-order.removed": gettext_lazy("Ended an order of a report"),
    "report-order.sent-now": gettext_lazy("Had a report sent at once"),
    "report-order.taken-over": gettext_lazy("Took an order of a report over"),
    "roster.answered": gettext_lazy("Said what became of changes to a roster"),
    "roster.changed": gettext_lazy("Changed a roster"),
    "rules.agreed": gettext_lazy("Agreed to a run of rules that had stopped"),
    "rules.off": gettext_lazy("Switched rules off"),
    "rules.on": gettext_lazy("Switched rules on"),
    "rules.put": gettext_lazy("Wrote rules"),
    "rules.ran": gettext_lazy("Did what rules said"),
    "rules.refused": gettext_lazy("Refused a run of rules that had stopped"),
    "seats.approved": gettext_lazy("Approved released seats for others"),
    "session.begun": gettext_lazy("Signed in"),
    "session.ended": gettext_lazy("Signed out"),
    "statement.approved": gettext_lazy("Approved a statement"),
    "statement.awaiting-approval": gettext_lazy("Asked for the approval of a statement"),
    "statement.closed": gettext_lazy("Closed a statement"),
    "statement.disputed": gettext_lazy("Disputed a statement"),
    "statement.resolved": gettext_lazy("Ended a dispute about a statement"),
    "statement.withheld": gettext_lazy("Could not close a statement"),
    "subscription.added": gettext_lazy("Agreed on a plan with a customer"),
    "upgrade-task.done": gettext_lazy("Ticked off the task to offer a larger size"),
    "user.added": gettext_lazy("Invited somebody"),
    "user.disabled": gettext_lazy("Disabled somebody who signs in"),
    "user.enabled": gettext_lazy("Let somebody sign in again"),
    "user.link-made": gettext_lazy("Made a link to set a password"),
    "user.password-set": gettext_lazy("Set a password"),
}
"""By action."""

THINGS: Mapping[str, Any] = {
    "customer": pgettext_lazy("audit", "customer"),
    "endpoint": pgettext_lazy("audit", "webhook"),
    "key": pgettext_lazy("audit", "API key"),
    "message": pgettext_lazy("audit", "message"),
    "person": pgettext_lazy("audit", "person"),
    "plan": pgettext_lazy("audit", "plan"),
    "report order": pgettext_lazy("audit", "order of a report"),
    "statement": pgettext_lazy("audit", "statement"),
    "subscription": pgettext_lazy("audit", "subscription"),
    "upgrade task": pgettext_lazy("audit", "task"),
    "user": pgettext_lazy("audit", "account"),
}
"""What an act is done to, before its number or name."""

DETAILS: Mapping[str, Any] = {
    "by": pgettext_lazy("audit", "level"),
    "digest": pgettext_lazy("audit", "digest"),
    "discarded": pgettext_lazy("audit", "waiting facts deleted"),
    "effective": pgettext_lazy("audit", "from"),
    "event": pgettext_lazy("audit", "about"),
    "events": pgettext_lazy("audit", "events"),
    "how": pgettext_lazy("audit", "with"),
    "name": pgettext_lazy("audit", "name"),
    "old_valid_hours": pgettext_lazy("audit", "hours for which the old one holds"),
    "organisation": pgettext_lazy("audit", "organisation"),
    "facts": pgettext_lazy("audit", "facts"),
    "kind": pgettext_lazy("audit", "kind"),
    "learners": pgettext_lazy("audit", "learners"),
    "people": pgettext_lazy("audit", "people"),
    "plan": pgettext_lazy("audit", "plan"),
    "reason": pgettext_lazy("audit", "reason"),
    "report": pgettext_lazy("audit", "report"),
    "role": pgettext_lazy("audit", "role"),
    "scopes": pgettext_lazy("audit", "may"),
    "seats": pgettext_lazy("audit", "seats"),
    "statement": pgettext_lazy("audit", "statement"),
    "units": pgettext_lazy("audit", "in all"),
}
"""What its details are called."""

ACTORS: Mapping[str, Any] = {
    "administrator": gettext_lazy("Administrator"),
    "viewer": gettext_lazy("Viewer"),
    "operator": gettext_lazy("Operator"),
    "key": gettext_lazy("API key"),
    "command": gettext_lazy("On the server's command line"),
    "worker": gettext_lazy("By itself (the worker)"),
}
"""Who acts, by the first word; whoever acts without a name is told by it alone."""


def sentence(action: str) -> str:
    """What was done; its code where there are no words for it."""
    return str(SENTENCES.get(action, action))


def thing(object_: str) -> str:
    """What it was done to."""
    for kind, words in THINGS.items():
        if object_.startswith(f"{kind} "):
            return f"{words} {object_[len(kind) + 1 :]}"
    return object_


def actor(who: str) -> str:
    """Who did it."""
    kind, _, name = who.partition(" ")
    words = ACTORS.get(kind)
    if words is None:
        return who
    return str(words) if kind in ("command", "worker") or not name else f"{words} {name}"


def details(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(label, value) of what is worth reading; an empty value says nothing."""
    for name, value in found.items():
        if value in ("", None, [], 0):
            continue
        if isinstance(value, dict):
            value = [f"{each} {of_it}" for each, of_it in value.items()]  # noqa: PLW2901 - the same, to be read
        if name == "digest":
            value = f"{value[:12]}…"  # noqa: PLW2901 - enough to find it by
        yield str(DETAILS.get(name, name)), ", ".join(map(str, value)) if isinstance(value, list) else str(value)
