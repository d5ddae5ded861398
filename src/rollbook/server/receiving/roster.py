"""What is done to a roster: foreseen first, then confirmed; both are one and the same transaction, kept or not.

`foresee` decides (`roster_deciding`), takes the facts in, counts what became of each subscription, and rolls everything
back. It gives a digest. `confirm` does the same again and keeps it, with an entry of the audit, where the digest is the
same; where anything that was shown would be another now, it is refused (409), and nothing is done. What we never gave
for this action is refused before anything is looked at.

The facts carry the instant of the preview, which the digest holds, so their ids follow from it: confirming twice is
one act. What is held against the preview are differences, not counts: others' facts, which come all the time, do not
make it another, unless they change what the action costs.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from django.utils.crypto import constant_time_compare, salted_hmac

from rollbook.accounting.account import Account, account
from rollbook.engines import database as engine
from rollbook.engines.database import LiveSubscription
from rollbook.errors import Problem
from rollbook.foreseeing import Foreseen, figures
from rollbook.model.fact import Fact
from rollbook.model.instants import iso
from rollbook.model.roster import LearnerKey
from rollbook.roster.budget import horizon
from rollbook.roster.changes import Saving, saving
from rollbook.roster.view import OFF
from rollbook.server.access import audit
from rollbook.server.access.principals import Principal, subscriptions_of
from rollbook.server.live import contracts, metering
from rollbook.server.live.driver import own_database
from rollbook.server.models import Customer
from rollbook.server.receiving import roster_deciding, roster_requests
from rollbook.server.receiving.ingest import Receipt, Sender, ingest_within
from rollbook.server.receiving.preview import briefly, unkept
from rollbook.server.receiving.roster_deciding import (
    CLEAN_UP,
    COURSE,
    ENROLMENTS,
    KINDS,
    LEARNERS,
    LEARNERS_MAX,
    ROWS,
    SNAPSHOT,
    Asked,
    Deciding,
)
from rollbook.server.refusals import refused

__all__ = [
    "CLEAN_UP",
    "COURSE",
    "ENROLMENTS",
    "KINDS",
    "LEARNERS",
    "LEARNERS_MAX",
    "ROWS",
    "SNAPSHOT",
    "Asked",
    "Done",
    "Effect",
    "Preview",
    "confirm",
    "foresee",
    "recognise",
    "take_in",
]

VALID_SECONDS = 3600
"""How long a preview can be confirmed."""

WHOM_MAX = 50
"""Learners whom a preview names."""

PROBLEMS_MAX = 1_000
"""Problems of one preview that are told; there may be one for each row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What an action does to one subscription.

    windows  the one that runs and the next one of the term, without and with it
    saving   until when somebody must be switched off to save the next window; None where none follows, and where
             nobody is switched off
    """

    subscription: int
    title: str
    zone: str
    windows: tuple[Foreseen, ...]
    saving: Saving | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an action would do, if it were confirmed now.

    digest         what `confirm` is to name
    at_us          when it would happen, UTC microseconds: now
    decided        facts by type, such as {"enrolment.disabled": 12}
    learners       how many learners they are about
    whom           the first `WHOM_MAX` of them, (organisation, number of the person) in order; of a roster that a
                   platform exports, none
    problems       what cannot be done, or need not, and why: at most `PROBLEMS_MAX`
    problems_total all of them
    effects        of the subscriptions that the asker may see, those alone that would change
    """

    digest: str
    at_us: int
    decided: dict[str, int]
    learners: int
    whom: tuple[LearnerKey, ...]
    problems: tuple[Problem, ...]
    problems_total: int
    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was done: facts that are new, and those that were there because it was confirmed before."""

    at_us: int
    decided: dict[str, int]
    learners: int
    new: int
    repeats: int
    problems: tuple[Problem, ...]


def foresee(principal: Principal, customer: Customer, asked: Asked, now_us: int) -> Preview:
    """What an action would do. Nothing is kept.

    Raises RefusedError 422 for what nobody can do, 503 where others are at work, and 429 where previews took too much
    of the minute.
    """
    with unkept(frozenset({customer.pk}), now_us):
        deciding = roster_deciding.decide(customer, asked, now_us)
        effects, _ = _done(principal, customer, asked, deciding, now_us)
    problems = (*_waiting(deciding), *deciding.decided.problems)
    seen = set(subscriptions_of(principal).filter(customer=customer).values_list("pk", flat=True))
    return Preview(
        digest=_digest(customer, asked, deciding, effects),
        at_us=now_us,
        decided=_by_type(deciding.decided.facts),
        learners=len(deciding.learners),
        whom=() if asked.kind == SNAPSHOT else tuple(sorted(deciding.learners)[:WHOM_MAX]),
        problems=problems[:PROBLEMS_MAX],
        problems_total=len(problems),
        effects=tuple(it for it in effects if it.subscription in seen),
    )


def confirm(principal: Principal, customer: Customer, asked: Asked, digest: str, now_us: int) -> Done:
    """Does what was foreseen, in one transaction with its audit entry; a repeat changes nothing.

    Raises RefusedError 409 where the preview would be another now, is older than `VALID_SECONDS`, or was of something
    else, 422 for a digest that is none, and 503 and 429 as a preview does.
    """
    at_us = recognise(customer, asked, digest, now_us)
    with briefly(frozenset({customer.pk}), now_us):
        deciding = roster_deciding.decide(customer, asked, at_us)
        if deciding.is_done:
            return _receipt(deciding, Receipt(repeats=len(deciding.decided.facts)))
        if now_us - at_us > VALID_SECONDS * 10**6 or deciding.overtaken_us is not None:
            raise _another()
        effects, receipt = _done(principal, customer, asked, deciding, now_us)
        if receipt.rejected or not constant_time_compare(digest, _digest(customer, asked, deciding, effects)):
            raise _another()
        if receipt.new:
            said = {"kind": asked.kind, "do": asked.do, "learners": len(deciding.learners), "at_us": at_us}
            decided = _by_type(deciding.decided.facts)
            audit.record(principal, "roster.changed", asked.organisation, customer.pk, **said, facts=decided)
            if asked.kind != SNAPSHOT:  # that came from the platform
                roster_requests.ask(customer, deciding.decided.facts, now_us)
    return _receipt(deciding, receipt)


def recognise(customer: Customer, asked: Asked, digest: str, now_us: int) -> int:
    """The instant of the preview that gave a digest for this very action; a roster need not be read for it.

    Raises RefusedError 409 where none did, and 422 for a digest that is none.
    """
    at_us = _instant(digest, now_us)
    if not constant_time_compare(digest.partition("-")[2][:_SEAL_LENGTH], _seal(customer, asked, at_us)):
        raise _another()
    return at_us


def _waiting(deciding: Deciding) -> Iterator[Problem]:
    """That it cannot be confirmed yet, where something was told of its learners that is dated a little ahead."""
    if (last_us := deciding.overtaken_us) is not None:
        rule = f"something was told of these learners that happens at {iso(last_us)}, which is still to come"
        yield Problem("action", rule, "look at the preview again after that: this one cannot be confirmed")


def _receipt(deciding: Deciding, receipt: Receipt) -> Done:
    return Done(
        at_us=deciding.at_us,
        decided=_by_type(deciding.decided.facts),
        learners=len(deciding.learners),
        new=receipt.new,
        repeats=receipt.repeats,
        problems=deciding.decided.problems[:PROBLEMS_MAX],
    )


def _done(
    principal: Principal, customer: Customer, asked: Asked, deciding: Deciding, now_us: int
) -> tuple[list[Effect], Receipt]:
    """Takes the facts in, within the transaction that runs: what became of subscriptions, and of the facts."""
    facts = roster_deciding.with_surrogates(customer, asked, deciding.decided.facts)
    return take_in(principal.name, customer, facts, now_us)


def take_in(sender: str, customer: Customer, facts: Sequence[Fact], now_us: int) -> tuple[list[Effect], Receipt]:
    """Takes in what was decided here, by an action or by rules: what becomes of subscriptions, and of the facts.

    sender  whose they are, where some are refused
    facts   of the source `OWN_SOURCE`, learners as surrogates

    Call it in a transaction that locked the customer; it may still be rolled back.
    """
    if not facts:
        return [], Receipt()
    organisations = {it.organisation for it in facts}
    before = _accounts(customer, organisations, now_us)
    receipt = ingest_within(facts, Sender(sender, customer.pk), now_us, mapped=True)
    after = _accounts(customer, organisations, now_us)
    effects = (_effect(live, before[key][1], found, facts, now_us) for key, (live, found) in after.items())
    return [it for it in effects if any(window.before != window.after for window in it.windows)], receipt


def _accounts(
    customer: Customer, organisations: Iterable[str], now_us: int
) -> dict[int, tuple[LiveSubscription, Account]]:
    """The running terms that facts of these organisations concern, as they stand at the start of the next window."""
    found: dict[int, tuple[LiveSubscription, Account]] = {}
    for it in contracts.live_of_customers([customer.pk]):
        subscription = it.subscription
        if not subscription.start_us <= now_us < subscription.end_us or not {*organisations} & {*it.organisations}:
            continue
        live = metering.begin_windows(it, now_us)
        running = next(window for window in live.windows if window.contains(now_us))
        following = next((window for window in live.windows if window.number == running.number + 1), running)
        with own_database() as database:
            ask = engine.ask_ahead(database, live, following)
            found[live.key] = live, account(subscription, live.organisations, horizon(subscription, now_us), ask)
    return found


def _effect(live: LiveSubscription, before: Account, after: Account, decided: Sequence[Fact], now_us: int) -> Effect:
    subscription = live.subscription
    until_us = horizon(subscription, now_us)
    shown = (it for it in after.windows if it.end_us > now_us and it.start_us < until_us)
    switches_off = live.meter.holds and any(it.type in OFF for it in decided)
    return Effect(
        subscription=live.key,
        title=subscription.plan.title,
        zone=subscription.zone,
        windows=tuple(
            Foreseen(window=it, before=figures(before, it.number), after=figures(after, it.number)) for it in shown
        ),
        saving=saving(subscription, now_us) if switches_off else None,
    )


def _by_type(facts: Iterable[Fact]) -> dict[str, int]:
    return dict(sorted(Counter(it.type for it in facts).items()))


def _digest(customer: Customer, asked: Asked, deciding: Deciding, effects: Iterable[Effect]) -> str:
    """The instant of a preview, and a keyed digest of all that it rests on and says.

    What the action does is in it by the ids of its facts, and what it changes by differences.
    """
    said = {
        "customer": customer.pk,
        "at": deciding.at_us,
        "kind": [asked.kind, asked.do],
        "facts": sorted(it.id for it in deciding.decided.facts),
        "problems": [str(it) for it in deciding.decided.problems],
        "view": deciding.lines(),
        "effects": [_differences(it) for it in sorted(effects, key=lambda it: it.subscription)],
    }
    key = salted_hmac("rollbook.roster", json.dumps(said), algorithm="sha256").hexdigest()
    return f"{deciding.at_us:x}-{_seal(customer, asked, deciding.at_us)}{key}"


def _seal(customer: Customer, asked: Asked, at_us: int) -> str:
    """What only a preview of this very action can have: it is compared before anything is locked or read."""
    said = f"{customer.pk} {at_us} {asked!r}"
    return salted_hmac("rollbook.roster.asked", said, algorithm="sha256").hexdigest()[:_SEAL_LENGTH]


def _differences(effect: Effect) -> list[object]:
    windows = [[it.window.start_us, it.more_active, str(it.more_money)] for it in effect.windows]
    return [effect.subscription, windows]


_HEX = frozenset("0123456789abcdef")
_SEAL_LENGTH, _KEY_LENGTH, _INSTANT_LENGTH_MAX = 32, 96, 15


def _instant(digest: str, now_us: int) -> int:
    """The instant of a preview. Raises RefusedError 422 for what is no digest."""
    instant, _, key = digest.partition("-")
    of_hex = bool(instant) and _HEX.issuperset(instant + key)
    if of_hex and len(key) == _KEY_LENGTH and len(instant) <= _INSTANT_LENGTH_MAX and int(instant, 16) <= now_us:
        return int(instant, 16)
    raise refused(422, "invalid", "digest", "it is none of a preview", "ask for a preview, and send its digest")


def _another() -> Exception:
    rule = "what this does would be something else now than was shown, or it was shown too long ago"
    return refused(409, "preview-outdated", "digest", rule, "look at the preview again, and confirm that one")
