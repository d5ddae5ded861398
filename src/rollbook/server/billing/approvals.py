"""What people decide about statements: to approve, to hold, to dispute; and who is asked and told, once.

A decision is a row that whoever closes looks at behind the customer's lock. None of them changes a statement.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from rollbook.errors import Problem
from rollbook.metering.calendar import windows
from rollbook.model.instants import from_us, iso
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window
from rollbook.server import models
from rollbook.server.access import audit, throttle
from rollbook.server.access.principals import Principal
from rollbook.server.live import contracts, metering
from rollbook.server.notices.announce import announce
from rollbook.server.refusals import RefusedError

CLOSES = "statements:close"

WORDS_MAX = 500
"""Characters of a reason."""


def asks_first(subscription: Subscription, window: Window | None) -> bool:
    """Whether the plan closes a window, or the notes after the term, only when somebody approves."""
    at = window or windows(subscription)[-1]
    return subscription.plan_at(at.start_us).governance.close == "approve"


def allowed(row: models.Subscription, subscription: Subscription, number: int, window: Window | None) -> bool:
    """Whether nobody has to approve a statement that is due, or somebody has. Operators are asked once.

    number  that the statement will have; `window` is none for a note
    """
    if not asks_first(subscription, window):
        return True
    with transaction.atomic():
        metering.locked([row.customer_id])
        found = _closing(row, number, window)
        if found.approved_at is None and found.asked_at is None:
            found.asked_at = timezone.now()
            found.save(update_fields=["asked_at"])
            announce("statement.awaiting-approval", row.customer, _window(window), row)
            _audit(row, "worker", "statement.awaiting-approval", statement=number)
    return found.approved_at is not None


def waiting(row: models.Subscription, closed: int) -> QuerySet[models.Closing]:
    """What is known of statements that are to come, where so many are closed. It is the vendor's alone."""
    return row.closings.filter(number__gt=closed).order_by("number")


def approve(row: models.Subscription, number: int, actor: Principal | str) -> models.Closing:
    """Approves a statement that waits for it; the worker closes it with its next run.

    number  that the statement will have: for a window the window's own

    Raises RefusedError 409 where no such statement waits.
    """
    with transaction.atomic():
        metering.locked([row.customer_id])
        found = row.closings.filter(number=number, asked_at__isnull=False).first()
        if found is None or row.statements.filter(number=number).exists():
            rule = "no such statement waits for an approval"
            raise _conflict("not-awaiting", f"statement {number}", rule, "see which wait in the list of statements")
        if found.approved_at is None:
            found.approved_at, found.approved_by = timezone.now(), audit.named(actor)
            found.save(update_fields=["approved_at", "approved_by"])
            _audit(row, actor, "statement.approved", statement=number)
    return found


def hold(row: models.Subscription, reason: str, actor: Principal | str) -> None:
    """Closes nothing of a subscription from now on. A statement that is made at this moment is thrown away."""
    with transaction.atomic():
        metering.locked([row.customer_id])
        row.close_on_hold = _reason(reason)
        row.save(update_fields=["close_on_hold"])
        _audit(row, actor, "closing.held", reason=row.close_on_hold)


def release(row: models.Subscription, actor: Principal | str) -> None:
    """Closes again what is due."""
    with transaction.atomic():
        metering.locked([row.customer_id])
        row.close_on_hold = ""
        row.save(update_fields=["close_on_hold"])
        row.closings.exclude(withheld="").update(withheld_at=None)
        _audit(row, actor, "closing.released")


def dispute(statement: models.Statement, reason: str, actor: Principal | str, *, and_hold: bool = False) -> None:
    """Marks a statement as disputed, which is shown with it and changes nothing of it (W-33: both sides reconcile).

    and_hold  close nothing more of the subscription until `release`; for those who may close

    Operators are told when a customer begins one. Raises RefusedError 403; 409 where the vendor disputes it already
    and a customer does too; 429 where a customer does so too often.
    """
    row, closes = statement.subscription, not isinstance(actor, Principal) or actor.may(CLOSES)
    with transaction.atomic():
        metering.locked([row.customer_id])
        statement.refresh_from_db(fields=["disputed", "disputed_by", "disputed_at"])
        if and_hold and isinstance(actor, Principal):
            actor.require(CLOSES)
        if statement.disputed_by == models.Statement.VENDOR and not closes:
            rule, remedy = "the vendor disputes it already", "tell your contact there what you know of it"
            raise _conflict("disputed", f"statement {statement.number}", rule, remedy)
        begins, statement.disputed = not statement.disputed, _reason(reason)
        if begins:
            statement.disputed_at, statement.disputed_by = timezone.now(), _side(actor)
        statement.save(update_fields=["disputed", "disputed_by", "disputed_at"])
        if begins and statement.disputed_by == models.Statement.CUSTOMER:
            throttle.act("disputed", row.pk)
            announce("statement.disputed", row.customer, _of(statement), row)
        _audit(row, actor, "statement.disputed", statement=statement.number, reason=statement.disputed)
        if and_hold:
            hold(row, f"statement {statement.number} is disputed: {reason}"[:WORDS_MAX], actor)


def resolve(statement: models.Statement, actor: Principal | str) -> None:
    """Ends a dispute; a customer withdraws its own. A hold that it brought stays until `release`.

    The customer is told when the vendor ends what the customer began. Raises RefusedError 403.
    """
    row = statement.subscription
    with transaction.atomic():
        metering.locked([row.customer_id])
        statement.refresh_from_db(fields=["disputed", "disputed_by", "disputed_at"])
        if isinstance(actor, Principal) and statement.disputed_by != models.Statement.CUSTOMER:
            actor.require(CLOSES)
        theirs = statement.disputed_by == models.Statement.CUSTOMER and _side(actor) == models.Statement.VENDOR
        statement.disputed, statement.disputed_by, statement.disputed_at = "", "", None
        statement.save(update_fields=["disputed", "disputed_by", "disputed_at"])
        if theirs:
            announce("statement.dispute-ended", row.customer, _of(statement), row)
        _audit(row, actor, "statement.resolved", statement=statement.number)


def withhold(key: int, words: str, now_us: int) -> None:
    """Keeps why the next statement of a subscription could not be closed; operators are told when that is new."""
    row = models.Subscription.objects.select_related("plan", "customer").get(pk=key)
    with transaction.atomic():
        metering.locked([row.customer_id])
        subscription = contracts.subscription_of(row)
        closed, term = row.statements.filter(window_number__isnull=False).count(), windows(subscription)
        window = term[closed] if closed < len(term) else None
        found = _closing(row, row.statements.count() + 1, window)
        known, found.withheld = found.withheld, words[:WORDS_MAX]
        found.withheld_at = from_us(now_us)
        found.save(update_fields=["withheld", "withheld_at"])
        if known != found.withheld:
            announce("statement.withheld", row.customer, {**_window(window), "reason": found.withheld}, row)
            _audit(row, "worker", "statement.withheld", statement=found.number, reason=found.withheld)


def failed_since(key: int, since_us: int) -> bool:
    """Whether a closing of a subscription failed after an instant."""
    return (
        models.Closing.objects.filter(subscription=key, withheld_at__gt=from_us(since_us)).exclude(withheld="").exists()
    )


def _audit(row: models.Subscription, actor: Principal | str, action: str, **details: Any) -> None:
    audit.record(actor, action, f"subscription {row.pk}", row.customer_id, **details)


def _closing(row: models.Subscription, number: int, window: Window | None) -> models.Closing:
    found, _ = models.Closing.objects.get_or_create(
        subscription=row, number=number, defaults={"window_number": window.number if window else None}
    )
    return found


def _window(window: Window | None) -> dict[str, Any]:
    if window is None:
        return {}
    return {"window": window.number, "from": iso(window.start_us), "until": iso(window.end_us)}


def _of(statement: models.Statement) -> dict[str, Any]:
    """What messages say of a statement; never why it is disputed, which may name somebody."""
    window = statement.record["window"]
    found = {"window": window["number"], "from": window["start"], "until": window["end"]} if window else {}
    return {**found, "statement": statement.number}


def _side(actor: Principal | str) -> str:
    theirs = isinstance(actor, Principal) and not actor.vendor
    return models.Statement.CUSTOMER if theirs else models.Statement.VENDOR


def _reason(text: str) -> str:
    if not text.strip() or len(text) > WORDS_MAX:
        rule = "it is empty" if not text.strip() else f"it has more than {WORDS_MAX} characters"
        raise RefusedError(422, "input-invalid", Problem("reason", rule, "say why, in a sentence"))
    return text.strip()


def _conflict(code: str, place: str, rule: str, remedy: str) -> RefusedError:
    return RefusedError(409, code, Problem(place, rule, remedy))
